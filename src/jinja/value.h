// What a template computes with: the values of Jinja, which are Python's, as far as chat templates need them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace monza::jinja {

struct List;
struct Dict;
struct Namespace;
struct Function;

/// What a name is that nothing was given to. It is false, empty and printed as nothing; all else done with it fails.
struct Undefined {
  std::string why = "a value is undefined";  ///< said by who uses it
};
struct None {};
/// A text that `safe` or `escape` gave: what is added to it with + is escaped for HTML, as Jinja does even here.
struct Markup : std::string {};

/// A value. Nothing changes but namespaces, so values share what they hold. Texts are UTF-8 and counted in characters.
struct Value
    : std::variant<Undefined, None, bool, std::int64_t, double, std::string, std::shared_ptr<const List>,
                   std::shared_ptr<const Dict>, std::shared_ptr<Namespace>, std::shared_ptr<const Function>, Markup> {
  using variant::variant;
  Value(const char* text) : variant(std::string(text)) {}
  Value(std::string_view text) : variant(std::string(text)) {}
  Value(int number) : variant(std::int64_t{number}) {}

  template <typename T>
  bool is() const {
    return std::holds_alternative<T>(*this);
  }
  template <typename T>
  const T* get() const {
    return std::get_if<T>(this);
  }
  const std::string* text() const {
    const std::string* plain = get<std::string>();
    return plain != nullptr ? plain : get<Markup>();
  }
  const List* list() const;
  const Dict* dict() const;
};

/// Lists and dictionaries may be nested so deep, and be so large with all that is in them.
constexpr int kMaxDepth = 64;
constexpr std::int64_t kMaxSize = std::int64_t{64} << 20;

/// How deep a list or dictionary is, and about how many bytes its text has: what is in it twice counts twice.
struct Extent {
  int depth = 1;
  std::int64_t size = 2;
  /// Throws Error where it becomes too deep or too large, or the item is a namespace.
  void add(const Value& item);
};

/// Immutable once it is a Value.
struct List {
  std::vector<Value> items;
  enum class Kind : std::uint8_t { list, tuple, generator } kind = Kind::list;
  Extent extent;
};

/// Keys (texts, numbers, None) in the order in which they came. Immutable once it is a Value.
struct Dict {
  std::vector<std::pair<Value, Value>> items;
  std::unordered_map<std::string, std::size_t> index;  ///< by what tells keys apart
  Extent extent;
  /// Null where it is not there.
  const Value* find(const Value& key) const;
  /// The last value of a key stays, in the first one's place. Throws Error for a key that is none.
  void set(Value key, Value value);
};

/// What `namespace()` gives, and `loop`: attributes that `set` may change. It holds no other namespace.
struct Namespace {
  std::string type;  ///< for messages
  std::unordered_map<std::string, Value> items;
  std::function<Value(const std::string&)> computed = nullptr;  ///< what else it has; undefined for what it has not
};

struct Arguments;
/// Something that is called.
struct Function {
  std::string name;
  std::function<Value(const Arguments&)> call;
};

/// Throws Error as Extent does.
Value make_list(std::vector<Value> items, List::Kind kind = List::Kind::list);
Value make_dict(Dict dict);
Value make_function(std::string name, std::function<Value(const Arguments&)> call);

inline const List* Value::list() const {
  const auto* held = get<std::shared_ptr<const List>>();
  return held == nullptr ? nullptr : held->get();
}
inline const Dict* Value::dict() const {
  const auto* held = get<std::shared_ptr<const Dict>>();
  return held == nullptr ? nullptr : held->get();
}

/// About how many bytes the value's text has.
std::int64_t size_of(const Value& value);
/// "str", "list", ... as Python names it.
std::string type_name(const Value& value);
/// "str object", as messages of Jinja have it.
std::string object_name(const Value& value);
/// Throws Error that says why where the value is undefined.
void need_defined(const Value& value);

bool truth(const Value& value);
bool equal(const Value& a, const Value& b);
/// -1, 0 or 1. Throws Error where the two have no order; `op` is for it.
int compare(const Value& a, const Value& b, const char* op);
/// As Python's str() and repr() write it.
std::string to_text(const Value& value);
std::string to_repr(const Value& value);
std::string number_text(double number);
/// Characters of UTF-8.
std::size_t characters(std::string_view text);

}  // namespace monza::jinja
