picket_test(agent_config_test SOURCES agent_config_test.cpp LINK picket_app)
picket_test(pipeline_test SOURCES pipeline_test.cpp pipeline_workspace_test.cpp LINK picket_app picket_test_support)
picket_test(blind_spots_test SOURCES blind_spots_test.cpp heartbeat_test.cpp agent_mail_test.cpp LINK picket_app)
