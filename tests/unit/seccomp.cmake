picket_test(seccomp_test SOURCES seccomp_test.cpp LINK picket_confinement PkgConfig::seccomp)
add_dependencies(seccomp_test picketd picket-collector)
