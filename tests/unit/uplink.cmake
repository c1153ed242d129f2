picket_test(outbox_test SOURCES outbox_test.cpp LINK picket_uplink)
picket_test(tls_test SOURCES tls_test.cpp fake_collector.cpp LINK picket_uplink)
picket_test(uplink_test SOURCES uplink_test.cpp uplink_contents_test.cpp fake_collector.cpp LINK picket_uplink)
picket_test(uplink_threads_test SOURCES uplink_threads_test.cpp LINK picket_uplink)
