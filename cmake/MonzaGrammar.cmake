# Grammars and JSON Schemas that hold what is generated. Left out where tokenizers are.
if(NOT TARGET monza_text)
  return()
endif()

monza_sources(grammar_sources grammar)
add_library(monza_grammar STATIC ${grammar_sources})
monza_group(monza_grammar ${grammar_sources})
target_link_libraries(monza_grammar PUBLIC monza_text PRIVATE nlohmann_json::nlohmann_json)
set_target_properties(monza_grammar PROPERTIES OPTIMIZE_DEPENDENCIES ON)
