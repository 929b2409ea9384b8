# Tests that are more than a gtest binary.

# What links only the run side must run an engine file, and hold nothing of the compiler.
add_executable(monza_run_engine ${CMAKE_SOURCE_DIR}/tests/run_only/run_engine.cpp)
target_link_libraries(monza_run_engine PRIVATE monza_run)
set_target_properties(monza_run_engine PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
if(TARGET monza_test_tests_run_only)
  add_dependencies(monza_test_tests_run_only monza_run_engine)
  target_compile_definitions(monza_test_tests_run_only PRIVATE MONZA_RUN_ENGINE="$<TARGET_FILE:monza_run_engine>" MONZA_NM="${CMAKE_NM}")
endif()

# No ordinary code may end up in a function that was compiled for AVX-512. Sanitizers add weak functions of their own.
if(NOT MONZA_SANITIZE AND NOT MONZA_TSAN)
  find_package(Python3 REQUIRED COMPONENTS Interpreter)
  add_test(NAME isa_symbols COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/scripts/check_isa_symbols.py ${CMAKE_BINARY_DIR})
endif()

# What changes the hash of which family.
add_test(NAME kernel_sources COMMAND ${CMAKE_COMMAND} -DSCRIPT=${CMAKE_SOURCE_DIR}/cmake/KernelSources.cmake
  -DWORK=${CMAKE_BINARY_DIR}/test/kernel_sources -P ${CMAKE_SOURCE_DIR}/tests/kernel_sources/kernel_sources_test.cmake)

# Plugins are loaded by tests of the library and of the tool.
foreach(name tests_plugins tests_cli tests_run_only)
  if(TARGET monza_test_${name})
    add_dependencies(monza_test_${name} monza_test_plugin_sample monza_test_plugin_wrong monza_test_plugin_none
      monza_test_plugin_throws)
    target_compile_definitions(monza_test_${name} PRIVATE MONZA_TEST_PLUGINS="${CMAKE_BINARY_DIR}/test")
  endif()
endforeach()

if(TARGET monza_test_tests_vision_plugins)
  add_dependencies(monza_test_tests_vision_plugins ${MONZA_PLUGIN_TARGETS})
  target_compile_definitions(monza_test_tests_vision_plugins PRIVATE MONZA_PLUGIN_FOLDER="${CMAKE_BINARY_DIR}/plugins")
endif()

# The installed package, as a user's project finds it.
add_executable(monza_make_model ${CMAKE_SOURCE_DIR}/tests/install/make_model.cpp)
target_link_libraries(monza_make_model PRIVATE monza_build)
set_target_properties(monza_make_model PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)

# The C API, from C.
add_executable(monza_c_api_test ${CMAKE_SOURCE_DIR}/tests/c_api/c_api_test.c)
set_target_properties(monza_c_api_test PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
  RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
target_compile_options(monza_c_api_test PRIVATE -Wall -Wextra -Wpedantic -Werror)
target_link_libraries(monza_c_api_test PRIVATE monza_c m)
add_test(NAME c_api_model COMMAND monza_make_model ${CMAKE_BINARY_DIR}/test/c_api.onnx)
add_test(NAME c_api COMMAND monza_c_api_test ${CMAKE_BINARY_DIR}/test/c_api.onnx ${CMAKE_BINARY_DIR}/test
  $<TARGET_FILE:monza_test_plugin_sample>)
add_dependencies(monza_c_api_test monza_test_plugin_sample)
set_tests_properties(c_api_model PROPERTIES FIXTURES_SETUP c_api_model)
set_tests_properties(c_api PROPERTIES FIXTURES_REQUIRED c_api_model)
# libmonza exports the functions of the header and nothing else.
add_test(NAME c_api_exports COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DLIBRARY=$<TARGET_FILE:monza_c>
  -DHEADER=${CMAKE_SOURCE_DIR}/include/monza/monza.h -P ${CMAKE_SOURCE_DIR}/tests/c_api/exports.cmake)
set(sanitize "")
if(MONZA_SANITIZE)
  set(sanitize "-fsanitize=address,undefined")
elseif(MONZA_TSAN)
  set(sanitize "-fsanitize=thread")
endif()
add_test(NAME install COMMAND ${CMAKE_COMMAND} -DBUILD=${CMAKE_BINARY_DIR} -DSOURCE=${CMAKE_SOURCE_DIR} -DGENERATOR=${CMAKE_GENERATOR}
  -DCOMPILER=${CMAKE_CXX_COMPILER} -DC_COMPILER=${CMAKE_C_COMPILER} -DFLAGS=${sanitize} -DMAKE_MODEL=$<TARGET_FILE:monza_make_model>
  -P ${CMAKE_SOURCE_DIR}/tests/install/install_test.cmake)

# Plans and runs what the differential tester draws. It finds shared libraries that lie beside it first, so that it can be
# carried to another machine.
file(GLOB differential CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/differential/*.cpp)
add_executable(monza_differential ${differential})
target_include_directories(monza_differential PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(monza_differential PRIVATE monza_build)
target_link_options(monza_differential PRIVATE LINKER:--disable-new-dtags)  # the libraries' own libraries, too
set_target_properties(monza_differential PROPERTIES BUILD_RPATH "\$ORIGIN" RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
if(NOT MONZA_SANITIZE AND NOT MONZA_TSAN)
  target_link_options(monza_differential PRIVATE -static-libstdc++ -static-libgcc)
endif()

# Tests on real models beside ONNX Runtime, in a Python environment of their own.
# Sanitizer builds leave them out: they would take hours.
if(TARGET monza AND NOT MONZA_SANITIZE AND NOT MONZA_TSAN)
  foreach(script compare_models contrib_test whisper_test map_test serve_test tokenizer_test pictures_test encode_test grammar_test)
    add_test(NAME peers_${script} COMMAND ${CMAKE_SOURCE_DIR}/tests/peers/run.sh ${script}.py)
    set_tests_properties(peers_${script} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1800)
  endforeach()
endif()

# Holds texts against grammars and schemas, for a peers test.
if(TARGET monza_grammar)
  add_executable(monza_grammar_texts ${CMAKE_SOURCE_DIR}/tests/grammar/grammar_texts.cpp)
  target_link_libraries(monza_grammar_texts PRIVATE monza_grammar nlohmann_json::nlohmann_json)
  set_target_properties(monza_grammar_texts PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
endif()
