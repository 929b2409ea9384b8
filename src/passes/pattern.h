// Patterns of values, written like the formula they stand for, and rewrites made of them.
//
//   // SiLU: x * sigmoid(x)
//   const Pattern x = any("x");
//   const Pattern silu = product({x, op("Sigmoid", {x})});
//
// The matcher owns what every pattern needs: the order of commutative operands, the bracketing of sums and
// products (with scalar constants multiplied or added up, division by a constant being a factor), that nothing
// outside reads what lies inside, and graph outputs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "ir/op.h"
#include "passes/pass.h"

namespace monza {

struct Match;

class Pattern {
 public:
  /// Captures the matched value under a name; the same name twice must be the same value.
  Pattern as(std::string name) const;
  /// Other readers of this value are allowed: its node stays in the graph.
  Pattern shared() const;
  /// Accepts the value only if the condition holds for the node that makes it.
  Pattern where(std::function<bool(const ir::Graph&, const ir::Node&)> condition) const;

  struct Data;
  explicit Pattern(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  const Data& data() const { return *data_; }

 private:
  std::shared_ptr<const Data> data_;
};

/// Any value; captured when named.
Pattern any(std::string name = {});
/// A constant tensor of any shape.
Pattern constant(std::string name = {});
/// A constant with one element, close to `value`.
Pattern scalar(double value);
/// Any constant with one element: its value is Match::number(name). In a product or sum, all its constants
/// together, also when there are none.
Pattern number(std::string name);
/// An absent optional input.
Pattern absent();
/// Any further inputs, present or not; only at the end of an op's inputs.
Pattern rest();
/// A node of the operator (alternatives separated by '|'). Optional inputs behind the given ones must be absent.
Pattern op(std::string_view names, std::vector<Pattern> inputs);
/// Output `index` of a node.
Pattern op_output(std::string_view names, std::vector<Pattern> inputs, int index);
/// A product or sum of all operands in any order and bracketing.
Pattern product(std::vector<Pattern> operands);
Pattern sum(std::vector<Pattern> operands);
/// The first alternative that leads to a match.
Pattern either(std::vector<Pattern> alternatives);
/// a / b, also as a * reciprocal(b).
Pattern quotient(Pattern a, Pattern b);
/// x * x, also as Pow(x, 2).
Pattern square(Pattern x);

/// One place where a pattern matched.
struct Match {
  ir::Graph* graph = nullptr;
  ir::NodeId root = ir::kNone;
  std::map<std::string, ir::ValueId, std::less<>> values;
  std::map<std::string, double, std::less<>> numbers;
  std::vector<ir::NodeId> nodes;   ///< matched and to be removed, the root first
  std::vector<ir::NodeId> shared;  ///< matched and kept

  bool has(std::string_view name) const { return values.find(name) != values.end(); }
  /// The captured value; Error if the pattern has no such name.
  ir::ValueId operator[](std::string_view name) const;
  double number(std::string_view name) const;
  const ir::Type& type(std::string_view name) const { return graph->value((*this)[name]).type; }
  /// The constant behind a captured value, or null.
  const ir::Constant* constant(std::string_view name) const { return graph->value((*this)[name]).constant.get(); }
  /// The node that makes a captured value.
  const ir::Node& node(std::string_view name) const;
  const ir::Value& output() const;
  /// The node that makes it.
  const ir::Node& output_node() const { return *graph->producer(output().id); }
  /// Origins of all matched nodes.
  ir::OriginSet origins() const;
  /// What is asked of all matched nodes together; nullopt when no kernel could do it.
  std::optional<Constraint> constraint() const;
  /// Adds a node in front of the root, with the origins and the constraint of the match, and returns its first output.
  ir::ValueId add(std::string_view op, std::vector<ir::ValueId> inputs, ir::Attrs attrs = {}) const;
  ir::ValueId add_constant(std::shared_ptr<const ir::Constant> constant) const;
};

/// A rewrite: where the pattern matches and the guard does not refuse, the root's value is replaced.
struct Fusion {
  const char* name;
  Pattern pattern;
  /// "" or the reason for refusing, in words that make sense in a log. May be null.
  std::function<std::string(const Match&)> guard;
  /// Builds the replacement and returns its value, of the same type as the root's.
  std::function<ir::ValueId(const Match&)> replace;
};

/// Applies the fusions, in order of preference at each node, until none fires. A rewrite that cannot be made (inference
/// refuses a new node, the type would change, something that is to go is still read, no kernel of a new node computes
/// in what it may) is undone and noted as a near miss.
void apply(ir::Graph& graph, PassContext& context, const std::vector<Fusion>& fusions);

/// The value of a constant with one element.
std::optional<double> scalar_value(const ir::Graph& graph, ir::ValueId id);

}  // namespace monza
