// RegexFullMatch by RE2: time is linear in the string whatever the pattern, so that no input can hang a run.
#include "kernel/kernel.h"
#include "kernel/value_pool.h"
#include "tensor/walk.h"

#if MONZA_WITH_RE2
#include <re2/re2.h>

#include <new>
#endif

namespace monza::ops {
namespace {

Status run_regex(const KernelContext& c) noexcept {
#if MONZA_WITH_RE2
  const TensorView &x = c.in[0], &pattern = c.in[1], &out = c.out[0];
  if (c.pool == nullptr || x.dtype != DType::string || pattern.dtype != DType::string || pattern.shape.numel() != 1 ||
      out.dtype != DType::boolean || !(x.shape == out.shape))
    return {StatusCode::internal, "a kernel of strings was given other operands"};
  std::string_view text;
  if (Status s = c.pool->read(*pattern.as<Handle>(), &text); !s) return s;
  try {
    const re2::RE2 compiled(re2::StringPiece(text.data(), text.size()), re2::RE2::Quiet);
    if (!compiled.ok()) return {StatusCode::invalid_argument, "the pattern is no regular expression"};
    for (Walk<2> walk(x.shape, x.stride, out.stride); !walk.done; walk.next()) {
      if (Status s = c.pool->read(x.as<Handle>()[walk.offset[0]], &text); !s) return s;
      out.as<bool>()[walk.offset[1]] = re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), compiled);
    }
  } catch (const std::bad_alloc&) {
    return {StatusCode::resource_exhausted, "no memory for a regular expression"};
  }
  return {};
#else
  (void)c;
  return {StatusCode::unavailable, "this build of Monza has no regular expressions: it was made without RE2"};
#endif
}

}  // namespace

extern const Kernel regex_full_match_ref{.name = "regex_full_match_ref",
                                         .op = "RegexFullMatch",
                                         .reference = true,
                                         .in{Port::strided, Port::strided},
                                         .out{Port::strided},
                                         .run = run_regex};

}  // namespace monza::ops
