picket_test(spool_test SOURCES spool_test.cpp LINK picket_spool)
