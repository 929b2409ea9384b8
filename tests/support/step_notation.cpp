#include "support/step_notation.h"

#include <cctype>
#include <cstring>
#include <regex>
#include <vector>

#include "base/cpu.h"
#include "base/error.h"
#include "ir/op.h"
#include "ir/text.h"
#include "kernel/check.h"
#include "kernel/registry.h"
#include "plan/data/plan.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza::test {
namespace {

TensorView absent() {
  TensorView v;
  v.shape.rank = -1;
  return v;
}

/// "f32[2,3], _, i64[]" as views.
std::vector<TensorView> views_of(const std::string& list) {
  std::vector<TensorView> views;
  static const std::regex operand(R"(\s*(_|(\w+)\[([-\d,]*)\])\s*(,|$))");
  for (auto at = list.cbegin(); at != list.cend();) {
    std::smatch m;
    if (!std::regex_search(at, list.cend(), m, operand, std::regex_constants::match_continuous))
      fail("'{}' is no list of operands", list);
    at = m[0].second;
    if (m[1] == "_") {
      views.push_back(absent());
      continue;
    }
    Shape shape;
    const std::string extents = m[3];
    for (std::size_t i = 0; i < extents.size();) {
      std::size_t end = extents.find(',', i);
      if (end == std::string::npos) end = extents.size();
      shape.dim[shape.rank++] = std::stoll(extents.substr(i, end - i));
      i = end + 1;
    }
    // Rules also see extents whose product no integer holds, as a damaged engine may have them.
    TensorView view = dense_view(nullptr, parse_dtype(std::string(m[2])), Shape{});
    view.shape = shape;
    std::int64_t stride = 1;
    for (int a = shape.rank - 1; a >= 0; --a) {
      view.stride[a] = stride;
      if (__builtin_mul_overflow(stride, shape.dim[a], &stride)) stride = INT64_MAX;
    }
    views.push_back(view);
  }
  return views;
}

struct Node {
  std::unique_ptr<ir::Graph> graph;
  const ir::Node* node = nullptr;
  std::vector<std::byte> params;
  std::vector<OperandDesc> in, out;
  int extents = 0;
};

/// The last node of operator `op` ("" for any).
Node node_of(const std::string& text, std::string_view op) {
  Node n;
  n.graph = ir::parse(text);
  for (const ir::NodeId id : n.graph->order())
    if (op.empty() || op == n.graph->node(id).op->name) n.node = &n.graph->node(id);
  if (n.node == nullptr) fail("the graph has no node of {}", op);
  ir::InferContext context(*n.graph, n.graph->node(n.node->id));
  n.node->op->infer(context);
  n.extents = context.extent_count();
  if (n.node->op->params != nullptr) {
    ir::ParamsBlob blob;
    n.node->op->params({*n.graph, *n.node}, blob);
    n.params.assign(blob.bytes().begin(), blob.bytes().end());
  }
  n.params.resize(plan::kParamsRoom);
  const auto describe = [&](ir::ValueId id) {
    OperandDesc d;
    if (id == ir::kNone) return d;
    const ir::Value& v = n.graph->value(id);
    d.dtype = v.type.dtype;
    d.shape.rank = static_cast<int>(v.type.shape.size());
    for (int a = 0; a < d.shape.rank; ++a) {
      const auto extent = v.type.shape[static_cast<std::size_t>(a)].try_constant();
      d.shape[a] = extent.value_or(8);
      d.dynamic |= !extent;
    }
    d.constant = v.constant != nullptr;
    if (d.constant) d.data = v.constant->bytes.data();
    return d;
  };
  for (const ir::ValueId v : n.node->inputs) n.in.push_back(describe(v));
  for (const ir::ValueId v : n.node->outputs) n.out.push_back(describe(v));
  return n;
}

std::vector<TensorView> views_of(const std::vector<OperandDesc>& operands) {
  std::vector<TensorView> views;
  for (const OperandDesc& d : operands) views.push_back(d.present() ? dense_view(nullptr, d.dtype, d.shape) : absent());
  return views;
}

void set_param(std::vector<std::byte>& params, std::size_t at, const std::string& value) {
  const auto put = [&](auto v) {
    if (at + sizeof(v) > params.size()) fail("parameters have {} bytes", params.size());
    std::memcpy(params.data() + at, &v, sizeof(v));
  };
  if (value.back() == 'L') put(static_cast<std::int64_t>(std::stoll(value)));
  else if (value.find('.') != std::string::npos) put(std::stof(value));
  else put(static_cast<std::int32_t>(std::stol(value)));
}

std::string ask_rule(const std::string& text, const std::smatch& m) {
  Node n = node_of(text, {});
  const auto in = m[1].length() > 0 ? views_of(m[1].str()) : views_of(n.in);
  const auto out = m[3].length() > 0 ? views_of(m[3].str()) : views_of(n.out);
  if (m[5].matched) n.extents = std::stoi(m[5]);
  static const std::regex param(R"(params\[(\d+)\] = (\S+))");
  const std::string rest = m[6];
  for (std::sregex_iterator at(rest.begin(), rest.end(), param), end; at != end; ++at)
    set_param(n.params, std::stoul((*at)[1]), (*at)[2]);
  const OperatorCheck* check = find_check(n.node->op->name);
  if (check == nullptr) fail("{} has no rule", n.node->op->name);
  CheckContext c{n.params.data(), in.data(), static_cast<int>(in.size()), out.data(), static_cast<int>(out.size()),
                 n.extents};
  const Refusal r = check->check(c);
  return r == nullptr ? "" : r;
}

std::string ask_kernel(const std::string& text, const Kernel& kernel) {
  Node n = node_of(text, kernel.op);
  for (std::size_t i = 0; i < n.in.size(); ++i)
    if (n.in[i].present() && kernel.in[static_cast<int>(i)] == Port::packed) n.in[i].layout = Layout::packed;
  KernelQuery q;
  q.params = n.params.data();
  q.in = n.in.data();
  q.in_count = static_cast<int>(n.in.size());
  q.out = n.out.data();
  q.out_count = static_cast<int>(n.out.size());
  const Refusal r = kernel.accepts == nullptr ? nullptr : kernel.accepts(q);
  return r == nullptr ? "" : r;
}

}  // namespace

std::optional<StepAnswer> ask_step(const std::string& text) {
  const std::size_t end = text.rfind("} ");
  if (end == std::string::npos) return std::nullopt;
  const std::string graph = text.substr(0, end + 1);
  std::string suffix = text.substr(end + 2);
  while (!suffix.empty() && std::isspace(static_cast<unsigned char>(suffix.back())) != 0) suffix.pop_back();
  static const std::regex rule(R"(check\(([^)]*)\)( -> \(([^)]*)\))?( extents (\d+))?((?: params\[\d+\] = \S+)*))");
  static const std::regex kernel(R"(kernel (\w+))");
  std::smatch m;
  if (std::regex_match(suffix, m, rule)) return StepAnswer{true, ask_rule(graph, m)};
  if (!std::regex_match(suffix, m, kernel)) return std::nullopt;
  const Kernel* k = find_kernel(m[1].str());
  if (k == nullptr) fail("there is no kernel '{}'", m[1].str());
  if (!covers(cpu_info().isa, k->needs)) return StepAnswer{false, {}};
  return StepAnswer{true, ask_kernel(graph, *k)};
}

}  // namespace monza::test
