# The agent's stand-in, a program of its own because it is killed.
add_executable(chaos_agent chaos_agent.cpp)
target_include_directories(chaos_agent PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(chaos_agent PRIVATE picket_uplink picket_log)

picket_test(chaos_test SOURCES chaos_test.cpp LINK picket_spool picket_test_stored LABELS fleet TIMEOUT 300)
target_compile_definitions(chaos_test PRIVATE PICKET_CHAOS_AGENT="$<TARGET_FILE:chaos_agent>")
add_dependencies(chaos_test chaos_agent picket-collector)
