// Which products of a graph compute on integers, and which values between nodes are quantised for that.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"
#include "monza/quantization.h"

namespace monza::quant {

/// A product that stays in floats.
struct KeptProduct {
  ir::NodeId node = ir::kNone;
  std::string why;
};

/// Values that share a scale, because nodes between them only move elements or choose among them.
struct ValueGroup {
  std::vector<ir::ValueId> values;
  std::vector<ir::ValueId> sources;  ///< those whose elements are computed, not moved: what ranges are known of
};

/// An input of a node.
struct Use {
  ir::NodeId node = ir::kNone;
  std::size_t input = 0;
  friend auto operator<=>(const Use&, const Use&) = default;
};

struct Sites {
  std::vector<ir::NodeId> products;
  std::vector<KeptProduct> kept;
  std::vector<ValueGroup> groups;
  std::map<ir::ValueId, std::size_t> group_of;  ///< of every value that is quantised
  std::set<Use> integer_uses;                   ///< where a quantised value is read as integers
  /// Values that exist as integers alone: their nodes compute or move integers, so all that read them read these.
  std::set<ir::ValueId> integers;
};

/// Whether the range of a source is known, by the name that a plan has for it.
using IsKnown = std::function<bool(const std::string& name)>;

/// Starts at the products with constant weights that `kept` does not name and that may compute in int8, and goes back
/// from what they read, as long as the nodes there can do on integers what they do: moves, Concat, the largest of
/// several, sums, averages over everything. The graph's products have bias and activation already.
Sites find_sites(const ir::Graph& graph, const std::map<std::string, std::string>& kept, const IsKnown& is_known);

/// "" if the product may compute on integers, as far as it alone decides, or why not.
std::string integer_product_refusal(const ir::Graph& graph, const ir::Node& product);
/// The ONNX node by whose name a plan speaks of a product: the first of those it was made of that is one.
std::string product_name(const ir::Graph& graph, const ir::Node& product);

}  // namespace monza::quant
