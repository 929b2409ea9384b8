// Constants of equal content share one block of memory.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "ir/graph.h"

namespace monza {

/// Constants that were seen so far. A graph that is given to it holds those instead of its own where they are equal.
/// Not thread-safe.
class ConstantPool {
 public:
  /// The graph and all bodies inside it. Small constants are left alone: they are not worth the comparison.
  void share(ir::Graph& graph);

 private:
  std::unordered_map<std::uint64_t, std::vector<std::shared_ptr<const ir::Constant>>> seen_;
};

}  // namespace monza
