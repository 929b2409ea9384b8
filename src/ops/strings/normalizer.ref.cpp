// StringNormalizer: stopwords out, then the case of what is left. Case is mapped character by character (Unicode's
// simple mappings, as the C library has them); bytes that are no UTF-8 stay as they are.
#include <clocale>
#include <cwctype>

#include "kernel/kernel.h"
#include "kernel/value_pool.h"
#include "ops/strings/strings.params.h"

namespace monza::ops {
namespace {

using Case = StringNormalizerParams::Case;
constexpr Status kOtherOperands{StatusCode::internal, "a kernel of strings was given other operands"};

/// Characters of any script, whatever the process has set; null where the C library lacks the locale.
locale_t unicode() noexcept {
  static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return locale;
}

/// Takes one character off the front: its code point, or -1 - byte for a byte that begins none.
std::int32_t take(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  std::int32_t code = length == 1 ? first : first & (0x7f >> length);
  bool valid = length > 0 && length <= text.size();
  for (std::size_t i = 1; valid && i < length; ++i) {
    valid = (byte(i) & 0xc0) == 0x80;
    code = code << 6 | (byte(i) & 0x3f);
  }
  constexpr std::int32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  valid = valid && code >= kLeast[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
  text.remove_prefix(valid ? length : 1);
  return valid ? code : -1 - first;
}

/// Writes a character as UTF-8; returns its bytes. `to` may be null.
int put(std::int32_t code, char* to) {
  char bytes[4];
  int n = 0;
  if (code < 0) bytes[n++] = static_cast<char>(-1 - code);
  else if (code < 0x80) bytes[n++] = static_cast<char>(code);
  else {
    constexpr int kLead[] = {0, 0xc0, 0xe0, 0xf0};
    const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    bytes[n++] = static_cast<char>(kLead[more] | code >> 6 * more);
    for (int k = more - 1; k >= 0; --k) bytes[n++] = static_cast<char>(0x80 | (code >> 6 * k & 0x3f));
  }
  for (int k = 0; to != nullptr && k < n; ++k) to[k] = bytes[k];
  return n;
}

std::int32_t mapped(std::int32_t code, Case change) {
  if (code < 0 || change == Case::keep) return code;
  const auto c = static_cast<wint_t>(code);
  return static_cast<std::int32_t>(change == Case::lower ? towlower_l(c, unicode()) : towupper_l(c, unicode()));
}

bool same(std::string_view a, std::string_view b, bool case_sensitive) {
  if (case_sensitive) return a == b;
  while (!a.empty() && !b.empty())
    if (mapped(take(a), Case::lower) != mapped(take(b), Case::lower)) return false;
  return a.empty() && b.empty();
}

Status change_case(ValuePool& pool, std::string_view text, Case change, Handle* result) {
  std::int64_t bytes = 0;
  for (std::string_view rest = text; !rest.empty();) bytes += put(mapped(take(rest), change), nullptr);
  char* room = nullptr;
  if (Status s = pool.make(bytes, result, &room); !s) return s;
  for (std::string_view rest = text; !rest.empty();) room += put(mapped(take(rest), change), room);
  return {};
}

Status run_normalizer(const KernelContext& c) noexcept {
  const auto& p = c.params_as<StringNormalizerParams>();
  const TensorView &x = c.in[0], &out = c.out[0];
  if (c.pool == nullptr || c.extents == nullptr || x.dtype != DType::string || c.in[1].dtype != DType::string ||
      out.dtype != DType::string || c.in[1].shape.rank != 1 || x.shape.rank < 1 || out.shape.rank != x.shape.rank)
    return kOtherOperands;
  if (unicode() == nullptr) return {StatusCode::unavailable, "the C library lacks the locale C.UTF-8"};
  const int last = x.shape.rank - 1;
  const std::int64_t words = x.shape[last], room = out.shape[last];
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < words; ++i) {
    const Handle handle = x.as<Handle>()[i * x.stride[last]];
    std::string_view word;
    if (Status s = c.pool->read(handle, &word); !s) return s;
    bool stop = false;
    for (std::int64_t k = 0; k < c.in[1].shape[0] && !stop; ++k) {
      std::string_view other;
      if (Status s = c.pool->read(c.in[1].as<Handle>()[k * c.in[1].stride[0]], &other); !s) return s;
      stop = same(word, other, p.case_sensitive != 0);
    }
    if (stop) continue;
    if (kept == room) return kOtherOperands;
    Handle& result = out.as<Handle>()[kept++];
    if (p.change == Case::keep) result = handle;
    else if (Status s = change_case(*c.pool, word, p.change, &result); !s) return s;
  }
  if (kept == 0 && room > 0) out.as<Handle>()[kept++] = {};
  c.extents[0] = kept;
  return {};
}

}  // namespace

extern const Kernel string_normalizer_ref{.name = "string_normalizer_ref",
                                          .op = "StringNormalizer",
                                          .reference = true,
                                          .in{Port::strided, Port::strided},
                                          .out{Port::dense},
                                          .run = run_normalizer};

}  // namespace monza::ops
