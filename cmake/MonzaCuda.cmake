# The CUDA backend: src/backend/cuda and the kernels in src/ops/*/*.cu. Without a toolkit, or for what is instrumented or
# made for another processor, src/backend/cuda/no_cuda.cpp stands in its place.
set(MONZA_CUDA AUTO CACHE STRING "CUDA backend: ON, OFF, or AUTO (where a toolkit is found)")
set(MONZA_CUDA_TOOLKIT "" CACHE PATH "Folder of the CUDA toolkit; empty: .cache/cuda, then where nvcc is installed")
set(MONZA_WITH_CUDA OFF)
if(MONZA_CUDA STREQUAL "OFF")
  message(STATUS "CUDA: off")
elseif(MONZA_SANITIZE OR MONZA_TSAN OR MONZA_FUZZ OR CMAKE_CROSSCOMPILING)
  message(STATUS "CUDA: off in this kind of build")
else()
  find_program(MONZA_NVCC nvcc
    PATHS ${MONZA_CUDA_TOOLKIT}/bin ${CMAKE_SOURCE_DIR}/.cache/cuda/bin $ENV{CUDA_HOME}/bin /usr/local/cuda/bin NO_DEFAULT_PATH)
  find_program(MONZA_NVCC nvcc)
  if(MONZA_NVCC)
    set(MONZA_WITH_CUDA ON)
  elseif(MONZA_CUDA STREQUAL "ON")
    message(FATAL_ERROR "There is no nvcc: run scripts/cuda_toolkit, or name a toolkit with -DMONZA_CUDA_TOOLKIT=FOLDER")
  else()
    message(STATUS "CUDA: missing (scripts/cuda_toolkit fetches a toolkit)")
  endif()
endif()
if(NOT MONZA_WITH_CUDA)
  return()
endif()

set(CMAKE_CUDA_COMPILER ${MONZA_NVCC})
set(CMAKE_CUDA_FLAGS_RELEASE "-O2")
# Written out below: this CMake does not know of 90a.
set(CMAKE_CUDA_ARCHITECTURES OFF)
set(CMAKE_CUDA_RUNTIME_LIBRARY None)  # linked by name, for installed libraries too
if(CCACHE AND NOT MONZA_COLD_BUILD)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()
enable_language(CUDA)
# Targets ask for C++20 in all their languages; this CMake does not know nvcc's name for it.
set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
set(CMAKE_CUDA_STANDARD_LATEST 20)
get_filename_component(cuda_root ${MONZA_NVCC} REALPATH)
get_filename_component(cuda_root ${cuda_root}/../.. ABSOLUTE)
find_library(MONZA_CUDART cudart_static HINTS ${cuda_root}/lib64 ${cuda_root}/lib REQUIRED)
find_path(MONZA_CUDA_INCLUDE cuda_runtime.h HINTS ${cuda_root}/include REQUIRED)
# Portable code as PTX for compute capability 8.0, which the driver compiles for any later GPU; Hopper's own beside it.
set(CMAKE_CUDA_FLAGS "${CMAKE_CUDA_FLAGS} -gencode arch=compute_80,code=compute_80 -gencode arch=compute_90a,code=sm_90a")
# Constexpr functions may be called in device code; a template for signed and unsigned integers may compare with 0.
string(APPEND CMAKE_CUDA_FLAGS " --expt-relaxed-constexpr -diag-suppress 186")
message(STATUS "CUDA: ${CMAKE_CUDA_COMPILER_VERSION} in ${cuda_root}")
