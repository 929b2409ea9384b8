#include "jinja/functions.h"

#include "jinja/arguments.h"

namespace monza::jinja {
namespace {

Value raise_exception(const Arguments& given) {
  const auto a = given.bind("raise_exception", {"message"});
  fail("{}", a[0] == nullptr ? std::string("the template raises an exception") : to_text(*a[0]));
}

Value make_namespace(const Arguments& given) {
  auto made = std::make_shared<Namespace>(Namespace{"Namespace", {}});
  if (given.values.size() > 1) fail("namespace() takes one dictionary at most");
  for (const Value& value : given.values) {
    if (value.dict() == nullptr) fail("namespace() takes a dictionary, not '{}'", type_name(value));
    for (const auto& [key, held] : value.dict()->items) made->items.insert_or_assign(to_text(key), held);
  }
  for (const auto& [name, value] : given.named) {
    if (value.is<std::shared_ptr<Namespace>>()) fail("a namespace inside a namespace is not supported");
    made->items.insert_or_assign(name, value);
  }
  return made;
}

Value make_dict_of(const Arguments& given) {
  Dict dict;
  if (!given.values.empty()) {
    if (given.values.size() > 1 || given.values[0].dict() == nullptr) fail("dict() takes one dictionary at most");
    dict = *given.values[0].dict();
  }
  for (const auto& [name, value] : given.named) dict.set(name, value);
  return make_dict(std::move(dict));
}

Value range(const Arguments& given, Budget& budget) {
  constexpr std::int64_t kMost = 100'000;  // as Jinja's sandbox has it
  const auto a = given.bind("range", {"start", "stop", "step"});
  if (a[0] == nullptr) fail("range() lacks an argument");
  std::int64_t begin = integer_argument(a[0], "range", 0);
  const std::int64_t end = a[1] == nullptr ? std::exchange(begin, 0) : integer_argument(a[1], "range", 0);
  const std::int64_t step = integer_argument(a[2], "range", 1);
  if (step == 0) fail("range() arg 3 must not be zero");
  std::vector<Value> items;
  for (std::int64_t i = begin; step > 0 ? i < end : i > end;) {
    if (static_cast<std::int64_t>(items.size()) >= kMost) fail("range() has more than {} items", kMost);
    budget.bytes(sizeof(Value));
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return make_list(std::move(items));
}

Value strftime_now(const Arguments& given, const std::tm& now) {
  const std::string& format = text_argument(given.bind("strftime_now", {"format"})[0], "strftime_now");
  if (format.empty()) return "";
  if (format.size() > 200) fail("strftime_now() is given a format of {} bytes", format.size());
  // The system's function has no bound on its result but the buffer's, and says 0 where it has no room: a mark tells
  // that from an empty text.
  char buffer[4096];
  const std::size_t n = std::strftime(buffer, sizeof buffer, (format + '.').c_str(), &now);
  if (n == 0) fail("strftime_now() is given a format whose text is too long");
  return std::string(buffer, n - 1);
}

}  // namespace

void add_functions(std::map<std::string, Value, std::less<>>& names, const std::tm& now, Budget& budget) {
  const auto add = [&](const char* name, std::function<Value(const Arguments&)> call) {
    names.insert_or_assign(name, make_function(name, std::move(call)));
  };
  add("raise_exception", raise_exception);
  add("namespace", make_namespace);
  add("dict", make_dict_of);
  add("range", [&budget](const Arguments& given) { return range(given, budget); });
  add("strftime_now", [now](const Arguments& given) { return strftime_now(given, now); });
}

}  // namespace monza::jinja
