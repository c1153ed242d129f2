picket_test(output_test SOURCES output_test.cpp simulated_agent.cpp
  LINK picket_collector_app picket_test_receivers LABELS fleet)
add_dependencies(output_test picketctl picket-collector)
