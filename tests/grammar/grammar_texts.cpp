// Holds texts against grammars: reads lines {"schema": ...} or {"grammar": "..."} with "texts": [...] and writes for
// each a line {"accepts": [...], "compile_ms": ...}, or {"error": "..."}. With the path of a tokenizer.json as
// argument, "seed": S has a text drawn of random tokens that the masks allow ("text"), else the masks along the tokens
// of the texts that are taken are made; the time that each takes is told ("mask_us"). For tests/peers/grammar_test.py.
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>

#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/matcher.h"
#include "grammar/token_masks.h"
#include "monza/error.h"
#include "text/decoder.h"
#include "text/tokenizer.h"

namespace {

using namespace monza::grammar;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

double us_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

struct Vocabulary {
  std::optional<monza::text::Tokenizer> tokenizer;
  std::vector<std::string> tokens;
  TokenTriePtr trie;
};

Vocabulary open(const char* path) {
  Vocabulary v;
  v.tokenizer = monza::text::Tokenizer::open(path);
  for (Token t = 0; t < v.tokenizer->size(); ++t) v.tokens.push_back(monza::text::token_bytes(*v.tokenizer, t));
  v.trie = std::make_shared<TokenTrie>(v.tokens);
  return v;
}

/// Tokens with equal chances; after some hundred those that close strings, arrays and objects, so that there is an end.
Json draw(const Vocabulary& v, const GrammarPtr& grammar, unsigned seed) {
  constexpr int kPatience = 200, kMost = 4000;
  std::mt19937 random(seed);
  TokenMasks masks(grammar, v.trie);
  Matcher m(grammar);
  Json times = Json::array();
  std::string text;
  for (int step = 0; step < kMost && !m.is_complete(); ++step) {
    const auto begin = Clock::now();
    const TokenMask& mask = masks.allowed(m);
    times.push_back(us_since(begin));
    std::vector<Token> allowed, closing;
    for (std::size_t t = 0; t < v.tokens.size(); ++t) {
      if (!mask.contains(static_cast<Token>(t))) continue;
      allowed.push_back(static_cast<Token>(t));
      if (v.tokens[t].size() == 1 && std::string("]}\"").find(v.tokens[t]) != std::string::npos)
        closing.push_back(static_cast<Token>(t));
    }
    if (m.can_end() && (allowed.empty() || step > kPatience || random() % 4 == 0)) break;
    const auto& from = step > kPatience && !closing.empty() ? closing : allowed;
    if (from.empty()) return {{"error", "a dead end behind " + text}};
    const std::string& token = v.tokens[static_cast<std::size_t>(from[random() % from.size()])];
    if (!m.advance(token)) return {{"error", "a mask allows what the matcher does not, behind " + text}};
    text += token;
  }
  return {{"text", text}, {"ended", m.can_end()}, {"mask_us", std::move(times)}};
}

/// How long the masks along a text take. Throws Error where one lacks the text's next token.
void measure(const Vocabulary& v, TokenMasks& masks, const Matcher& start, const std::string& text, Json& times) {
  Matcher m = start;
  for (const Token token : v.tokenizer->encode(text, false).tokens) {
    const std::string& bytes = v.tokens[static_cast<std::size_t>(token)];
    const auto begin = Clock::now();
    const TokenMask& mask = masks.allowed(m);
    times.push_back(us_since(begin));
    const bool allowed = mask.contains(token);
    if (m.advance(bytes)) {
      if (!allowed) throw monza::Error("a mask lacks a token of " + text);
    } else {
      if (allowed) throw monza::Error("a mask has too much in " + text);
      return;  // the tokenizer adds a space in front of the text
    }
  }
}

Json answer(const Json& request, const Vocabulary& vocabulary) {
  const auto begin = Clock::now();
  const GrammarPtr grammar = request.contains("schema") ? compile_schema(request["schema"].dump())
                                                        : parse_gbnf(request["grammar"].get<std::string>());
  const Matcher start(grammar);
  const double compile_us = us_since(begin);
  Json answer = request.contains("seed") ? draw(vocabulary, grammar, request["seed"].get<unsigned>()) : Json::object();
  answer["compile_ms"] = compile_us / 1000;
  answer["accepts"] = Json::array();
  for (const auto& text : request["texts"]) {
    Matcher m = start;
    answer["accepts"].push_back(m.advance(text.get<std::string>()) && m.can_end());
  }
  if (vocabulary.tokenizer && !request.contains("seed")) {
    TokenMasks masks(grammar, vocabulary.trie);
    answer["mask_us"] = Json::array();
    for (std::size_t i = 0; i < request["texts"].size(); ++i)
      if (answer["accepts"][i])
        measure(vocabulary, masks, start, request["texts"][i].get<std::string>(), answer["mask_us"]);
  }
  return answer;
}

}  // namespace

int main(int count, char** arguments) {
  const Vocabulary vocabulary = count > 1 ? open(arguments[1]) : Vocabulary{};
  std::string line;
  while (std::getline(std::cin, line)) {
    Json said;
    try {
      said = answer(Json::parse(line), vocabulary);
    } catch (const monza::Error& e) {
      said = {{"error", e.what()}};
    }
    std::cout << said.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
  }
}
