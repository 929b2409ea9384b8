# Tokenizers, from text to the numbers that a model takes and back, and chat templates. Left out where nlohmann-json is missing.
find_package(nlohmann_json QUIET)
if(NOT nlohmann_json_FOUND)
  message(STATUS "Text: off (needs nlohmann-json; on Debian: apt-get install nlohmann-json3-dev)")
  return()
endif()

monza_sources(text_sources text jinja)
add_library(monza_text STATIC ${text_sources})
monza_group(monza_text ${text_sources})
target_link_libraries(monza_text PUBLIC monza_run PRIVATE nlohmann_json::nlohmann_json)
# Nothing of monza_run is made before these files can be compiled.
set_target_properties(monza_text PROPERTIES OPTIMIZE_DEPENDENCIES ON)
