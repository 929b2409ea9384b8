# The fuzz targets (tests/fuzz): one binary for all of them, so that the libraries lie in it once.
#   cmake -S . -B build-fuzz -G Ninja -DMONZA_FUZZ=ON -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_C_COMPILER=clang-19
#   build-fuzz/bin/monza_fuzz TARGET [libFuzzer's options] [FOLDER or FILE ...]
# Libraries are linked in where Debian has them as archives, so that the binary runs on other machines too. It has none of
# fmt, whose shared library is looked for beside the binary first.
find_package(GTest REQUIRED)
file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/*.cpp)
add_executable(monza_fuzz ${fuzz_sources} ${CMAKE_SOURCE_DIR}/tests/support/hostile.cpp
  ${CMAKE_SOURCE_DIR}/tests/support/engine_from_text.cpp ${CMAKE_SOURCE_DIR}/tests/support/edited_engine.cpp)
target_include_directories(monza_fuzz PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(monza_fuzz PRIVATE monza_build monza_io monza_vision monza_serve monza_llm GTest::gtest ZLIB::ZLIB)
target_link_options(monza_fuzz PRIVATE -fsanitize=fuzzer -static-libstdc++ -static-libgcc)
set_target_properties(monza_fuzz PROPERTIES BUILD_RPATH "\$ORIGIN")
# What a vectorised kernel computes tells the fuzzer nothing: only the addresses that it takes are watched. They take
# half of the build's time even so.
foreach(file ${MONZA_RUN_OPS})
  if(file MATCHES "\\.x86_")
    set_property(SOURCE ${file} APPEND PROPERTY COMPILE_OPTIONS -fno-sanitize=fuzzer-no-link,undefined)
  endif()
endforeach()
