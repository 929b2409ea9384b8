# MONZA_COLD_BUILD: for a build from nothing, without a compiler cache. Most of what a compiler reads are headers, and much
# of what it makes are instances of the standard library's templates, the same ones in every file: so the files of a folder
# are compiled together, and common headers are parsed once for a target. A build after a change does better without.
set(MONZA_COMMON_HEADERS <algorithm> <array> <cmath> <cstdint> <cstring> <functional> <map> <memory> <optional> <set> <span>
  <string> <string_view> <utility> <vector> <fmt/core.h>)

# monza_group(TARGET SOURCE...): these sources of the target are compiled together, folder by folder. Kernels for an
# instruction set stay alone, as do all files with compiler options of their own.
function(monza_group target)
  if(NOT MONZA_COLD_BUILD)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # A group is worth more memory than GCC takes before it looks for what it can throw away.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=524288>)
  # GCC takes the files of a group for headers, where an unnamed namespace would be a mistake.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  # The C API is compiled into the shared library once more, so its objects must bring nothing else along.
  list(FILTER ARGN EXCLUDE REGEX "/c_api[^/]*\\.cpp$|\\.x86_[^/]*$|\\.cu$")
  foreach(source ${ARGN})
    get_filename_component(folder ${source} DIRECTORY)
    string(MAKE_C_IDENTIFIER ${folder} folder)
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${folder})
  endforeach()
endfunction()

# monza_precompile(TARGET HEADER...): common headers and these.
function(monza_precompile target)
  if(MONZA_COLD_BUILD)
    target_precompile_headers(${target} PRIVATE ${MONZA_COMMON_HEADERS} ${ARGN})
  endif()
endfunction()

# monza_cold_unmeasured(TARGET SOURCE...): a target whose own speed matters to nobody, in groups. Less optimisation takes a
# quarter off its compile time.
function(monza_cold_unmeasured target)
  monza_group(${target} ${ARGN})
  if(MONZA_COLD_BUILD)
    target_compile_options(${target} PRIVATE -O1)
  endif()
endfunction()

# monza_cold_test(TARGET SOURCE...): a test program, with the precompiled headers of monza_test_support.
function(monza_cold_test target)
  monza_cold_unmeasured(${target} ${ARGN})
  if(MONZA_COLD_BUILD)
    target_precompile_headers(${target} REUSE_FROM monza_test_support)
  endif()
endfunction()
