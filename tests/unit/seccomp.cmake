pkg_check_modules(seccomp REQUIRED IMPORTED_TARGET libseccomp)
picket_test(seccomp_test SOURCES seccomp_test.cpp LINK nlohmann_json::nlohmann_json PkgConfig::seccomp)
