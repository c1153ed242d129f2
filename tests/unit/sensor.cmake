picket_test(sensor_test SOURCES sensor_test.cpp LINK picket_sensor)
