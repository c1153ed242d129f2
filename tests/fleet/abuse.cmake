picket_test(abuse_test
  SOURCES abuse_calls_test.cpp abuse_wire_test.cpp abuse_fixture.cpp
  LINK picket_collector_app picket_test_http2 LABELS fleet)
add_dependencies(abuse_test picket-collector)
