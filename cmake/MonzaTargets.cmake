# Two link targets make the layering real: monza_run executes plans, monza_build compiles models.
function(monza_sources out)
  set(found "")
  foreach(dir ${ARGN})
    file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${dir}/*.cpp)
    list(FILTER files EXCLUDE REGEX "\\.(test|bench)\\.cpp$")
    list(APPEND found ${files})
  endforeach()
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# The engine file's header: metadata only, so FlatBuffers' 2 GiB are no limit.
find_program(FLATC flatc REQUIRED)
set(engine_header ${CMAKE_BINARY_DIR}/generated/engine_header_generated.h)
add_custom_command(OUTPUT ${engine_header}
  COMMAND ${FLATC} --cpp -o ${CMAKE_BINARY_DIR}/generated ${CMAKE_SOURCE_DIR}/src/engine/file/engine_header.fbs
  DEPENDS ${CMAKE_SOURCE_DIR}/src/engine/file/engine_header.fbs)

monza_sources(run_sources base tensor memory kernel backend backend/cpu backend/reference plan/data runtime engine/file engine/run plugin)
if(MONZA_WITH_CUDA)
  monza_sources(cuda_sources backend/cuda)
  list(FILTER cuda_sources EXCLUDE REGEX "no_cuda")
  list(APPEND run_sources ${cuda_sources} ${CMAKE_SOURCE_DIR}/src/backend/cuda/cuda_ceilings.cu)
else()
  list(APPEND run_sources ${CMAKE_SOURCE_DIR}/src/backend/cuda/no_cuda.cpp)
endif()
# Plans and packed weights fit the kernels that they were made with: what those are made of is part of an engine's hashes.
# Whatever a kernel may include is looked at again when it changes.
file(GLOB_RECURSE kernel_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/monza/*.h ${CMAKE_SOURCE_DIR}/src/base/*.h
  ${CMAKE_SOURCE_DIR}/src/kernel/*.h ${CMAKE_SOURCE_DIR}/src/memory/*.h ${CMAKE_SOURCE_DIR}/src/ops/*.h
  ${CMAKE_SOURCE_DIR}/src/ops/*.ref.cpp ${CMAKE_SOURCE_DIR}/src/ops/*.any.cpp ${CMAKE_SOURCE_DIR}/src/ops/*.x86_*.cpp
  ${CMAKE_SOURCE_DIR}/src/ops/*.cu ${CMAKE_SOURCE_DIR}/src/ops/*.cuh ${CMAKE_SOURCE_DIR}/src/backend/cuda/*.cuh
  ${CMAKE_SOURCE_DIR}/src/plan/data/*.h ${CMAKE_SOURCE_DIR}/src/simd/*.h ${CMAKE_SOURCE_DIR}/src/tensor/*.h)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/generated/kernel_sources.cpp
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} "-DFAMILIES=${kernel_families}"
    -DOUT=${CMAKE_BINARY_DIR}/generated/kernel_sources.cpp -P ${CMAKE_SOURCE_DIR}/cmake/KernelSources.cmake
  DEPENDS ${kernel_sources} ${CMAKE_SOURCE_DIR}/cmake/KernelSources.cmake VERBATIM)

add_library(monza_run STATIC ${run_sources} ${engine_header} ${MONZA_RUN_OPS} ${CMAKE_BINARY_DIR}/generated/kernel_table.cpp
  ${CMAKE_BINARY_DIR}/generated/kernel_families.cpp ${CMAKE_BINARY_DIR}/generated/check_table.cpp ${CMAKE_BINARY_DIR}/generated/format_table.cpp
  ${CMAKE_BINARY_DIR}/generated/kernel_sources.cpp)
target_include_directories(monza_run PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include ${CMAKE_BINARY_DIR}/generated)
target_link_libraries(monza_run PUBLIC fmt::fmt Threads::Threads PRIVATE ${CMAKE_DL_LIBS})
if(MONZA_WITH_CUDA)
  # The runtime library opens the driver's when the first GPU is asked for, so the binary starts without one.
  target_link_libraries(monza_run PRIVATE ${MONZA_CUDART} ${CMAKE_DL_LIBS} rt)
  set_source_files_properties(src/backend/cuda/cuda_device.cpp PROPERTIES COMPILE_OPTIONS "-isystem;${MONZA_CUDA_INCLUDE}")
endif()
monza_group(monza_run ${run_sources} ${MONZA_RUN_OPS})

# Regular expressions over strings in a model: without RE2 such a model is an error that names the package.
find_path(MONZA_RE2_INCLUDE re2/re2.h)
find_library(MONZA_RE2_LIBRARY re2)
if(MONZA_RE2_INCLUDE AND MONZA_RE2_LIBRARY)
  set_source_files_properties(src/ops/strings/regex.ref.cpp src/ops/strings/regex.def.cpp
    PROPERTIES COMPILE_DEFINITIONS MONZA_WITH_RE2=1)
  target_link_libraries(monza_run PRIVATE ${MONZA_RE2_LIBRARY})
  message(STATUS "RE2: found")
else()
  message(STATUS "RE2: missing (on Debian: apt-get install libre2-dev)")
endif()

set(onnx_proto ${CMAKE_SOURCE_DIR}/src/import/onnx/onnx.proto)
if(EXISTS ${onnx_proto})
  add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/generated/onnx.pb.cc ${CMAKE_BINARY_DIR}/generated/onnx.pb.h
    COMMAND ${Protobuf_PROTOC_EXECUTABLE} --cpp_out=${CMAKE_BINARY_DIR}/generated -I${CMAKE_SOURCE_DIR}/src/import/onnx onnx.proto
    DEPENDS ${onnx_proto})
  set(onnx_generated ${CMAKE_BINARY_DIR}/generated/onnx.pb.cc ${CMAKE_BINARY_DIR}/generated/onnx.pb.h)
endif()
# What a build did, for those who ask an engine file.
set(build_record ${CMAKE_BINARY_DIR}/generated/build_record_generated.h)
add_custom_command(OUTPUT ${build_record}
  COMMAND ${FLATC} --cpp -o ${CMAKE_BINARY_DIR}/generated ${CMAKE_SOURCE_DIR}/src/engine/build_record.fbs
  DEPENDS ${CMAKE_SOURCE_DIR}/src/engine/build_record.fbs)
# Model folders in Hugging Face's layout need a reader of JSON.
find_package(nlohmann_json QUIET)
monza_sources(build_sources ir import import/onnx gguf safetensors checkpoint decoder passes passes/fusions quant plan engine plugin/build)
if(NOT nlohmann_json_FOUND)
  message(STATUS "Model folders: off (need nlohmann-json; on Debian: apt-get install nlohmann-json3-dev)")
  list(FILTER build_sources EXCLUDE REGEX "/src/(safetensors|checkpoint)/")
endif()
add_library(monza_build STATIC ${build_sources} ${MONZA_BUILD_OPS} ${onnx_generated} ${build_record}
  ${CMAKE_BINARY_DIR}/generated/op_table.cpp ${CMAKE_BINARY_DIR}/generated/onnx_table.cpp)
target_link_libraries(monza_build PUBLIC monza_run protobuf::libprotobuf)
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/decoder/open_model.cpp PROPERTIES
  COMPILE_DEFINITIONS MONZA_WITH_JSON=$<BOOL:${nlohmann_json_FOUND}> SKIP_UNITY_BUILD_INCLUSION ON)
if(nlohmann_json_FOUND)
  target_link_libraries(monza_build PRIVATE $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)
endif()
monza_precompile(monza_build ${CMAKE_SOURCE_DIR}/src/ir/graph.h ${CMAKE_SOURCE_DIR}/src/ir/op.h)
monza_group(monza_build ${build_sources} ${MONZA_BUILD_OPS})
# Engine::load plans stale engines anew where the compiler is there; a weak reference alone would not bring it in.
target_link_options(monza_build INTERFACE "LINKER:-u,monza_replan_engine")
# So do plugins, whose operators the compiler has to be told of.
target_link_options(monza_build INTERFACE "LINKER:-u,monza_define_operator")

include(${CMAKE_SOURCE_DIR}/cmake/MonzaC.cmake)
include(${CMAKE_SOURCE_DIR}/cmake/MonzaVision.cmake OPTIONAL)
include(${CMAKE_SOURCE_DIR}/cmake/MonzaText.cmake)
include(${CMAKE_SOURCE_DIR}/cmake/MonzaGrammar.cmake)
include(${CMAKE_SOURCE_DIR}/cmake/MonzaLlm.cmake)
include(${CMAKE_SOURCE_DIR}/cmake/MonzaServe.cmake)
include(${CMAKE_SOURCE_DIR}/cmake/MonzaTools.cmake OPTIONAL)
include(${CMAKE_SOURCE_DIR}/cmake/MonzaPlugins.cmake)
include(${CMAKE_SOURCE_DIR}/cmake/MonzaInstall.cmake)

if(MONZA_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  file(GLOB support CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/support/*.cpp)
  add_library(monza_test_support STATIC ${support})
  target_include_directories(monza_test_support PUBLIC ${CMAKE_SOURCE_DIR}/tests)
  monza_cold_unmeasured(monza_test_support ${support})
  monza_precompile(monza_test_support <gtest/gtest.h> <filesystem> <fstream> <random> ${CMAKE_SOURCE_DIR}/src/ir/graph.h
    ${CMAKE_SOURCE_DIR}/src/base/error.h)
  if(MONZA_COLD_BUILD)
    target_compile_options(monza_test_support PRIVATE -fPIE)  # as programs are: they share the precompiled headers
  endif()
  set_source_files_properties(${CMAKE_SOURCE_DIR}/tests/support/data.cpp
    PROPERTIES COMPILE_DEFINITIONS "MONZA_TEST_DATA=\"${CMAKE_SOURCE_DIR}/tests/data\"")
  target_link_libraries(monza_test_support PUBLIC monza_build GTest::gtest)
  # One test binary for each folder that holds *.test.cpp: monza_test_<folder with underscores>.
  file(GLOB_RECURSE tests CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src/*.test.cpp ${CMAKE_SOURCE_DIR}/tests/*.test.cpp)
  foreach(test ${tests})
    get_filename_component(folder ${test} DIRECTORY)
    string(REGEX REPLACE "^src/" "" name ${folder})
    string(REPLACE "/" "_" name ${name})
    list(APPEND test_names ${name})
    list(APPEND test_sources_${name} ${CMAKE_SOURCE_DIR}/${test})
  endforeach()
  list(REMOVE_DUPLICATES test_names)
  foreach(name ${test_names})
    if((name MATCHES "^vision" AND NOT TARGET monza_vision) OR
       (name MATCHES "^(text|jinja|grammar)$" AND NOT TARGET monza_text) OR (name STREQUAL "pipelines" AND NOT TARGET monza_pipelines) OR
       (name MATCHES "^serve" AND NOT TARGET monza_serve) OR (name STREQUAL "serve_grpc" AND NOT TARGET monza_serve_grpc) OR
       (name MATCHES "^(io|gguf)$" AND NOT TARGET monza_io) OR (name MATCHES "^(safetensors|checkpoint)$" AND NOT nlohmann_json_FOUND) OR (name STREQUAL "llm" AND NOT TARGET monza_llm) OR (name STREQUAL "tests_cli" AND NOT TARGET monza) OR
       (name STREQUAL "tests_detect" AND NOT TARGET monza_tool_vision) OR
       (name STREQUAL "tests_serve" AND (NOT TARGET monza OR NOT TARGET monza_serve)) OR
       (name STREQUAL "tests_vision_plugins" AND (NOT TARGET monza_vision OR NOT MONZA_PLUGINS)))
      continue()
    endif()
    if(name MATCHES "^tests_(cli|detect|serve)$")
      list(APPEND test_sources_${name} ${CMAKE_SOURCE_DIR}/tests/cli/driver.cpp)
    endif()
    add_executable(monza_test_${name} ${test_sources_${name}})
    target_link_libraries(monza_test_${name} PRIVATE monza_test_support GTest::gtest_main)
    monza_cold_test(monza_test_${name} ${test_sources_${name}})
    if(name MATCHES "^vision|^tests_vision_plugins$")
      target_link_libraries(monza_test_${name} PRIVATE monza_vision)
    endif()
    if(name MATCHES "^serve")
      target_link_libraries(monza_test_${name} PRIVATE monza_serve nlohmann_json::nlohmann_json OpenSSL::SSL)
      if(name STREQUAL "serve_grpc")
        target_link_libraries(monza_test_${name} PRIVATE monza_serve_grpc)
      endif()
    elseif(name STREQUAL "checkpoint")
      target_link_libraries(monza_test_${name} PRIVATE nlohmann_json::nlohmann_json)
    elseif(name STREQUAL "pipelines")
      target_link_libraries(monza_test_${name} PRIVATE monza_pipelines nlohmann_json::nlohmann_json)
    elseif(name MATCHES "^(text|jinja|grammar)$")
      target_link_libraries(monza_test_${name} PRIVATE monza_text $<$<STREQUAL:${name},grammar>:monza_grammar> nlohmann_json::nlohmann_json)
    elseif(name STREQUAL "llm")
      target_link_libraries(monza_test_${name} PRIVATE monza_llm nlohmann_json::nlohmann_json)
    elseif(name MATCHES "^(io|gguf)$")
      target_link_libraries(monza_test_${name} PRIVATE monza_io)
    elseif(name MATCHES "^tests_(cli|detect|serve)$")
      target_link_libraries(monza_test_${name} PRIVATE monza_tool $<$<STREQUAL:${name},tests_detect>:monza_tool_vision>)
      target_compile_definitions(monza_test_${name} PRIVATE MONZA_TOOL="$<TARGET_FILE:monza>"
        MONZA_SOURCE_FOLDER="${CMAKE_SOURCE_DIR}")
      add_dependencies(monza_test_${name} monza)
    endif()
    set_target_properties(monza_test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
    add_test(NAME ${name} COMMAND monza_test_${name})
    if(NOT name MATCHES "^tests_")
      set_tests_properties(${name} PROPERTIES LABELS unit)
      list(APPEND unit_tests monza_test_${name})
    endif()
  endforeach()
  # The tests that lie beside the code they test: ninja unit_tests && ctest -L unit
  add_custom_target(unit_tests DEPENDS ${unit_tests})
  include(${CMAKE_SOURCE_DIR}/cmake/MonzaTests.cmake OPTIONAL)
endif()
