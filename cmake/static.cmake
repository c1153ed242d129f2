# PICKET_STATIC: libraries are linked from their archives, and a program that picket_static() names needs no other file at
# all: no interpreter, no libraries, no plug-ins of the C library. Included before any package is looked for.
set(CMAKE_FIND_LIBRARY_SUFFIXES .a .so)
set(PKG_CONFIG_ARGN --static)
set(Protobuf_USE_STATIC_LIBS ON)
set(OPENSSL_USE_STATIC_LIBS ON)

# What a package's own CMake file describes as shared: its archive lies beside it. Called once all packages are found.
function(picket_link_archives)
  get_property(targets DIRECTORY ${PROJECT_SOURCE_DIR} PROPERTY IMPORTED_TARGETS)
  foreach(target ${targets})
    foreach(property IMPORTED_LOCATION IMPORTED_LOCATION_NONE IMPORTED_LOCATION_RELEASE)
      get_target_property(shared ${target} ${property})
      string(REGEX REPLACE "\\.so[.0-9]*$" ".a" archive "${shared}")
      if(NOT archive STREQUAL shared AND EXISTS "${archive}")
        set_target_properties(${target} PROPERTIES ${property} "${archive}")
      endif()
    endforeach()
  endforeach()
  # These two have no archive; they are headers as well.
  set_target_properties(spdlog::spdlog_header_only PROPERTIES INTERFACE_LINK_LIBRARIES
                                                              "Threads::Threads;fmt::fmt-header-only")
  set(PICKET_LOG_LIBRARY spdlog::spdlog_header_only PARENT_SCOPE)
endfunction()

function(picket_static name)
  target_link_options(${name} PRIVATE -static-pie -s)
endfunction()
