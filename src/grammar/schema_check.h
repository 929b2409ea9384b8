// Whether a value is what a schema allows. Included where schemas are compiled and nowhere else.
#pragma once

#include <map>

#include "grammar/char_dfa.h"
#include "grammar/grammar.h"
#include "grammar/schema_keywords.h"

namespace monza::grammar {

/// Of the values that schemas list (enum, const). Not thread-safe.
class SchemaCheck {
 public:
  SchemaCheck(const SchemaDocument& document, Budget& budget) : document_(document), budget_(budget) {}
  /// Throws Error for keywords that it does not know how to check.
  bool holds(const Json& schema, const Json& value);

 private:
  bool number(const Json& schema, const Json& value) const;
  bool string(const Json& schema, const std::string& value);
  bool array(const Json& schema, const Json& value);
  bool object(const Json& schema, const Json& value);
  bool applied(const Json& schema, const Json& value);
  bool dependent(const Json& schema, const Json& value);
  bool finds(const std::string& pattern, const std::string& text);

  const SchemaDocument& document_;
  Budget& budget_;
  std::map<std::string, CharDfa> patterns_;
  std::size_t depth_ = 0;
};

}  // namespace monza::grammar
