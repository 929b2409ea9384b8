# Tests that are more than a gtest binary.

# What links only the run side must run an engine file, and hold nothing of the compiler.
add_executable(monza_run_engine ${CMAKE_SOURCE_DIR}/tests/run_only/run_engine.cpp)
target_link_libraries(monza_run_engine PRIVATE monza_run)
set_target_properties(monza_run_engine PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
if(TARGET monza_test_tests_run_only)
  add_dependencies(monza_test_tests_run_only monza_run_engine)
  target_compile_definitions(monza_test_tests_run_only PRIVATE MONZA_RUN_ENGINE="$<TARGET_FILE:monza_run_engine>" MONZA_NM="${CMAKE_NM}")
endif()
