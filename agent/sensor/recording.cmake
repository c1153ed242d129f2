pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
picket_library(picket_recording
  SOURCES recording_format.cpp recording_writer.cpp recording_reader.cpp recording_source.cpp
  LINK picket_event PkgConfig::xxhash)
