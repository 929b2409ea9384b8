# Pictures and video. MONZA_VISION=OFF leaves the whole component out; each library below that is missing leaves out
# its format alone, and using that format is then an error that names the package to install.
if(NOT MONZA_VISION)
  return()
endif()
find_package(PkgConfig)
find_package(nlohmann_json QUIET)
if(NOT PkgConfig_FOUND OR NOT nlohmann_json_FOUND)
  message(STATUS "Vision: off (needs pkg-config and nlohmann-json; on Debian: apt-get install pkg-config nlohmann-json3-dev)")
  return()
endif()

monza_sources(vision_sources vision)
add_library(monza_vision STATIC ${vision_sources})
monza_group(monza_vision ${vision_sources})
target_link_libraries(monza_vision PUBLIC monza_run PRIVATE $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)
# The operator ImageDecoder finds its readers where they are linked; a weak reference alone would not bring them in.
target_link_options(monza_vision INTERFACE "LINKER:-u,monza_decode_picture")
set(MONZA_VISION_PACKAGES "")  # what who links it needs, in pkg-config's names, and as TARGET=NAME
set(MONZA_VISION_TARGETS "")
# The pixel loops gain from the vectoriser, which -O2 uses only where it costs nothing.
set_source_files_properties(src/vision/letterbox.cpp src/vision/resample.cpp src/vision/boxes.cpp
  PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O3>)

function(monza_vision_library name package modules)
  pkg_check_modules(MONZA_${name} QUIET IMPORTED_TARGET ${modules} ${ARGN})
  if(MONZA_${name}_FOUND)
    if(name STREQUAL FFMPEG)  # loaded when a video is opened: see src/vision/ffmpeg.h
      target_include_directories(monza_vision SYSTEM PRIVATE ${MONZA_FFMPEG_INCLUDE_DIRS})
      target_link_libraries(monza_vision PRIVATE ${CMAKE_DL_LIBS})
    else()
      target_link_libraries(monza_vision PRIVATE PkgConfig::MONZA_${name})
      set(MONZA_VISION_PACKAGES "${MONZA_VISION_PACKAGES} ${modules}" PARENT_SCOPE)
      set(MONZA_VISION_TARGETS ${MONZA_VISION_TARGETS} MONZA_${name}=${modules} PARENT_SCOPE)
    endif()
    if(name STREQUAL PNG AND MONZA_FUZZ)  # an archive there, which needs zlib's
      target_link_libraries(monza_vision PRIVATE z)
    endif()
    target_compile_definitions(monza_vision PUBLIC MONZA_WITH_${name}=1)
    message(STATUS "Vision: ${name} found")
  else()
    target_compile_definitions(monza_vision PUBLIC MONZA_WITH_${name}=0)
    message(STATUS "Vision: ${name} missing (on Debian: apt-get install ${package})")
  endif()
endfunction()
monza_vision_library(JPEG libjpeg-dev libjpeg)
monza_vision_library(PNG libpng-dev libpng)
monza_vision_library(WEBP libwebp-dev libwebp)
monza_vision_library(FFMPEG "libavcodec-dev libavformat-dev libavdevice-dev libswscale-dev"
  libavformat libavcodec libavutil libswscale libavdevice)
