picket_fuzz(spool_fuzz SOURCES spool_fuzz.cpp SEEDS spool_seeds.cpp LINK picket_spool picket_utf8 picket_proto)
