# One folder = one static library = one narrow interface. Includes are written from the root of the tree.
function(picket_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${arg_LINK})
endfunction()

function(picket_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endfunction()

# A GoogleTest program; every TEST in it becomes a ctest case. LABELS: unit, live, acceptance, fleet, ...
# What is "live" runs in the VMs of tests/vm too; what is "lsm" runs only there, where the kernel takes BPF LSM programs.
# Unit tests run beside others; of all else one at a time, for it watches what the whole machine does. ALONE: in a VM too,
# as one that measures what is the whole machine's.
# AT_ONCE: one ctest case for the whole program, whose tests share what is long to prepare.
function(picket_test name)
  cmake_parse_arguments(arg "ALONE;AT_ONCE" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${arg_LINK} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE PICKET_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                             PICKET_BINARY_DIR="${CMAKE_BINARY_DIR}")
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  foreach(label live lsm)
    if(label IN_LIST arg_LABELS)
      if(arg_ALONE)
        set(label alone)
      endif()
      set_property(GLOBAL APPEND PROPERTY PICKET_VM_PROGRAMS "${label} ${name}")
    endif()
  endforeach()
  if(lsm IN_LIST arg_LABELS)
    return()
  endif()
  set(lock RESOURCE_LOCK machine)
  if(arg_LABELS STREQUAL "unit" AND NOT arg_ALONE)
    set(lock)
  endif()
  if(arg_AT_ONCE)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} ${lock}
                         SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
    return()
  endif()
  # Discovery runs the program at ctest time: a cross or sanitizer build needs no working kernel to configure.
  include(GoogleTest)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
                       PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} ${lock}
                                  SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
endfunction()

# A seccomp profile that a program carries: the text of PROFILE, from the root of the tree, as the constant NAME of the
# generated header.
function(picket_seccomp_profile header name profile)
  set(PICKET_PROFILE ${profile})
  set(PICKET_PROFILE_NAME ${name})
  file(READ ${PROJECT_SOURCE_DIR}/${profile} PICKET_PROFILE_TEXT)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${profile})
  configure_file(${PROJECT_SOURCE_DIR}/cmake/seccomp_text.h.in ${CMAKE_BINARY_DIR}/gen/${header} @ONLY)
endfunction()
