picket_test(house_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/house_test.cpp)
picket_test(documents_test SOURCES ${CMAKE_CURRENT_LIST_DIR}/documents_test.cpp)
