# cmake --install: the tool, the headers and the libraries, found again with find_package(monza).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

foreach(target monza_run monza_build)
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
endforeach()
set_target_properties(monza_run PROPERTIES EXPORT_NAME run)
set_target_properties(monza_build PROPERTIES EXPORT_NAME build)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/monza)
install(TARGETS monza_run monza_build monza_c EXPORT monzaTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/monza DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT monzaTargets NAMESPACE monza:: DESTINATION ${package_dir})
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/monzaConfig.cmake.in ${CMAKE_BINARY_DIR}/generated/monzaConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/generated/monzaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/generated/monzaConfig.cmake ${CMAKE_BINARY_DIR}/generated/monzaConfigVersion.cmake
  DESTINATION ${package_dir})
if(TARGET monza)
  install(TARGETS monza RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(FILES ${tool_files}/monza DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${tool_files}/_monza DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${tool_files}/monza.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${tool_files}/operators.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
endif()
