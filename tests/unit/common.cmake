picket_test(metrics_test SOURCES metrics_test.cpp LINK picket_health picket_test_support)
picket_test(config_drop_ins_test SOURCES config_drop_ins_test.cpp LINK picket_common)
picket_test(log_test SOURCES log_test.cpp LINK picket_log)
