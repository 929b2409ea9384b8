// RegexFullMatch: which strings a regular expression of RE2's syntax describes as a whole.
#include "ir/op.h"
#include "ops/shared/shapes.def.h"

#if MONZA_WITH_RE2
#include <re2/re2.h>
#endif

namespace monza::ops {
namespace {

/// RegexFullMatch(x, pattern): boolean. The pattern is one constant string.
void infer_regex(ir::InferContext& c) {
  if (c.dtype(0) != DType::string) c.fail("input 0 must hold strings, but is {}", ir::to_string(c.input(0)));
  const ir::Constant* pattern = c.constant(1);
  if (pattern == nullptr || pattern->dtype != DType::string || pattern->numel() != 1)
    c.fail("the pattern must be one constant string");
#if MONZA_WITH_RE2
  const re2::RE2 compiled(pattern->strings[0], re2::RE2::Quiet);
  if (!compiled.ok())
    fail_hint("patterns have the syntax of RE2: no back-references, no look-around",
              "'{}' is no regular expression: {}", pattern->strings[0], compiled.error());
  c.set_output(0, DType::boolean, c.shape(0));
#else
  fail_hint("install RE2 (on Debian: apt-get install libre2-dev) and build Monza again",
            "this build of Monza has no regular expressions");
#endif
}

constexpr ir::OpDef kRegexOps[] = {
    {.name = "RegexFullMatch", .min_inputs = 2, .max_inputs = 2, .flags = ir::OpFlag::pointwise, .infer = infer_regex},
};

}  // namespace

extern const ir::OpList regex_ops{kRegexOps};

}  // namespace monza::ops
