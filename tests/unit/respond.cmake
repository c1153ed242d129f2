picket_test(respond_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/respond_test.cpp LINK picket_respond)
