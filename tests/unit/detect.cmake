picket_test(rule_language_test SOURCES rule_condition_test.cpp rule_dispatch_test.cpp rule_falco_test.cpp rule_file_test.cpp rule_limits_test.cpp rule_operand_test.cpp rule_load_test.cpp rule_interest_test.cpp rule_urgency_test.cpp agent_files_policy_test.cpp rule_file_class_test.cpp rule_lineage_test.cpp rule_resource_test.cpp rule_target_test.cpp merger_test.cpp story_test.cpp rule_analysis_test.cpp rule_scope_test.cpp sequence_test.cpp sequence_begin_test.cpp sequence_order_test.cpp
            LINK picket_detect picket_respond)
picket_test(rule_allocation_test SOURCES rule_allocation_test.cpp LINK picket_detect)
picket_test(rule_files_test SOURCES rule_files_test.cpp LINK picket_replay)
picket_test(rules_commands_test SOURCES rules_commands_test.cpp LINK picket_rules_commands)
picket_test(rule_network_test SOURCES rule_network_test.cpp message_test.cpp LINK picket_replay)
picket_test(upstream_rules_test SOURCES upstream_rules_test.cpp LINK picket_replay)
picket_test(bundle_test SOURCES bundle_test.cpp LINK picket_bundle)
picket_test(egress_policy_test SOURCES egress_policy_test.cpp LINK picket_detect)
