picket_fuzz(rule_fuzz SOURCES rule_fuzz.cpp SEEDS rule_seeds.cpp DICTIONARY rule.dict LINK picket_detect)
