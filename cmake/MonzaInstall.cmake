# cmake --install: the tool, the headers and the libraries, found again with find_package(monza).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(installed_libraries monza_run monza_build)
if(TARGET monza_vision)
  list(APPEND installed_libraries monza_vision)
endif()
foreach(target ${installed_libraries})
  # The public headers use no others; src/ is for the libraries themselves.
  get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
  set(wrapped "")
  if(directories)
    foreach(directory ${directories})
      list(APPEND wrapped "$<BUILD_INTERFACE:${directory}>")
    endforeach()
  endif()
  set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${wrapped};$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_compile_features(${target} PUBLIC cxx_std_20)
  string(REPLACE monza_ "" short ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${short})
endforeach()

# An export of its own for each: who only runs engines needs no Protobuf, who builds them no libraries for pictures.
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/monza)
foreach(target ${installed_libraries} monza_c)
  string(REPLACE monza_ "" short ${target})
  install(TARGETS ${target} EXPORT monza-${short} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT monza-${short} NAMESPACE monza:: DESTINATION ${package_dir})
endforeach()
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/monza DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/monzaConfig.cmake.in ${CMAKE_BINARY_DIR}/generated/monzaConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/generated/monzaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/generated/monzaConfig.cmake ${CMAKE_BINARY_DIR}/generated/monzaConfigVersion.cmake
  DESTINATION ${package_dir})

# The same for pkg-config: monza (the C API), monza-run, monza-build, monza-vision.
function(monza_pkg_config name description requires libs)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/pkgconfig/${name}.pc CONTENT
"prefix=\${pcfiledir}/@up@
Name: @name@
Description: @description@
Version: @PROJECT_VERSION@
Requires: @requires@
Cflags: -I\${prefix}/@CMAKE_INSTALL_INCLUDEDIR@
Libs: -L\${prefix}/@CMAKE_INSTALL_LIBDIR@ @libs@
" @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/generated/pkgconfig/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()
string(REGEX REPLACE "[^/]+" ".." up ${CMAKE_INSTALL_LIBDIR}/pkgconfig)  # from where the files lie to the prefix
set(run_libs "-lmonza_run -pthread")
foreach(library ${CMAKE_DL_LIBS})
  string(APPEND run_libs " -l${library}")
endforeach()
if(MONZA_RE2_LIBRARY AND MONZA_RE2_INCLUDE)
  string(APPEND run_libs " -lre2")
endif()
if(MONZA_WITH_CUDA)
  string(APPEND run_libs " ${MONZA_CUDART} -lrt")
endif()
monza_pkg_config(monza "Builds and runs engines of neural networks: the C API" "" "-lmonza")
monza_pkg_config(monza-run "Loads and runs engines of neural networks" "fmt" "${run_libs}")
monza_pkg_config(monza-build "Builds engines of neural networks from ONNX files" "monza-run protobuf"
  "-Wl,-u,monza_replan_engine -Wl,-u,monza_define_operator -lmonza_build")
if(TARGET monza_vision)
  monza_pkg_config(monza-vision "Pictures for networks, and what detectors say of them"
    "monza-run ${MONZA_VISION_PACKAGES}" "-Wl,-u,monza_decode_picture -lmonza_vision")
endif()
if(TARGET monza)
  install(TARGETS monza RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${tool_files}/monza DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${tool_files}/_monza DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${tool_files}/monza.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${tool_files}/operators.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()
