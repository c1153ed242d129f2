# `picketctl rules`: linked into picketctl, and into its own test. Paths are absolute because both may include this file.
if(NOT TARGET picket_rules_commands)
  picket_library(picket_rules_commands
    SOURCES
      ${CMAKE_CURRENT_LIST_DIR}/rules_commands.cpp
    LINK picket_replay picket_bundle picket_finding_alert CLI11::CLI11)
endif()
