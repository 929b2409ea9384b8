#include "tools/quantize/slow_products.h"

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "eval/run.h"
#include "eval/tensors.h"
#include "ir/op.h"
#include "quant/sites.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

std::vector<StepProfile> profile_of(const Engine& engine, const std::vector<Tensor>& inputs,
                                    const ContextOptions& options, double seconds) {
  Context context = engine.create_context(options);
  eval::bind_inputs(engine, context, inputs);
  eval::run(context);  // touches memory
  context.set_profiling(true);
  constexpr int kLeast = 5;
  const Stopwatch watch;
  for (int runs = 0; runs < kLeast || watch.ms() < seconds * 1e3; ++runs) eval::run(context);
  return context.profile();
}

/// Disjoint sets of ONNX nodes, by name.
class NodeGroups {
 public:
  void join(const std::vector<std::string>& nodes) {
    for (const std::string& n : nodes) parent_[root(n)] = root(nodes.front());
  }
  const std::string& root(const std::string& node) {
    std::string& parent = parent_.try_emplace(node, node).first->second;
    return parent == node ? parent : root(parent);
  }

 private:
  std::map<std::string, std::string> parent_;
};

}  // namespace

std::set<std::string> slower_products(const std::vector<StepProfile>& floats, const std::vector<StepProfile>& integers,
                                      const std::vector<std::string>& products) {
  NodeGroups groups;
  for (const auto* steps : {&floats, &integers})
    for (const StepProfile& s : *steps)
      if (!s.nodes.empty()) groups.join(s.nodes);
  std::map<std::string, std::pair<double, double>> times;  // in floats and in integers, by a group's root
  for (const StepProfile& s : floats)
    if (!s.nodes.empty()) times[groups.root(s.nodes.front())].first += s.best_us;
  for (const StepProfile& s : integers)
    if (!s.nodes.empty()) times[groups.root(s.nodes.front())].second += s.best_us;
  std::set<std::string> slower;
  for (const std::string& product : products) {
    constexpr double kNoise = 1.05;  // of the least times of some runs
    const auto it = times.find(groups.root(product));
    if (it != times.end() && it->second.second > it->second.first * kNoise) slower.insert(product);
  }
  return slower;
}

std::set<std::string> slower_products(const Engine& floats, const Engine& integers, const BuildReport& report,
                                      const ContextOptions& options, double seconds) {
  std::vector<Tensor> inputs;
  for (const TensorInfo& info : floats.inputs())
    inputs.push_back(eval::random_tensor(info.dtype, info.opt, inputs.size()));
  std::vector<std::string> products;
  for (const ir::NodeId id : report.planned->order()) {
    const ir::Node& node = std::as_const(*report.planned).node(id);
    const std::string_view op = node.op->name;
    if (op == "QConv" || op == "QMatMul") products.push_back(quant::product_name(*report.planned, node));
  }
  return slower_products(profile_of(floats, inputs, options, seconds), profile_of(integers, inputs, options, seconds),
                         products);
}

}  // namespace monza::tool
