// Who may ask for what: bearer tokens (RFC 6750).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace monza::serve {

/// Immutable once requests come.
class Access {
 public:
  enum class Need : unsigned char {
    none,  ///< what probes ask
    user,  ///< inferences, and what models there are
    admin  ///< what changes the server for others
  };

  /// Tokens of which a request must carry one. No user tokens: anybody is a user. No admin tokens: users are admins.
  std::vector<std::string> user_tokens, admin_tokens;

  /// Whether a request may that has this Authorization ("Bearer TOKEN"). Takes as long for a wrong token as for one
  /// that is nearly right. An admin is a user.
  bool allows(std::string_view authorization, Need need) const;
};

/// The tokens in a file, a line each. Throws Error when it cannot be read or has none.
std::vector<std::string> read_tokens(const std::string& file);

}  // namespace monza::serve
