#include "serve/access.h"

#include <algorithm>
#include <cctype>
#include <fstream>

#include "base/error.h"

namespace monza::serve {
namespace {

constexpr std::size_t kMostTokens = 1024, kMostToken = 4096;

/// Looks at all of both, whatever differs.
bool equal(std::string_view given, std::string_view token) {
  unsigned char differs = given.size() != token.size();
  for (std::size_t i = 0; i < token.size(); ++i)
    differs |= static_cast<unsigned char>(token[i] ^ (given.empty() ? 0 : given[i % given.size()]));
  return differs == 0;
}

bool any_of(const std::vector<std::string>& tokens, std::string_view given) {
  bool found = false;
  for (const std::string& token : tokens) found |= equal(given, token);
  return found;
}

}  // namespace

bool Access::allows(std::string_view authorization, Need need) const {
  const std::vector<std::string>& admins = admin_tokens.empty() ? user_tokens : admin_tokens;
  if (need == Need::none || (need == Need::user ? user_tokens : admins).empty()) return true;
  constexpr std::string_view kScheme = "bearer ";
  const bool bearer = authorization.size() > kScheme.size() &&
                      std::equal(kScheme.begin(), kScheme.end(), authorization.begin(), [](char wanted, char c) {
                        return wanted == std::tolower(static_cast<unsigned char>(c));
                      });
  if (!bearer) return false;
  const std::string_view token = authorization.substr(kScheme.size());
  const bool admin = any_of(admins, token);
  return admin || (need == Need::user && any_of(user_tokens, token));
}

std::vector<std::string> read_tokens(const std::string& file) {
  std::ifstream in(file);
  if (!in) fail_hint("a file with a token a line, which the server's user may read", "'{}' cannot be read", file);
  std::vector<std::string> tokens;
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) line.pop_back();
    if (line.empty()) continue;
    const bool plain = std::all_of(line.begin(), line.end(), [](char c) { return c > ' ' && c < 127; });
    if (!plain || line.size() > kMostToken || tokens.size() == kMostTokens)
      fail_hint("letters, digits and signs, without spaces", "line {} of '{}' is no token", tokens.size() + 1, file);
    tokens.push_back(line);
  }
  if (tokens.empty()) fail_hint("`openssl rand -hex 32` makes one", "'{}' has no token", file);
  return tokens;
}

}  // namespace monza::serve
