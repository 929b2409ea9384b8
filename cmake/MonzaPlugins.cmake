# Plugins: shared libraries that see the public headers alone. Each folder of plugins/ is one, in build/plugins.
option(MONZA_PLUGINS "Build the plugins of plugins/" ON)

function(monza_plugin name folder)
  add_library(${name} MODULE ${ARGN})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR})
  set_target_properties(${name} PROPERTIES PREFIX "" C_STANDARD 11 C_VISIBILITY_PRESET hidden
    CXX_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/${folder})
endfunction()

if(MONZA_PLUGINS)
  file(GLOB plugin_folders CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/plugins/*)
  foreach(folder ${plugin_folders})
    get_filename_component(name ${folder} NAME)
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
    file(GLOB cuda_sources CONFIGURE_DEPENDS ${folder}/*.cu)
    if(MONZA_WITH_CUDA AND cuda_sources)
      monza_plugin(${name} plugins ${sources} ${cuda_sources})
      target_compile_definitions(${name} PRIVATE MONZA_PLUGIN_CUDA=1)
      # Results of the host's code, which is compiled without fused multiply-adds too.
      target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:--fmad=false>)
      target_link_libraries(${name} PRIVATE ${MONZA_CUDART} ${CMAKE_DL_LIBS} Threads::Threads rt)
      target_link_options(${name} PRIVATE LINKER:--exclude-libs,ALL)
    else()
      monza_plugin(${name} plugins ${sources})
    endif()
    list(APPEND MONZA_PLUGIN_TARGETS ${name})
  endforeach()
  # The pixel loops gain from the vectoriser, which -O2 uses only where it costs nothing.
  set_source_files_properties(${CMAKE_SOURCE_DIR}/plugins/yolo_post/yolo_post.cpp ${CMAKE_SOURCE_DIR}/plugins/letterbox/letterbox.cpp
    PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O3>)
endif()

if(MONZA_TESTS)
  set(libraries ${CMAKE_SOURCE_DIR}/tests/plugins/libraries)
  monza_plugin(monza_test_plugin_sample test ${libraries}/sample.cpp)
  monza_plugin(monza_test_plugin_wrong test ${libraries}/wrong.c)
  monza_plugin(monza_test_plugin_none test ${libraries}/none.c)
  monza_plugin(monza_test_plugin_throws test ${libraries}/throws.cpp)
endif()
