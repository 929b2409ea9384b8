// The one exception type of everything that sets up: import, passes, planning, loading.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace monza {

/// Thrown while a model is imported, built, saved or loaded. Running never throws; it returns a Status.
///
/// what() reads: the fact; then, when known, where in the user's model; then what to try.
class Error : public std::runtime_error {
 public:
  explicit Error(std::string fact, std::string hint = {})
      : std::runtime_error(compose(fact, {}, hint)), fact_(std::move(fact)), hint_(std::move(hint)) {}

  /// The same error with the place added: called once, by whoever visits nodes or files.
  Error at(std::string where) const {
    Error e(*this, std::move(where));
    return e;
  }

  const std::string& fact() const noexcept { return fact_; }
  const std::string& where() const noexcept { return where_; }
  const std::string& hint() const noexcept { return hint_; }

 private:
  Error(const Error& inner, std::string where)
      : std::runtime_error(
            compose(inner.fact_, inner.where_.empty() ? where : inner.where_ + ", in " + where, inner.hint_)),
        fact_(inner.fact_),
        where_(inner.where_.empty() ? std::move(where) : inner.where_ + ", in " + where),
        hint_(inner.hint_) {}

  static std::string compose(const std::string& fact, const std::string& where, const std::string& hint) {
    std::string text = where.empty() ? fact : where + ": " + fact;
    if (!hint.empty()) text += "\n  try: " + hint;
    return text;
  }

  std::string fact_;
  std::string where_;
  std::string hint_;
};

}  // namespace monza
