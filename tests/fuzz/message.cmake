picket_fuzz(dns_fuzz SOURCES dns_fuzz.cpp SEEDS message_seeds.cpp LINK picket_replay)
picket_fuzz(tls_fuzz SOURCES tls_fuzz.cpp SEEDS message_seeds.cpp LINK picket_replay)
