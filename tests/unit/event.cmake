picket_test(event_test SOURCES event_test.cpp LINK picket_event)
