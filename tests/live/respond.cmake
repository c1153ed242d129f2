picket_test(live_respond_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/respond_test.cpp LINK picket_live picket_respond LABELS live TIMEOUT 120)
picket_test(live_subtree_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/subtree_test.cpp LINK picket_live picket_app LABELS live TIMEOUT 120)
picket_test(live_lineage_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/lineage_test.cpp LINK picket_live picket_machine_processes LABELS live TIMEOUT 120)
