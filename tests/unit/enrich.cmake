picket_test(enrich_test
  SOURCES shared_text_test.cpp process_table_test.cpp enricher_test.cpp resolver_test.cpp
  LINK picket_enrich)
