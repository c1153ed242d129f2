picket_fuzz(record_fuzz SOURCES record_fuzz.cpp SEEDS record_seeds.cpp LINK picket_enrich)
picket_fuzz(recording_fuzz SOURCES recording_fuzz.cpp SEEDS recording_seeds.cpp LINK picket_recording picket_enrich)
