#include "engine/onnx_export.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "engine/placing_graph.h"
#include "import/onnx/onnx_editor.h"
#include "ir/op.h"
#include "passes/fusions/product.h"
#include "quant/channels.h"
#include "quant/placement.h"

namespace monza {
namespace {

constexpr int kScalesPerChannel = 13;  ///< the first opset that has them

/// [rows, columns] to [columns, rows].
std::shared_ptr<const ir::Constant> transposed(const ir::Constant& bytes) {
  const std::int64_t rows = bytes.shape[0], columns = bytes.shape[1];
  auto [result, out] = ir::allocate_constant(bytes.dtype, Shape{columns, rows});
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c)
      out[static_cast<std::size_t>(c * rows + r)] = bytes.bytes[static_cast<std::size_t>(r * columns + c)];
  return result;
}

class Exporter {
 public:
  Exporter(const std::string& path, const BuildOptions& options, const GraphToPlace& model,
           const QuantizationPlan& plan, const quant::Placement& placement)
      : graph_(*model.graph),
        ranks_(model.ranks),
        plan_(plan),
        placement_(placement),
        editor_(OnnxFile::open(path, options.limits)) {}

  OnnxExport write() {
    for (const quant::PlacedWeight& w : placement_.weights) find_product(w);
    for (const quant::PlacedWeight& w : placement_.weights) divide_input(w);
    for (const quant::PlacedValue& v : placement_.values) find_readers(v);
    // Weights first: nodes that are folded into them read nothing any more.
    for (const quant::PlacedWeight& w : placement_.weights) quantise_weight(w);
    for (const auto& [name, tensor] : tensors_) quantise(name, tensor);
    return {editor_.finish(kScalesPerChannel, ranks_), std::move(left_)};
  }

 private:
  struct Tensor {
    quant::Affine affine;
    std::set<OnnxEditor::Input> readers;
  };

  /// The nodes of the file that an IR node was made of.
  std::vector<int> nodes_of(const ir::Node& node) const {
    std::vector<int> found;
    for (const std::uint32_t o : node.origins) {
      const ir::Origin& origin = graph_.model().origins[o];
      if (const int at = editor_.find(origin.name, origin.op_type); at >= 0) found.push_back(at);
    }
    return found;
  }
  void find_product(const quant::PlacedWeight& w) {
    if (w.weight.integers == nullptr) return;
    const ir::Node& product = graph_.node(w.product);
    std::vector<int> candidates;
    for (const int n : nodes_of(product))
      for (const char* op : {"Conv", "Gemm", "MatMul"})
        if (editor_.node(n).op_type() == op) candidates.push_back(n);
    if (candidates.size() == 1) product_node_[w.product] = candidates.front();
    else
      left_.push_back(message("{}: {}", quant::product_name(graph_, product),
                              candidates.empty() ? "no node of the model's main graph is this product alone"
                                                 : "several nodes of the model are this product"));
  }

  /// What the product reads is divided in a node of its own, even where the graph has that in a normalisation.
  void divide_input(const quant::PlacedWeight& w) {
    const auto at = product_node_.find(w.product);
    if (at == product_node_.end()) return;
    const std::string name = name_in_file(graph_.value(graph_.node(w.product).inputs[0]));
    for (const auto& [value, factors] : plan_.factors) {
      if (quant::divided_name(value) != name) continue;
      if (editor_.node(at->second).input(0) != value) {
        left_.push_back(message("{}: what it reads is not '{}' in the file", at->first, value));
        product_node_.erase(at);
        return;
      }
      if (divided_.insert(value).second) {
        std::vector<float> inverse;
        for (const float f : factors) inverse.push_back(1 / f);
        const auto count = static_cast<std::int64_t>(inverse.size());
        const std::string constant =
            editor_.add_initializer(name + "_factors", *ir::constant_f32(std::move(inverse), Shape{count}));
        editor_.add_node("Mul", {value, constant}, name);
      }
      editor_.set_input({at->second, 0}, name);
      return;
    }
  }
  /// The name of a value, or, of one that its producer divides in the graph alone, of what is divided in the file.
  std::string name_in_file(const ir::Value& value) const {
    return plan_.factors.contains(value.name) ? quant::divided_name(value.name) : value.name;
  }

  void find_readers(const quant::PlacedValue& placed) {
    const std::string name = name_in_file(graph_.value(placed.value));
    for (const quant::Use& use : placed.readers) {
      const ir::Node& reader = graph_.node(use.node);
      bool found = false;
      if (!name.empty())
        for (const int n : nodes_of(reader))
          for (int k = 0; k < editor_.node(n).input_size(); ++k)
            if (editor_.node(n).input(k) == name) found |= read_quantised(name, {n, k}, placed.affine);
      // What a product reads may have no name of its own, after nodes that move elements have been reordered.
      if (const auto at = product_node_.find(use.node); !found && use.input == 0 && at != product_node_.end())
        read_quantised(editor_.node(at->second).input(0), {at->second, 0}, placed.affine);
    }
  }
  bool read_quantised(const std::string& name, OnnxEditor::Input at, const quant::Affine& affine) {
    tensors_.try_emplace(name, Tensor{affine, {}}).first->second.readers.insert(at);
    return true;
  }

  void quantise(const std::string& name, const Tensor& tensor) {
    const auto zero = static_cast<std::byte>(tensor.affine.zero_point);
    const std::string scale = editor_.add_initializer(name + "_scale", *ir::constant_f32_scalar(tensor.affine.scale));
    const std::string zero_point =
        editor_.add_initializer(name + "_zero_point", *ir::make_constant(DType::u8, Shape{}, std::span(&zero, 1)));
    const std::string integers = editor_.add_node("QuantizeLinear", {name, scale, zero_point}, name + "_quantized");
    const std::string floats =
        editor_.add_node("DequantizeLinear", {integers, scale, zero_point}, name + "_dequantized");
    for (const OnnxEditor::Input& at : tensor.readers) editor_.set_input(at, floats);
  }

  void quantise_weight(const quant::PlacedWeight& w) {
    const auto at = product_node_.find(w.product);
    if (at == product_node_.end()) return;
    const int node = at->second;
    const ir::Node& product = graph_.node(w.product);
    int axis = w.axis;
    bool turned = false;
    if (!operands_of(product).conv) {
      // By rows as the node has it: [columns, depth] in a Gemm with transB, else [depth, columns].
      axis = transposes_weight(editor_.node(node)) ? 0 : 1;
      turned = axis != w.axis;
    }
    editor_.set_input({node, 1}, dequantised(w.weight, editor_.node(node).input(1), axis, turned));
    if (operands_of(product).conv) fold_tail(w, node);
    else if (w.integer_bias.integers != nullptr && editor_.node(node).input_size() == 3 && !scales_its_bias(node))
      editor_.set_input({node, 2}, dequantised_bias(w.integer_bias, editor_.node(node).input(2)));
  }
  bool scales_its_bias(int gemm) const {
    const auto& attributes = editor_.node(gemm).attribute();
    return std::any_of(attributes.begin(), attributes.end(),
                       [](const auto& a) { return a.name() == "beta" && a.f() != 1; });
  }
  std::string dequantised_bias(const quant::QuantizedBias& bias, const std::string& name) {
    const std::string integers = editor_.add_initializer(name + "_integers", *bias.integers);
    const std::string scales = editor_.add_initializer(name + "_scales", *bias.scales);
    return editor_.add_node("DequantizeLinear", {integers, scales}, name + "_dequantized", "axis", 0);
  }
  static bool transposes_weight(const onnx::NodeProto& node) {
    return std::any_of(node.attribute().begin(), node.attribute().end(),
                       [](const auto& a) { return a.name() == "transB" && a.i() != 0; });
  }
  /// A weight that several products have is written once.
  std::string dequantised(const quant::QuantizedWeight& w, const std::string& name, int axis, bool turned) {
    std::string& made = weights_[{w.integers.get(), axis}];
    if (!made.empty()) return made;
    const std::string integers =
        editor_.add_initializer(name + "_integers", turned ? *transposed(*w.integers) : *w.integers);
    const std::string scales = editor_.add_initializer(name + "_scales", *w.scales);
    const std::vector<std::int8_t> zeros(static_cast<std::size_t>(w.scales->numel()), 0);
    const std::string zero_points = editor_.add_initializer(
        name + "_zero_points", *ir::make_constant(DType::i8, w.scales->shape, std::as_bytes(std::span(zeros))));
    return made = editor_.add_node("DequantizeLinear", {integers, scales, zero_points}, name + "_dequantized", "axis",
                                   axis);
  }

  /// What is applied to a convolution's result, channel by channel, and is in the product's weight: the node makes that
  /// result itself then, with the product's bias.
  void fold_tail(const quant::PlacedWeight& placed, int node) {
    const ir::Node& product = graph_.node(placed.product);
    const bool replaced = placed.bias != nullptr || placed.integer_bias.integers != nullptr;
    const std::vector<int> own = nodes_of(product);
    const std::set<int> within(own.begin(), own.end());
    std::string end = editor_.node(node).output(0);
    std::string folded;
    while (!editor_.is_read_elsewhere(end)) {
      const auto readers = editor_.readers(end);
      if (readers.size() != 1 || !within.contains(readers[0].first)) break;
      const onnx::NodeProto& next = editor_.node(readers[0].first);
      const std::string& op = next.op_type();
      const bool changes_weight = op == "BatchNormalization" || op == "Mul" || op == "Div";
      if (!changes_weight && op != "Add" && op != "Sub") break;
      bool by_constants = true;
      for (int k = 0; k < next.input_size(); ++k) by_constants &= k == readers[0].second || is_constant(next.input(k));
      if (!by_constants) break;
      end = next.output(0);
      // What is only added is a bias, which may stay a node; before a factor it is in the product's bias, too, and one
      // that is corrected or in integers replaces it.
      if (changes_weight || replaced) folded = end;
      else if (!folded.empty()) folded = end;
    }
    if (!folded.empty()) editor_.take_output(node, folded);
    const std::string name = editor_.node(node).output(0) + "_bias";
    if (placed.integer_bias.integers != nullptr)
      editor_.set_input({node, 2}, dequantised_bias(placed.integer_bias, name));
    else if (replaced) editor_.set_input({node, 2}, editor_.add_initializer(name, *placed.bias));
    else if (const std::size_t bias = operands_of(product).bias; !folded.empty() && has_operand(product, bias))
      editor_.set_input({node, 2}, editor_.add_initializer(name, *per_channel(product, bias)));
  }
  /// Whether nothing but constants makes the value, as where an exporter has reshaped a bias in a node.
  bool is_constant(const std::string& value) const {
    if (value.empty() || editor_.is_constant(value)) return true;
    for (int n = 0; n < editor_.node_count(); ++n) {
      const onnx::NodeProto& node = editor_.node(n);
      if (std::find(node.output().begin(), node.output().end(), value) == node.output().end()) continue;
      return node.input_size() > 0 && std::all_of(node.input().begin(), node.input().end(),
                                                  [&](const std::string& input) { return is_constant(input); });
    }
    return false;
  }
  /// The bias as ONNX's Conv takes it.
  std::shared_ptr<const ir::Constant> per_channel(const ir::Node& product, std::size_t operand) const {
    const ir::Constant& bias = *graph_.value(product.inputs[operand]).constant;
    const auto channels = graph_.value(product.inputs[1]).constant->shape[0];
    std::vector<float> values(static_cast<std::size_t>(channels));
    for (std::size_t c = 0; c < values.size(); ++c) values[c] = bias.as<float>()[bias.numel() == 1 ? 0 : c];
    return ir::constant_f32(std::move(values), Shape{channels});
  }

  const ir::Graph& graph_;
  const std::map<std::string, int>& ranks_;
  const QuantizationPlan& plan_;
  const quant::Placement& placement_;
  OnnxEditor editor_;
  std::map<ir::NodeId, int> product_node_;  ///< of products whose weight becomes integers
  std::map<std::string, Tensor> tensors_;
  std::set<std::string> divided_;  ///< values with a node that divides them
  std::map<std::pair<const ir::Constant*, int>, std::string> weights_;
  std::vector<std::string> left_;
};

}  // namespace

OnnxExport export_quantized(const std::string& model_path, const BuildOptions& options, const QuantizationPlan& plan) {
  BuildOptions with_plan = options;
  with_plan.quantization = std::make_shared<QuantizationPlan>(plan);
  const GraphToPlace model = graph_to_place(model_path, with_plan);
  const quant::Placement placement = quant::decide_placement(*model.graph, plan);
  try {
    return Exporter(model_path, options, model, plan, placement).write();
  } catch (const Error& e) {
    throw e.at(message("the quantised model of '{}' as ONNX", model_path));
  }
}

}  // namespace monza
