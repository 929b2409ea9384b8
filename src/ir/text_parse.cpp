// Reads what text.cpp prints. Recursion is bounded, constants are bounded, every error has line and column.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <unordered_map>

#include "base/checked.h"
#include "base/constraint.h"
#include "base/limits.h"
#include "base/plugin_operator.h"
#include "ir/op.h"
#include "ir/text.h"
#include "ir/text_common.h"
#include "tensor/dtype.h"
#include "tensor/float_convert.h"
#include "tensor/storage.h"

namespace monza::ir {

class TextReader {
 public:
  TextReader(std::string_view text, const ParseOptions& options)
      : text_(text), options_(options), model_(std::make_shared<Model>()) {
    check_limit(options.limits, &Limits::file_bytes, static_cast<std::int64_t>(text.size()), "bytes of graph text");
    model_->limits = options.limits;
  }

  std::unique_ptr<Graph> all() {
    reserve_numbers();
    if (take_word("model")) model();
    auto g = graph(0);
    check_given(*g);
    if (peek() != '\0' || at_ < text_.size()) bad("unexpected text after the graph");
    return g;
  }

 private:
  using Names = std::unordered_map<std::string, ValueId>;
  struct Definition {
    ValueId id;
    std::string name, key;
    std::optional<Type> type;
    OriginSet from;
    std::optional<std::vector<Expr>> content;
  };

  /// Values written by number keep it; the others are numbered behind the highest.
  void reserve_numbers() {
    bool quoted = false;
    for (std::size_t i = 0; i + 1 < text_.size(); ++i) {
      const char c = text_[i];
      if (c == '"') quoted = !quoted;
      else if (quoted && c == '\\') ++i;
      else if (c == '\n') quoted = false;  // no string goes on behind its line
      if (quoted || (c != '%' && c != '!') || std::isdigit(static_cast<unsigned char>(text_[i + 1])) == 0) continue;
      ValueId id = 0;
      auto [end, error] = std::from_chars(text_.data() + i + 1, text_.data() + text_.size(), id);
      if (error != std::errc() || id > 0x7fffffffu) {
        at_ = i;
        bad("a value's number is out of range");
      }
      model_->next_value = std::max(model_->next_value, id + 1);
    }
  }

  // --- characters ---------------------------------------------------------------------------------------
  std::string place(std::size_t at) const {
    at = std::min(at, text_.size());
    const auto head = text_.substr(0, at);
    const auto newline = head.rfind('\n');
    return fmt::format("line {}, column {}", std::count(head.begin(), head.end(), '\n') + 1,
                       at - (newline == head.npos ? 0 : newline + 1) + 1);
  }
  template <typename... Args>
  [[noreturn]] void bad(fmt::format_string<Shown<Args>...> format, const Args&... args) const {
    throw Error(message(format, args...)).at(place(at_));
  }
  [[noreturn]] void missing_plugin(const std::string& op) const {
    std::vector<std::string> known;
    for (const OpDef* other : all_ops()) known.emplace_back(other->name);
    try {
      fail_missing_operators({op}, known);
    } catch (const Error& e) {
      throw e.at(place(at_));
    }
  }
  void within(std::int64_t Limits::* field, std::int64_t found, const char* what) const {
    try {
      check_limit(options_.limits, field, found, what);
    } catch (const Error& e) {
      throw e.at(place(at_));
    }
  }
  char peek() {
    while (at_ < text_.size()) {
      if (std::isspace(static_cast<unsigned char>(text_[at_])) != 0) ++at_;
      else if (text_.substr(at_, 2) == "//") at_ = std::min(text_.size(), text_.find('\n', at_));
      else return text_[at_];
    }
    return '\0';
  }
  bool take(char c) {
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) bad("'{}' is expected", c);
  }
  std::string word() {
    peek();
    std::size_t begin = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '_' || text_[at_] == '.'))
      ++at_;
    if (begin == at_) bad("a name is expected");
    return std::string(text_.substr(begin, at_ - begin));
  }
  bool take_word(std::string_view w) {
    peek();
    if (text_.substr(at_, w.size()) != w) return false;
    const char next = at_ + w.size() < text_.size() ? text_[at_ + w.size()] : ' ';
    if (std::isalnum(static_cast<unsigned char>(next)) != 0 || next == '_' || next == '.') return false;
    at_ += w.size();
    return true;
  }
  /// "fp32,bf16": names that `find` knows.
  template <typename E>
  SetOf<E> set_of(std::optional<E> (*find)(std::string_view), const char* what) {
    const std::size_t begin = (peek(), at_);
    const std::string names = string();
    SetOf<E> set;
    for (std::size_t from = 0; from <= names.size();) {
      const std::size_t end = std::min(names.find(',', from), names.size());
      const std::string name = names.substr(from, end - from);
      const std::optional<E> found = find(name);
      if (!found) {
        at_ = begin;
        bad("'{}' is no {}", name, what);
      }
      set.insert(*found);
      from = end + 1;
    }
    return set;
  }
  std::string string() {
    expect('"');
    std::string s;
    while (at_ < text_.size() && text_[at_] != '"') {
      char c = text_[at_++];
      if (c == '\\' && at_ < text_.size()) {
        c = text_[at_++];
        if (c == 'n') c = '\n';
        else if (c == 'x') {
          unsigned v = 0;
          if (at_ + 2 > text_.size() ||
              std::from_chars(text_.data() + at_, text_.data() + at_ + 2, v, 16).ptr != text_.data() + at_ + 2)
            bad("two hexadecimal digits are expected");
          at_ += 2;
          c = static_cast<char>(v);
        }
      }
      s += c;
    }
    if (at_ >= text_.size()) bad("an unfinished string");
    ++at_;
    return s;
  }
  std::string name_or_string() { return peek() == '"' ? string() : word(); }

  /// The characters of a number, "inf" and "nan" among them.
  std::string_view number_text() {
    peek();
    std::size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 || text_[at_] == '.' ||
                                  text_[at_] == '-' || text_[at_] == '+'))
      ++at_;
    if (begin == at_) bad("a number is expected");
    return text_.substr(begin, at_ - begin);
  }
  static bool has_fraction(std::string_view text) { return text.find_first_of(".en") != text.npos; }
  double real(std::string_view text) {
    double v = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
    if ((error != std::errc() && error != std::errc::result_out_of_range) || end != text.data() + text.size())
      bad("'{}' is no number", text);
    return v;
  }
  template <typename T>
  T integer(std::string_view text) {
    T v = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
    if (error != std::errc() || end != text.data() + text.size()) bad("'{}' is no integer of this type", text);
    return v;
  }

  // --- types and constants --------------------------------------------------------------------------------
  /// "[2,n]"; with `varying`, "<=" may stand before an extent and sets its bit.
  SymShape shape(std::uint8_t* varying = nullptr) { return expressions(static_cast<std::size_t>(kMaxRank), varying); }
  std::vector<Expr> expressions(std::size_t limit, std::uint8_t* varying = nullptr) {
    expect('[');
    std::vector<Expr> extents;
    if (take(']')) return extents;
    while (true) {
      peek();
      if (varying != nullptr && text_.substr(at_, 2) == "<=" && extents.size() < static_cast<std::size_t>(kMaxRank)) {
        *varying |= static_cast<std::uint8_t>(1u << extents.size());
        at_ += 2;
      }
      const std::size_t begin = at_;
      int depth = 0;
      bool quoted = false;
      for (; at_ < text_.size(); ++at_) {
        const char c = text_[at_];
        if (quoted) {
          if (c == '\\') ++at_;
          else if (c == '"') quoted = false;
          continue;
        }
        if (c == '"') quoted = true;
        else if (c == '(') ++depth;
        else if (c == ')') --depth;
        else if (c == '\n' || (depth <= 0 && (c == ',' || c == ']'))) break;
      }
      at_ = std::min(at_, text_.size());
      try {
        extents.push_back(parse_expr(text_.substr(begin, at_ - begin)));
      } catch (const Error& e) {
        throw e.at(place(begin));
      }
      if (extents.size() > limit) bad("there are more than {} extents", limit);
      if (take(']')) return extents;
      expect(',');
    }
  }
  Type type() {
    const std::string w = word();
    Type t;
    if (w == "seq" || w == "optional" || w == "state") {
      expect('(');
      const std::string inner = word();
      if (w == "optional" && inner == "seq") {
        expect('(');
        t = element_type(word());
        expect(')');
        expect(')');
        t.kind = ValueKind::optional_sequence;
        return t;
      }
      t = w == "state" ? plain_type(inner) : element_type(inner);
      expect(')');
      t.kind = w == "seq" ? ValueKind::sequence : w == "optional" ? ValueKind::optional : ValueKind::state;
      return t;
    }
    return plain_type(w);
  }
  Type plain_type(const std::string& w) {
    Type t;
    t.dtype = dtype_of(w);
    t.shape = shape();
    return t;
  }
  DType dtype_of(const std::string& w) {
    const DType type = w == "unknown" ? DType::invalid : parse_dtype(w);
    if ((type == DType::invalid && w != "unknown") || type == DType::handle) bad("'{}' is no element type", w);
    return type;
  }
  /// Of a sequence or optional: "f32[2,<=n]", "f32 any" for tensors of any rank, "f32 none" before there is one.
  Type element_type(const std::string& w) {
    Type t;
    t.dtype = dtype_of(w);
    if (take_word("any")) t.elements = Elements::unknown;
    else if (take_word("none")) t.elements = Elements::none;
    else t.shape = shape(&t.varying);
    return t;
  }

  void store(DType dtype, std::byte* data, std::int64_t i, std::string_view text) {
    auto put = [&](auto v) { std::memcpy(data + i * static_cast<std::int64_t>(sizeof(v)), &v, sizeof(v)); };
    auto put_bits = [&](int bits, int v) {
      const int per_byte = 8 / bits, shift = bits * static_cast<int>(i % per_byte);
      auto& byte = reinterpret_cast<std::uint8_t*>(data)[i / per_byte];
      byte = static_cast<std::uint8_t>((byte & ~(((1 << bits) - 1) << shift)) | ((v & ((1 << bits) - 1)) << shift));
    };
    auto narrow = [&](int low, int high) {
      const auto v = integer<std::int64_t>(text);
      if (v < low || v > high) bad("{} is out of the type's range", v);
      return static_cast<int>(v);
    };
    switch (dtype) {
      case DType::f32: return put(static_cast<float>(real(text)));
      case DType::f64: return put(real(text));
      case DType::f16: return put(f32_to_f16(static_cast<float>(real(text))));
      case DType::bf16: return put(f32_to_bf16(static_cast<float>(real(text))));
      case DType::c64: return put(static_cast<float>(real(text)));
      case DType::c128: return put(real(text));
      case DType::i8: return put(integer<std::int8_t>(text));
      case DType::u8: return put(integer<std::uint8_t>(text));
      case DType::i16: return put(integer<std::int16_t>(text));
      case DType::u16: return put(integer<std::uint16_t>(text));
      case DType::i32: return put(integer<std::int32_t>(text));
      case DType::u32: return put(integer<std::uint32_t>(text));
      case DType::i64: return put(integer<std::int64_t>(text));
      case DType::u64: return put(integer<std::uint64_t>(text));
      case DType::boolean: return put(static_cast<std::uint8_t>(narrow(0, 1)));
      case DType::i4: return put_bits(4, narrow(-8, 7));
      case DType::u4: return put_bits(4, narrow(0, 15));
      case DType::i2: return put_bits(2, narrow(-2, 1));
      case DType::u2: return put_bits(2, narrow(0, 3));
      case DType::f4e2m1: return put_bits(4, f32_to_small_float(dtype, static_cast<float>(real(text))));
      case DType::f8e4m3fn:
      case DType::f8e4m3fnuz:
      case DType::f8e5m2:
      case DType::f8e5m2fnuz:
      case DType::f8e8m0: return put(f32_to_small_float(dtype, static_cast<float>(real(text)), false));
      default: bad("constants of type {} cannot be written as text", dtype_name(dtype));
    }
  }

  /// dtype[shape] [elements] | stored {...} | splat VALUE | random SEED (floats in [-1, 1), for tests)
  std::shared_ptr<const Constant> constant() {
    const Type t = plain_type(word());
    Shape s;
    std::int64_t count = 1;
    for (const Expr& e : t.shape) {
      auto extent = e.try_constant();
      if (!extent || *extent < 0) bad("a constant's extents are plain numbers");
      count = checked_mul(count, *extent, "a constant's element count");
      s.dim[s.rank++] = *extent;
    }
    if (t.dtype == DType::invalid) bad("constants of this type cannot be written as text");
    if (take_word("stored")) {
      const std::size_t begin = at_;
      const Attrs attrs = attributes();
      if (!options_.stored) bad("the elements of this constant lie in an engine file, which is not given");
      try {
        return options_.stored(t.dtype, s, attrs);
      } catch (const Error& e) {
        throw e.at(place(begin));
      }
    }
    if (is_block_encoding(t.dtype)) bad("constants of this type cannot be written as text");
    const std::int64_t bytes = t.dtype == DType::string ? checked_mul(count, 32, "size") : storage_bytes(t.dtype, s);
    written_ = checked_add(written_, bytes, "the size of the constants");
    within(&Limits::fold_bytes, written_, "bytes of constants that are written out");
    if (peek() == '#') bad("this constant was printed as a hash of its elements, which cannot be read back");
    const bool complex = t.dtype == DType::c64 || t.dtype == DType::c128;
    const std::int64_t written = complex ? 2 * count : count;
    // Every element that is written out takes two characters: a short text must not ask for much memory first.
    if (peek() == '[' && written > static_cast<std::int64_t>((text_.size() - at_) / 2))
      bad("{} elements are expected", written);
    auto [c, data] = allocate_constant(t.dtype, s);
    std::fill(data.begin(), data.end(), std::byte{0});
    if (take_word("splat")) {
      // Read once: eight elements of any type are whole bytes, which are repeated.
      const auto text = number_text();
      const std::int64_t first = std::min<std::int64_t>(written, 8), tail = written / 8 * 8;
      for (std::int64_t i = 0; i < first; ++i) store(t.dtype, data.data(), i, text);
      const std::size_t eight = static_cast<std::size_t>(dtype_bits(t.dtype)) / (complex ? 2 : 1);
      const std::size_t whole = static_cast<std::size_t>(tail / 8) * eight;
      for (std::size_t done = eight; done < whole; done *= 2)
        std::memcpy(data.data() + done, data.data(), std::min(done, whole - done));
      for (std::int64_t i = std::max(first, tail); i < written; ++i) store(t.dtype, data.data(), i, text);
      return c;
    }
    if (take_word("random")) {
      std::uint64_t state = integer<std::uint64_t>(number_text()) * 2 + 1;
      if (t.dtype != DType::f32) bad("random constants are f32");
      for (std::int64_t i = 0; i < count; ++i) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        const float v = static_cast<float>(static_cast<std::int32_t>(state >> 32)) * 0x1p-31f;
        std::memcpy(data.data() + i * 4, &v, 4);
      }
      return c;
    }
    expect('[');
    for (std::int64_t i = 0; i < written; ++i) {
      if (i > 0) expect(',');
      if (t.dtype == DType::string) c->strings[static_cast<std::size_t>(i)] = string();
      else store(t.dtype, data.data(), i, number_text());
    }
    if (!take(']')) bad("{} elements are expected", written);
    return c;
  }

  Attrs attributes() {
    Attrs attrs;
    expect('{');
    if (take('}')) return attrs;
    do {
      std::string name = name_or_string();
      expect('=');
      attrs.set(std::move(name), attribute());
    } while (take(','));
    expect('}');
    return attrs;
  }
  AttrValue attribute() {
    if (peek() == '"') return string();
    if (take_word("tensor")) return constant();
    if (take_word("floats")) return expect('['), expect(']'), std::vector<double>{};
    if (take_word("strings")) return expect('['), expect(']'), std::vector<std::string>{};
    if (!take('[')) {
      const auto text = number_text();
      if (has_fraction(text)) return real(text);
      return integer<std::int64_t>(text);
    }
    if (take(']')) return std::vector<std::int64_t>{};
    if (peek() == '"') {
      std::vector<std::string> list;
      do list.push_back(string());
      while (take(','));
      expect(']');
      return list;
    }
    std::vector<std::string_view> numbers;
    do numbers.push_back(number_text());
    while (take(','));
    expect(']');
    if (std::any_of(numbers.begin(), numbers.end(), has_fraction)) {
      std::vector<double> list;
      for (auto n : numbers) list.push_back(real(n));
      return list;
    }
    std::vector<std::int64_t> list;
    for (auto n : numbers) list.push_back(integer<std::int64_t>(n));
    return list;
  }

  ValueId number_of_value() {
    const ValueId id = integer<ValueId>(number_text());
    if (id > 0x7fffffffu) bad("a value's number is out of range");
    return id;
  }

  // --- graphs -----------------------------------------------------------------------------------------------
  Definition definition(Names& names) {
    expect('%');
    Definition d;
    const std::size_t begin = at_;
    d.key = word();
    const bool number = std::isdigit(static_cast<unsigned char>(d.key[0])) != 0;
    if (number) {
      d.id = integer<ValueId>(d.key);
      if (d.id > 0x7fffffffu) bad("a value's number is out of range");
      if (peek() == '"') d.name = string();
    } else {
      d.id = take('!') ? number_of_value() : model_->next_value++;
      d.name = d.key;
    }
    model_->next_value = std::max(model_->next_value, d.id + 1);
    if (!used_.insert(d.id).second || !names.emplace(d.key, d.id).second) {
      at_ = begin;
      bad("value %{} is defined twice", d.key);
    }
    if (!d.name.empty() && !value_names_.emplace(d.name).second) {
      at_ = begin;
      bad("two values are named '{}'", d.name);
    }
    if (take(':')) d.type = type();
    while (take('@')) {
      if (take_word("from")) d.from = origins();
      else if (take_word("content")) expect('='), d.content = expressions(static_cast<std::size_t>(kMaxContent));
      else bad("'from' or 'content' is expected");
    }
    return d;
  }
  /// =[0, 3]: of the model's list.
  OriginSet origins() {
    expect('=');
    expect('[');
    OriginSet set;
    do {
      set.push_back(integer<std::uint32_t>(number_text()));
      if (set.back() >= model_->origins.size() || (set.size() > 1 && set[set.size() - 2] >= set.back()))
        bad("origins are a rising list of numbers below {}", model_->origins.size());
    } while (take(','));
    expect(']');
    return set;
  }
  /// What all graphs share: model { origin "conv1" "Conv"  given !3 [1, 2]  specialised !3 0  trips 100 }
  void model() {
    expect('{');
    const auto value = [&] {
      expect('!');
      return number_of_value();
    };
    while (!take('}')) {
      if (take_word("origin")) {
        std::string name = string();
        model_->add_origin(std::move(name), string());
      } else if (take_word("given")) {
        const ValueId id = value();
        std::vector<std::int64_t>& elements = model_->element_values[id];
        expect('[');
        if (take(']')) continue;
        do elements.push_back(integer<std::int64_t>(number_text()));
        while (take(','));
        expect(']');
      } else if (take_word("specialised")) {
        const ValueId id = value();
        model_->specialised.emplace(id, integer<std::int64_t>(number_text()));
      } else if (take_word("trips")) {
        model_->limits.trips = integer<std::int64_t>(number_text());
        if (model_->limits.trips < 1) bad("loops make at least one iteration");
      } else {
        bad("'origin', 'given', 'specialised' or 'trips' is expected");
      }
    }
  }
  ValueId use(const Names& names) {
    if (take_word("_")) return kNone;
    expect('%');
    const std::size_t begin = at_;
    const std::string key = word();
    auto it = names.find(key);
    if (it == names.end()) {
      at_ = begin;
      bad("value %{} is not defined before this use", key);
    }
    return it->second;
  }
  void check_given(const Graph& g) {
    for (const auto& [id, elements] : model_->element_values) {
      const bool input = std::find(g.inputs().begin(), g.inputs().end(), id) != g.inputs().end();
      if (!input || product(g.value(id).type.shape) != Expr(static_cast<std::int64_t>(elements.size())))
        bad("{} elements are given for value {}, which is no input of as many", elements.size(), id);
    }
    for (const auto& [id, index] : model_->specialised) {
      const auto it = model_->element_values.find(id);
      if (it == model_->element_values.end() || index < 0 || index >= static_cast<std::int64_t>(it->second.size()))
        bad("the model is specialised to element {} of value {}, which is not given", index, id);
    }
  }
  OriginSet origin(const Definition& d, const char* op) {
    if (!d.from.empty()) return d.from;
    return {model_->add_origin(d.name.empty() ? "%" + d.key : d.name, op)};
  }
  /// Runs `make` while the next value gets the number `id`.
  template <typename F>
  void with_id(ValueId id, F&& make) {
    const ValueId next = model_->next_value;
    model_->next_value = id;
    make();
    model_->next_value = next;
  }

  std::unique_ptr<Graph> graph(int depth) {
    within(&Limits::depth, depth, "bodies inside one another");
    std::unordered_set<std::string> outer_names = std::move(value_names_);
    value_names_.clear();
    if (!take_word("graph")) bad("'graph' is expected");
    auto g = std::make_unique<Graph>(model_, string());
    Names names;
    expect('(');
    if (!take(')')) {
      do {
        Definition d = definition(names);
        if (!d.type) bad("an input needs a type");
        with_id(d.id, [&] { g->add_input(d.name, *d.type, origin(d, "input")); });
        g->value(d.id).content = std::move(d.content);
      } while (take(','));
      expect(')');
    }
    expect('{');
    while (!take_word("return")) statement(*g, names, depth);
    expect('(');
    if (!take(')')) {
      do {
        std::string name = name_or_string();
        expect(':');
        const ValueId v = use(names);
        if (v == kNone) bad("an output needs a value");
        g->add_output(std::move(name), v);
      } while (take(','));
      expect(')');
    }
    expect('}');
    value_names_ = std::move(outer_names);
    return g;
  }

  void statement(Graph& g, Names& names, int depth) {
    peek();
    const std::size_t begin = at_;
    Names unfinished = {};
    std::vector<Definition> defined;
    // Results are known by name only behind the statement: a node cannot read what it makes.
    while (peek() == '%') {
      defined.push_back(definition(unfinished));
      if (!take(',')) break;
    }
    for (const Definition& d : defined)
      if (names.count(d.key) != 0) bad("value %{} is defined twice", d.key);
    if (!defined.empty()) expect('=');
    if (defined.size() == 1 && take_word("constant")) {
      auto c = constant();
      with_id(defined[0].id, [&] { g.add_constant(defined[0].name, std::move(c), origin(defined[0], "initializer")); });
      names.merge(unfinished);
      return;
    }
    peek();
    const std::size_t op_at = at_;
    const std::string op_name = word();
    const OpDef* op = find_op(op_name);
    if (op == nullptr) {
      at_ = op_at;
      if (parse_plugin_operator(op_name)) missing_plugin(op_name);
      bad("there is no operator '{}'", op_name);
    }
    std::vector<ValueId> inputs;
    expect('(');
    if (!take(')')) {
      do inputs.push_back(use(names));
      while (take(','));
      expect(')');
    }
    Attrs attrs;
    if (peek() == '{') attrs = attributes();
    Constraint constraint;
    OriginSet from;
    while (take('@')) {
      if (take_word("precision")) {
        expect('=');
        constraint.precisions = set_of(find_precision, "precision");
      } else if (take_word("device")) {
        expect('=');
        constraint.devices = set_of(find_device, "device");
      } else if (take_word("from")) {
        from = origins();
      } else {
        bad("'precision', 'device' or 'from' is expected");
      }
    }
    std::vector<std::unique_ptr<Graph>> bodies;
    while (take_word("body")) bodies.push_back(graph(depth + 1));

    std::vector<ValueId> ids;
    for (const Definition& d : defined) ids.push_back(d.id);
    if (from.empty())
      from = defined.empty() ? OriginSet{model_->add_origin(op_name, op_name)} : origin(defined[0], op->name);
    try {
      Node& n = g.place_node(kNone, *op, std::move(inputs), std::move(attrs), ids, from, std::move(bodies));
      n.constraint = constraint;
      for (const Definition& d : defined) {
        Value& v = g.value(d.id);
        v.name = d.name;
        if (!d.from.empty()) v.origins = d.from;
        if (d.type && *d.type != v.type)
          fail("%{} is declared {}, but is {}", d.key, to_string(*d.type), to_string(v.type));
      }
    } catch (const Error& e) {
      throw e.at(place(begin));
    }
    names.merge(unfinished);
  }

  std::string_view text_;
  const ParseOptions& options_;
  std::size_t at_ = 0;
  std::int64_t written_ = 0;  ///< bytes of constants
  std::shared_ptr<Model> model_;
  std::unordered_set<ValueId> used_;
  std::unordered_set<std::string> value_names_;
};

std::unique_ptr<Graph> parse(std::string_view text, const ParseOptions& options) {
  return TextReader(text, options).all();
}

}  // namespace monza::ir
