# libmonza: the C API as a shared library that exports nothing else. Its version is that of the API, not of Monza.
set(c_api_sources ${CMAKE_SOURCE_DIR}/src/engine/run/c_api.cpp ${CMAKE_SOURCE_DIR}/src/engine/c_api_build.cpp)
file(STRINGS ${CMAKE_SOURCE_DIR}/include/monza/monza.h api_major REGEX "^#define MONZA_API_MAJOR ")
file(STRINGS ${CMAKE_SOURCE_DIR}/include/monza/monza.h api_minor REGEX "^#define MONZA_API_MINOR ")
string(REGEX REPLACE "[^0-9]" "" api_major "${api_major}")
string(REGEX REPLACE "[^0-9]" "" api_minor "${api_minor}")

file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/libmonza.map CONTENT "MONZA_@api_major@ {
  global: monza_*;
  local: *;
};
" @ONLY)
add_library(monza_c SHARED ${c_api_sources})
target_link_libraries(monza_c PRIVATE monza_build)
target_include_directories(monza_c PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
target_link_options(monza_c PRIVATE -Wl,--version-script=${CMAKE_BINARY_DIR}/generated/libmonza.map)
set_target_properties(monza_c PROPERTIES OUTPUT_NAME monza EXPORT_NAME c VERSION ${api_major}.${api_minor}
  SOVERSION ${api_major} LINK_DEPENDS ${CMAKE_BINARY_DIR}/generated/libmonza.map)
