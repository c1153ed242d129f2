picket_test(sensor_test SOURCES sensor_test.cpp LINK picket_sensor)
picket_test(keyed_hash_test SOURCES keyed_hash_test.cpp)

# The names of all system calls that the headers of this machine know.
set(system_calls "")
foreach(interface 64 32)
  execute_process(COMMAND ${CMAKE_C_COMPILER} -E -dM -include asm/unistd_${interface}.h -x c /dev/null
                  OUTPUT_VARIABLE header COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "__NR_[a-z0-9_]+" names "${header}")
  list(APPEND system_calls ${names})
endforeach()
list(REMOVE_DUPLICATES system_calls)
list(TRANSFORM system_calls REPLACE "__NR_" "")
list(JOIN system_calls "\n" system_calls)
file(CONFIGURE OUTPUT gen/known_system_calls.h
     CONTENT "constexpr char kKnownSystemCalls[] = R\"(@system_calls@)\";\n" @ONLY)
picket_test(system_calls_test SOURCES system_calls_test.cpp LINK picket_sensor)
target_include_directories(system_calls_test PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/gen)
