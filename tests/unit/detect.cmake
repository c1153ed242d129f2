picket_test(rule_language_test SOURCES rule_condition_test.cpp rule_load_test.cpp rule_urgency_test.cpp merger_test.cpp
            LINK picket_detect)
picket_test(rule_allocation_test SOURCES rule_allocation_test.cpp LINK picket_detect)
picket_test(rule_files_test SOURCES rule_files_test.cpp LINK picket_replay)
picket_test(rules_commands_test SOURCES rules_commands_test.cpp LINK picket_rules_commands)
