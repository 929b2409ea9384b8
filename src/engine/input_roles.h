// What the integer inputs of a model are for: which of them are no mere data.
#pragma once

#include <set>
#include <string>

#include "ir/graph.h"

namespace monza {

/// Names of integer and boolean inputs. One may be in both.
struct InputRoles {
  std::set<std::string> deciding;  ///< their elements decide extents, branches or trip counts
  std::set<std::string> indices;   ///< their elements choose elements of tensors: Gather and its like
};

/// Follows the elements of the inputs through shape arithmetic, comparisons and whatever moves elements, up to where
/// they are used. What import or inference has taken from given elements counts as decided by them.
InputRoles input_roles(const ir::Graph& graph);

}  // namespace monza
