#include "engine/integer_scales.h"

#include <algorithm>
#include <string_view>

#include "base/printable.h"
#include "ir/constant.h"
#include "ir/op.h"
#include "passes/fusions/product.h"
#include "quant/integer_names.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

class Scales {
 public:
  Scales(const ir::Graph& graph, const ir::Node& node, const std::map<std::string, quant::RangeQuality>& seen)
      : graph_(graph), node_(node), seen_(seen) {}

  std::vector<std::string> lines() {
    add("reads", QInput::x_scale, QInput::x_zero, node_.inputs[QInput::x]);
    add("weight", QInput::w_scale, QInput::w_zero, node_.inputs[QInput::w]);
    if (has(QInput::residual) && has(QInput::r_scale))
      add("adds", QInput::r_scale, QInput::r_zero, node_.inputs[QInput::residual]);
    add("writes", QInput::y_scale, QInput::y_zero, node_.outputs[0]);
    return std::move(lines_);
  }

 private:
  bool has(std::size_t i) const { return i < node_.inputs.size() && node_.inputs[i] != ir::kNone; }
  std::vector<double> numbers(std::size_t i) const {
    if (!has(i)) return {};
    const auto& constant = graph_.value(node_.inputs[i]).constant;
    return constant ? ir::to_doubles(*constant) : std::vector<double>{};
  }

  /// ": of the samples' values ..." where calibration has seen the value.
  std::string seen_of(ir::ValueId v) const {
    const auto it = seen_.find(std::string(quant::floats_name(graph_.value(v).name)));
    if (it == seen_.end()) return "";
    return fmt::format("; of the samples' values {:.3g} % are cut off, signal to noise {:.1f} dB",
                       it->second.clipped * 100, it->second.signal_to_noise);
  }

  void add(const char* what, std::size_t scale, std::size_t zero, ir::ValueId value) {
    const DType type = graph_.value(value).type.dtype;
    const std::vector<double> scales = numbers(scale), zeros = numbers(zero);
    if (scales.empty()) return;
    if (scales.size() > 1) {
      const auto [least, most] = std::minmax_element(scales.begin(), scales.end());
      lines_.push_back(
          fmt::format("{} {}: {} scales, {:.3g} to {:.3g}", what, dtype_name(type), scales.size(), *least, *most));
      return;
    }
    const double s = scales[0], z = zeros.empty() ? 0 : zeros[0];
    const double low = type == DType::i8 ? -128 : 0, high = type == DType::i8 ? 127 : 255;
    lines_.push_back(fmt::format("{} {}: scale {:.3g}, zero point {:g}, which is {:.3g} to {:.3g}{}", what,
                                 dtype_name(type), s, z, (low - z) * s, (high - z) * s, seen_of(value)));
  }

  const ir::Graph& graph_;
  const ir::Node& node_;
  const std::map<std::string, quant::RangeQuality>& seen_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> integer_scales(const ir::Graph& graph, const ir::Node& node,
                                        const std::map<std::string, quant::RangeQuality>& seen) {
  const std::string_view op = node.op->name;
  if (op != "QConv" && op != "QMatMul") return {};
  return Scales(graph, node, seen).lines();
}

}  // namespace monza
