picket_test(outputs_test
  SOURCES output_config_test.cpp output_render_test.cpp output_runner_test.cpp output_destinations_test.cpp
          output_kafka_test.cpp
  LINK picket_export picket_test_receivers)
