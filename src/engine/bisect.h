// Which rewrite, kernel or node makes a variant's numbers differ.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/variants.h"

namespace monza {

/// What was found, in the order in which it is looked for.
struct Culprit {
  enum class Kind {
    none,     ///< the variant agrees
    rewrite,  ///< a pass made the numbers differ, reference kernels or not
    kernel,   ///< the numbers differ with this kernel, not with the reference one
    node,     ///< the first node whose result differs; what made it differ could not be told apart
    plan,     ///< outputs differ, but every tensor agrees when it is read: memory that the plan shares wrongly
  };
  Kind kind = Kind::none;
  std::string pass, rewrite, node;  ///< rewrite: its pass, what it did, where. node: also for kernel and node
  std::int64_t rewrite_number = 0;  ///< the least --max-rewrites that differs
  std::string tensor, kernel;       ///< the first tensor that differs, and what made it
  Comparison error;                 ///< of that tensor, or of the worst output
  int builds = 0;
};

/// Holds `suspect` against `trusted` on the runner's inputs. Outputs that both have are compared; where they differ,
/// the number of rewrites is halved until the first that matters is found, then tensors are read in execution order.
/// About log2(rewrites) + 4 builds. Throws Error.
Culprit find_culprit(VariantRunner& runner, const Variant& suspect, const Variant& trusted, const Criterion& criterion);

/// One or two lines for people.
std::string to_string(const Culprit& culprit);

/// Pairs of equal names, in the order of `got`, judged. Those of other types or shapes are left
/// out when `strict` is false: a fusion may keep a tensor in another type.
struct TensorError {
  std::string name, node, kernel;
  Comparison error;
  std::optional<double> clipped = std::nullopt;  ///< of what was kept in 8 bits: the share of the elements beyond them
};
std::vector<TensorError> compare_values(const std::vector<NamedValue>& got, const std::vector<NamedValue>& want,
                                        const Criterion& criterion, bool strict = true);

}  // namespace monza
