// Operators on tensors of strings. One thread: the pool that results go to is not shared.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "kernel/kernel.h"
#include "kernel/nd_loop.h"
#include "kernel/reference.h"
#include "kernel/value_pool.h"
#include "ops/strings/strings.params.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

class Serial final : public Parallel {
 public:
  int threads() const noexcept override { return 1; }
  void run(std::int64_t tasks, Body body, void* context) noexcept override {
    for (std::int64_t t = 0; t < tasks; ++t) body(context, t, 0);
  }
};

/// Calls f(element index in out, in each of the inputs) until one call fails.
template <int N, typename F>
Status for_each(const TensorView& out, const TensorView* const* in, F&& f) {
  Serial serial;
  Status status;
  for_each_broadcast<N>(serial, out, in, [&](std::int64_t o, const std::int64_t* i) {
    if (status.ok()) status = f(o, i);
  });
  return status;
}

bool takes(const KernelContext& c, int inputs, DType in, DType out) {
  if (c.pool == nullptr || c.in_count < inputs || c.out_count < 1) return false;
  for (int i = 0; i < inputs; ++i)
    if (c.in[i].dtype != in) return false;
  return c.out[0].dtype == out;
}
constexpr Status kBroken{StatusCode::internal, "a kernel of strings was given other operands"};

Status run_equal(const KernelContext& c) noexcept {
  if (!takes(c, 2, DType::string, DType::boolean)) return kBroken;
  const TensorView* in[] = {&c.in[0], &c.in[1]};
  return for_each<2>(c.out[0], in, [&](std::int64_t o, const std::int64_t* i) {
    std::string_view a, b;
    if (Status s = c.pool->read(c.in[0].as<Handle>()[i[0]], &a); !s) return s;
    if (Status s = c.pool->read(c.in[1].as<Handle>()[i[1]], &b); !s) return s;
    c.out[0].as<bool>()[o] = a == b;
    return Status{};
  });
}

Status run_concat(const KernelContext& c) noexcept {
  if (!takes(c, 2, DType::string, DType::string)) return kBroken;
  const TensorView* in[] = {&c.in[0], &c.in[1]};
  return for_each<2>(c.out[0], in, [&](std::int64_t o, const std::int64_t* i) {
    std::string_view a, b;
    if (Status s = c.pool->read(c.in[0].as<Handle>()[i[0]], &a); !s) return s;
    if (Status s = c.pool->read(c.in[1].as<Handle>()[i[1]], &b); !s) return s;
    Handle& result = c.out[0].as<Handle>()[o];
    char* room = nullptr;
    if (Status s = c.pool->make(static_cast<std::int64_t>(a.size() + b.size()), &result, &room); !s) return s;
    std::copy(b.begin(), b.end(), std::copy(a.begin(), a.end(), room));
    return Status{};
  });
}

/// What Python's str.split takes for white space, within ASCII.
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f); }

/// Calls f(begin, size) for each piece, with at most `limit` splits; stops where f fails.
template <typename F>
Status split(std::string_view text, std::string_view delimiter, std::int64_t limit, F&& f) {
  if (!delimiter.empty()) {
    std::size_t begin = 0;
    for (std::int64_t splits = 0; splits < limit; ++splits) {
      const std::size_t end = text.find(delimiter, begin);
      if (end == std::string_view::npos) break;
      if (Status s = f(begin, end - begin); !s) return s;
      begin = end + delimiter.size();
    }
    return f(begin, text.size() - begin);
  }
  std::size_t begin = 0;
  for (std::int64_t splits = 0;; ++splits) {
    while (begin < text.size() && is_space(text[begin])) ++begin;
    if (begin == text.size()) return {};
    std::size_t end = begin;
    if (splits >= limit) end = text.size();
    while (end < text.size() && !is_space(text[end])) ++end;
    if (Status s = f(begin, end - begin); !s) return s;
    begin = end;
  }
}

/// The pieces are parts of the strings themselves: nothing is copied.
Status run_split(const KernelContext& c) noexcept {
  if (!takes(c, 2, DType::string, DType::string) || c.extents == nullptr || c.out_count < 1) return kBroken;
  const TensorView &x = c.in[0], &pieces = c.out[0];
  const std::int64_t limit = c.params_as<StringSplitParams>().most_splits;
  const std::int64_t room = pieces.shape.rank > 0 ? pieces.shape[pieces.shape.rank - 1] : 0;
  std::string_view delimiter;
  if (c.in[1].shape.numel() != 1 || pieces.shape.rank != x.shape.rank + 1) return kBroken;
  if (Status s = c.pool->read(*c.in[1].as<Handle>(), &delimiter); !s) return s;
  const bool counts = c.out_count > 1 && c.out[1].present();
  if (counts && (c.out[1].dtype != DType::i64 || !(c.out[1].shape == x.shape))) return kBroken;
  // Once to count, once to write under the strides of what was counted.
  const TensorView row = dense_view(nullptr, DType::i64, x.shape);
  const TensorView* in[] = {&x};
  std::int64_t most = 0;
  for (const bool write : {false, true}) {
    const Status status = for_each<1>(row, in, [&](std::int64_t o, const std::int64_t* i) {
      const Handle handle = x.as<Handle>()[i[0]];
      std::string_view text;
      if (Status s = c.pool->read(handle, &text); !s) return s;
      std::int64_t n = 0;
      Handle* to = pieces.as<Handle>() + o * most;
      const Status s = split(text, delimiter, limit, [&](std::size_t begin, std::size_t size) {
        if (write) to[n] = {handle.begin + begin, size};
        return ++n <= room
                   ? Status{}
                   : Status{StatusCode::resource_exhausted, "a string splits into more pieces than planned for"};
      });
      if (!s) return s;
      if (!write) most = std::max(most, n);
      for (std::int64_t k = n; write && k < most; ++k) to[k] = {};
      if (write && counts) c.out[1].as<std::int64_t>()[o] = n;
      return Status{};
    });
    if (!status) return status;
  }
  c.extents[0] = most;
  return {};
}

/// Formats as few digits as name the number; floats without a fraction keep ".0".
Status run_to_string(const KernelContext& c) noexcept {
  if (!takes(c, 0, DType::string, DType::string) || c.in_count < 1) return kBroken;
  const TensorView& x = c.in[0];
  const ElementAccess& access = element_access(x.dtype);
  const TensorView* in[] = {&x};
  return for_each<1>(c.out[0], in, [&](std::int64_t o, const std::int64_t* i) {
    char text[64];
    char* const last = text + sizeof(text);
    char* end = text;
    if (x.dtype == DType::boolean) {
      end = std::to_chars(text, last, access.load_int(x.data, i[0])).ptr;
    } else if (x.dtype == DType::u64) {
      end = std::to_chars(text, last, static_cast<std::uint64_t>(access.load_int(x.data, i[0]))).ptr;
    } else if (is_integer(x.dtype)) {
      end = std::to_chars(text, last, access.load_int(x.data, i[0])).ptr;
    } else {
      const double v = access.load(x.data, i[0]);
      if (!std::isfinite(v))
        return c.pool->add(std::isnan(v) ? "NaN" : v < 0 ? "-INF" : "INF", &c.out[0].as<Handle>()[o]);
      // Narrow types hold floats: fewer digits tell them apart.
      end = x.dtype == DType::f64 ? std::to_chars(text, last, v).ptr
                                  : std::to_chars(text, last, static_cast<float>(v)).ptr;
      if (std::find_if(text, end, [](char d) { return d == '.' || d == 'e'; }) == end) {
        *end++ = '.';
        *end++ = '0';
      }
    }
    return c.pool->add({text, static_cast<std::size_t>(end - text)}, &c.out[0].as<Handle>()[o]);
  });
}

constexpr Status kNoNumber{StatusCode::invalid_argument, "a string is no number of the type it is converted to"};

bool same_letters(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return (x | 0x20) == (y | 0x20); });
}

Status parse(std::string_view text, const ElementAccess& access, const TensorView& out, std::int64_t o) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  const bool negative = !text.empty() && text.front() == '-';
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  if (is_integer(out.dtype) || out.dtype == DType::boolean) {
    const auto whole = [&](auto value) {
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      if (error != std::errc() || end != text.data() + text.size()) return kNoNumber;
      access.store_int(out.data, o, static_cast<std::int64_t>(value));
      const bool kept = static_cast<decltype(value)>(access.load_int(out.data, o)) == value;
      return kept || out.dtype == DType::boolean ? Status{} : kNoNumber;
    };
    return negative || out.dtype != DType::u64 ? whole(std::int64_t{}) : whole(std::uint64_t{});
  }
  const std::string_view digits = negative ? text.substr(1) : text;
  double value = 0;
  if (same_letters(digits, "inf") || same_letters(digits, "infinity")) {
    value = std::numeric_limits<double>::infinity();
  } else if (same_letters(digits, "nan")) {
    value = std::numeric_limits<double>::quiet_NaN();
  } else {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) return kNoNumber;
  }
  access.store(out.data, o, negative ? -value : value);
  return {};
}

Status run_to_number(const KernelContext& c) noexcept {
  if (c.pool == nullptr || c.in[0].dtype != DType::string) return kBroken;
  const ElementAccess& access = element_access(c.out[0].dtype);
  if (access.store == nullptr) return kBroken;
  const TensorView* in[] = {&c.in[0]};
  return for_each<1>(c.out[0], in, [&](std::int64_t o, const std::int64_t* i) {
    std::string_view text;
    if (Status s = c.pool->read(c.in[0].as<Handle>()[i[0]], &text); !s) return s;
    return parse(text, access, c.out[0], o);
  });
}

}  // namespace

extern const Kernel string_equal_ref = reference_kernel("string_equal_ref", "StringEqual", run_equal);
extern const Kernel string_concat_ref = reference_kernel("string_concat_ref", "StringConcat", run_concat);
extern const Kernel string_split_ref{.name = "string_split_ref",
                                     .op = "StringSplit",
                                     .reference = true,
                                     .in{Port::strided},
                                     .out{Port::dense},
                                     .run = run_split};
extern const Kernel string_to_number_ref = reference_kernel("string_to_number_ref", "StringToNumber", run_to_number);
extern const Kernel number_to_string_ref = reference_kernel("number_to_string_ref", "NumberToString", run_to_string);

}  // namespace monza::ops
