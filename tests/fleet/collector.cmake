picket_test(collector_test
  SOURCES collector_test.cpp operator_test.cpp policy_test.cpp policy_rollout_test.cpp incident_test.cpp watch_test.cpp collector_fixture.cpp simulated_agent.cpp
  LINK picket_collector_app picket_rule_bundle picket_test_support LABELS fleet)
add_dependencies(collector_test picketctl picket-collector)
