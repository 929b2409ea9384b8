#include "differential/case.h"

#include <cstring>
#include <string_view>
#include <type_traits>

#include "base/error.h"

namespace monza::differential {
namespace {

constexpr std::uint32_t kMagic = 0x32444d4d;  // "MMD2"

/// Takes values off the front of a message.
class Reader {
 public:
  explicit Reader(std::string_view rest) : rest_(rest) {}

  std::string_view bytes(std::size_t count) {
    if (count > rest_.size()) fail("a case of the differential tester is cut short");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  template <typename T>
  T number() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text() { return std::string(bytes(number<std::uint32_t>())); }
  std::vector<std::int64_t> numbers() {
    std::vector<std::int64_t> list(number<std::uint32_t>());
    for (std::int64_t& x : list) x = number<std::int64_t>();
    return list;
  }
  /// Calls `one` as often as the next number says.
  template <typename F>
  void repeat(F&& one) {
    for (auto count = number<std::uint32_t>(); count > 0; --count) one();
  }

 private:
  std::string_view rest_;
};

Tensor read_tensor(Reader& in) {
  const auto dtype = static_cast<DType>(in.number<std::uint8_t>());
  std::vector<std::int64_t> shape = in.numbers();
  if (dtype == DType::string) {
    std::vector<std::string> texts;
    in.repeat([&] { texts.push_back(in.text()); });
    const std::vector<std::string_view> views(texts.begin(), texts.end());
    return Tensor::of_strings(views, std::move(shape));
  }
  Tensor tensor(dtype, std::move(shape));
  const std::string_view data = in.bytes(in.number<std::uint64_t>());
  if (data.size() != tensor.bytes()) fail("a tensor has {} bytes instead of {}", data.size(), tensor.bytes());
  if (!data.empty()) std::memcpy(tensor.as<char>(), data.data(), data.size());
  return tensor;
}

Way read_way(Reader& in) {
  Way way;
  way.name = in.text();
  way.ranged = in.number<std::uint8_t>() != 0;
  way.profiles = in.number<std::uint8_t>() != 0;
  way.kernels = static_cast<Kernels>(in.number<std::uint8_t>());
  way.optimize = in.number<std::uint8_t>() != 0;
  way.reload = in.number<std::uint8_t>() != 0;
  way.seed = in.number<std::uint64_t>();
  in.repeat([&] { way.disabled_passes.push_back(in.text()); });
  return way;
}

Feed read_feed(Reader& in) {
  Feed feed;
  in.repeat([&] {
    std::string name = in.text();
    feed.inputs.emplace(std::move(name), read_tensor(in));
  });
  in.repeat([&] {
    Expected e;
    e.name = in.text();
    e.value = read_tensor(in);
    e.relative = in.number<double>();
    e.of_largest = in.number<double>();
    e.absolute = in.number<double>();
    feed.outputs.push_back(std::move(e));
  });
  return feed;
}

}  // namespace

bool read_case(std::FILE* stream, std::optional<Case>& next) {
  std::uint32_t head[2];
  const std::size_t got = std::fread(head, 1, sizeof head, stream);
  if (got == 0) return false;
  if (got != sizeof head || head[0] != kMagic) fail("this is no stream of the differential tester's cases");
  next.reset();
  if (head[1] == 0) return true;
  std::string message(head[1], '\0');
  if (std::fread(message.data(), 1, message.size(), stream) != message.size()) fail("the stream of cases is cut short");
  Reader in(message);
  Case c;
  c.id = in.text();
  c.model = in.text();
  in.repeat([&] { c.ways.push_back(read_way(in)); });
  in.repeat([&] {
    std::string name = in.text();
    ShapeProfile range;
    range.min = in.numbers();
    range.opt = in.numbers();
    range.max = in.numbers();
    c.ranges.emplace(std::move(name), std::move(range));
  });
  in.repeat([&] {
    std::string name = in.text();
    c.shape_values.emplace(std::move(name), in.numbers());
  });
  in.repeat([&] { c.feeds.push_back(read_feed(in)); });
  if (c.feeds.empty()) fail("a case has no inputs");
  next = std::move(c);
  return true;
}

}  // namespace monza::differential
