# Installs the build into a folder of its own, builds examples/cpp and examples/c against it, out of the tree, and runs
# the programs.
#   cmake -DBUILD=... -DSOURCE=... -DMAKE_MODEL=... -P install_test.cmake
set(work ${BUILD}/install-test)
file(REMOVE_RECURSE ${work})
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT code EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nfailed (${code}):\n${text}")
  endif()
  set(text "${text}" PARENT_SCOPE)
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/prefix)
run(${CMAKE_COMMAND} -S ${SOURCE}/examples/cpp -B ${work}/build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${work}/prefix
  -DCMAKE_CXX_COMPILER=${COMPILER} "-DCMAKE_CXX_FLAGS=${FLAGS}" -DCMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build ${work}/build)
run(${MAKE_MODEL} ${work}/small.onnx)
run(${work}/build/build_and_run ${work}/small.onnx ${work}/small.engine)
if(NOT text MATCHES "y: 2 8")
  message(FATAL_ERROR "build_and_run printed:\n${text}")
endif()
run(${work}/build/load_and_run ${work}/small.engine)
if(NOT text MATCHES "y: 16 elements")
  message(FATAL_ERROR "load_and_run printed:\n${text}")
endif()

run(${CMAKE_COMMAND} -S ${SOURCE}/examples/c -B ${work}/build-c -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${work}/prefix
  -DCMAKE_C_COMPILER=${C_COMPILER} "-DCMAKE_C_FLAGS=${FLAGS}" -DCMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build ${work}/build-c)
run(${work}/build-c/build_and_run ${work}/small.onnx ${work}/small_c.engine)
if(NOT text MATCHES "y: 2 8")
  message(FATAL_ERROR "examples/c/build_and_run printed:\n${text}")
endif()
run(${work}/build-c/two_contexts ${work}/small_c.engine)
if(NOT text MATCHES "context 1: y at rank 2, 64 bytes")
  message(FATAL_ERROR "examples/c/two_contexts printed:\n${text}")
endif()
