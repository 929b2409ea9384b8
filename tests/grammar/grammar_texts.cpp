// Holds texts against grammars: reads lines {"schema": ...} or {"grammar": "..."} with "texts": [...] and writes for
// each a line {"accepts": [...], "compile_ms": ...}, or {"error": "..."}. For tests/peers/grammar_test.py.
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/matcher.h"
#include "monza/error.h"

int main() {
  using namespace monza::grammar;
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto request = nlohmann::json::parse(line);
    nlohmann::json answer;
    try {
      const auto begin = std::chrono::steady_clock::now();
      const GrammarPtr grammar = request.contains("schema") ? compile_schema(request["schema"].dump())
                                                            : parse_gbnf(request["grammar"].get<std::string>());
      const Matcher start(grammar);
      answer["compile_ms"] =
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
      answer["accepts"] = nlohmann::json::array();
      for (const auto& text : request["texts"]) {
        Matcher m = start;
        answer["accepts"].push_back(m.advance(text.get<std::string>()) && m.can_end());
      }
    } catch (const monza::Error& e) {
      answer = {{"error", e.what()}};
    }
    std::cout << answer.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << std::endl;
  }
}
