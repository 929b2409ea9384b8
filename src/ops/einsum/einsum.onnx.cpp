// ONNX Einsum. A product of two operands with one label each of its own and one to sum over is a matrix product.
#include <algorithm>
#include <iterator>

#include "import/api.h"
#include "ops/einsum/einsum.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

bool contains(const std::vector<int>& list, int label) {
  return std::find(list.begin(), list.end(), label) != list.end();
}

/// x with its axes in the order of `wanted`; `labels` are those of its axes.
ir::ValueId transposed(OnnxNode& n, ir::ValueId x, const std::vector<int>& labels, const std::vector<int>& wanted) {
  if (labels == wanted) return x;
  std::vector<std::int64_t> perm;
  for (int label : wanted) perm.push_back(std::find(labels.begin(), labels.end(), label) - labels.begin());
  ir::Attrs attrs;
  attrs.set("perm", std::move(perm));
  return n.add1("Transpose", {x}, std::move(attrs));
}

/// Batch labels, then rows, then columns, as MatMul has them; false when the equation is none.
bool import_product(OnnxNode& n, const Equation& e) {
  if (e.operands.size() != 2) return false;
  const std::vector<int>&a = e.operands[0], &b = e.operands[1];
  for (const auto& labels : e.operands)
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (std::count(labels.begin(), labels.end(), labels[i]) != 1) return false;
  std::vector<int> batch, rows, columns, summed;
  for (int label : a) {
    const bool in_b = contains(b, label), in_out = label < e.out_rank;
    if (in_b) (in_out ? batch : summed).push_back(label);
    else if (in_out) rows.push_back(label);
    else return false;
  }
  for (int label : b) {
    if (contains(a, label)) continue;
    if (label >= e.out_rank) return false;
    columns.push_back(label);
  }
  if (rows.size() != 1 || columns.size() != 1 || summed.size() != 1) return false;
  // Broadcast extents of one label would not line up as MatMul's batch does.
  for (int label : batch) {
    const auto at = [&](int i, const std::vector<int>& labels) {
      return n.type(n.input(i))
          .shape[static_cast<std::size_t>(std::find(labels.begin(), labels.end(), label) - labels.begin())];
    };
    if (!(at(0, a) == at(1, b))) return false;
  }
  std::sort(batch.begin(), batch.end());
  std::vector<int> left = batch, right = batch, product = batch, out;
  left.insert(left.end(), {rows[0], summed[0]});
  right.insert(right.end(), {summed[0], columns[0]});
  product.insert(product.end(), {rows[0], columns[0]});
  for (int label = 0; label < e.out_rank; ++label) out.push_back(label);
  const ir::ValueId x = transposed(n, n.input(0), a, left), y = transposed(n, n.input(1), b, right);
  n.bind(0, transposed(n, n.add1("MatMul", {x, y}), product, out));
  return true;
}

void import_einsum(OnnxNode& n) {
  const std::string equation = n.s("equation", "");
  std::vector<std::size_t> ranks;
  std::vector<ir::ValueId> inputs;
  for (int i = 0; i < n.input_count(); ++i) {
    inputs.push_back(n.input(i));
    ranks.push_back(n.type(n.input(i)).rank());
  }
  if (is_float(n.type(inputs[0]).dtype) && import_product(n, parse_equation(equation, ranks))) return;
  ir::Attrs attrs;
  attrs.set("equation", equation);
  n.bind(0, n.add1("Einsum", std::move(inputs), std::move(attrs)));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "Einsum", .import = import_einsum},
};

}  // namespace

extern const OnnxImporters einsum_onnx{kImporters};

}  // namespace monza::ops
