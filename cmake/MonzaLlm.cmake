# Language models that run: texts and tokens in, tokens and texts out. Left out where tokenizers are.
if(NOT TARGET monza_text)
  message(STATUS "Language models: off (they need tokenizers)")
  return()
endif()

monza_sources(llm_sources llm)
add_library(monza_llm STATIC ${llm_sources})
target_link_libraries(monza_llm PUBLIC monza_build monza_text monza_grammar)
monza_group(monza_llm ${llm_sources})
