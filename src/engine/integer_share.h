// How much of a model's work is done on 8-bit integers.
#pragma once

#include "ir/graph.h"

namespace monza {

/// Multiply-adds of a graph's products (convolutions, matrix products, and what is fused of them), as far as their
/// extents are known when it is built.
struct MultiplyAdds {
  double all = 0, integer = 0;  ///< integer: those of 8-bit operands
  double share() const { return all > 0 ? integer / all : 0; }
};

/// Those of the graph and of its bodies, each body once.
MultiplyAdds multiply_adds(const ir::Graph& graph);

}  // namespace monza
