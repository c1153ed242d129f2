picket_test(live_doctor_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/doctor_test.cpp LINK picket_test_support nlohmann_json::nlohmann_json LABELS live TIMEOUT 120)
add_dependencies(live_doctor_test picketd picketctl)
