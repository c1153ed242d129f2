picket_test(enrich_test
  SOURCES flow_amounts_test.cpp shared_text_test.cpp process_table_test.cpp process_table_bounds_test.cpp lineage_test.cpp file_sources_test.cpp enricher_test.cpp namespaces_test.cpp resolver_test.cpp identity_test.cpp oci_spec_test.cpp posture_test.cpp
  LINK picket_enrich)
picket_test(runtime_api_test SOURCES runtime_api_test.cpp LINK picket_runtime_api)
picket_test(loader_file_test SOURCES loader_file_test.cpp LINK picket_enrich ${CMAKE_DL_LIBS})
picket_test(relays_test SOURCES relays_test.cpp LINK picket_enrich)
