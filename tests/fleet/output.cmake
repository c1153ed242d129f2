picket_test(output_test SOURCES output_test.cpp simulated_agent.cpp
  LINK picket_collector_app picket_test_receivers LABELS fleet)
add_dependencies(output_test picketctl picket-collector)
picket_test(output_replicas_test SOURCES output_replicas_test.cpp simulated_agent.cpp
  LINK picket_collector_app picket_test_receivers picket_test_postgres LABELS fleet)
add_dependencies(output_replicas_test picket-collector)
