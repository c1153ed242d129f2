# The release's date, from the newest entry of packaging/debian/changelog: PICKET_RELEASE_DATE (2026-11-27), for manual
# pages, and PICKET_RELEASE_EPOCH in seconds, for whatever writes times into files. A build of the same tree is then the same.
set(PICKET_CHANGELOG ${PROJECT_SOURCE_DIR}/packaging/debian/changelog)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PICKET_CHANGELOG})
file(STRINGS ${PICKET_CHANGELOG} signatures REGEX "^ -- .*  ")
list(GET signatures 0 signature)
string(REGEX REPLACE "^ -- .*>  " "" PICKET_RELEASE_TIME "${signature}")
execute_process(COMMAND date --utc --date=${PICKET_RELEASE_TIME} +%F\ %s
                OUTPUT_VARIABLE dates OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE " " ";" dates "${dates}")
list(GET dates 0 PICKET_RELEASE_DATE)
list(GET dates 1 PICKET_RELEASE_EPOCH)
