// Reductions, ArgMax and ArgMin, CumSum and CumProd: shapes and parameters.
#include <string_view>
#include <utility>

#include "ir/op.h"
#include "ops/reduce/reduce.params.h"
#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

constexpr std::pair<std::string_view, ReduceKind> kKinds[] = {{"ReduceSum", ReduceKind::sum},
                                                              {"ReduceMean", ReduceKind::mean},
                                                              {"ReduceMax", ReduceKind::max},
                                                              {"ReduceMin", ReduceKind::min},
                                                              {"ReduceProd", ReduceKind::prod},
                                                              {"ReduceL1", ReduceKind::l1},
                                                              {"ReduceL2", ReduceKind::l2},
                                                              {"ReduceLogSum", ReduceKind::log_sum},
                                                              {"ReduceLogSumExp", ReduceKind::log_sum_exp},
                                                              {"ReduceSumSquare", ReduceKind::sum_square}};

/// The reduced axes from attribute `axes` or the elements of input 1: none given means all, unless
/// noop_with_empty_axes.
std::uint32_t axes_mask(const ir::AttrReader& attrs, const std::vector<std::int64_t>& axes, std::size_t rank) {
  if (axes.empty()) return attrs.i("noop_with_empty_axes") != 0 ? 0u : (1u << rank) - 1;
  std::uint32_t mask = 0;
  for (std::int64_t axis : axes) mask |= 1u << axis_of(axis, rank);
  return mask;
}

std::vector<std::int64_t> constants(const std::vector<Expr>& values) {
  std::vector<std::int64_t> out;
  for (const Expr& e : values) {
    const auto v = e.try_constant();
    if (!v) fail_hint("give their values: --input NAME=FILE", "the axes must be known at build");
    out.push_back(*v);
  }
  return out;
}

/// The elements of input 1 of a node that inference accepted: a constant, or tracked from the profile's values.
std::vector<std::int64_t> axes_input(const ir::NodeView& n) {
  const ir::Value& value = n.graph.value(n.node.inputs[1]);
  if (value.constant) return ir::to_ints(*value.constant);
  const auto& given = n.graph.model().element_values;
  std::vector<Expr> content;
  for (const Expr& e : value.content.value_or(std::vector<Expr>{}))
    content.push_back(ir::substitute(e, [&](const ir::Atom& atom) -> std::optional<Expr> {
      const auto it = atom.kind == ir::AtomKind::element ? given.find(atom.value) : given.end();
      if (it == given.end()) return std::nullopt;
      return Expr(it->second.at(static_cast<std::size_t>(atom.index)));
    }));
  return constants(content);
}

void infer_reduce(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  const DType type = c.dtype(0);
  if (dtype_bits(type) < 8 || type == DType::string || type == DType::c64 || type == DType::c128)
    c.fail("element type {} is not one reductions take", dtype_name(type));
  const auto axes = c.has_input(1) ? constants(c.content(1)) : c.attrs().ints("axes");
  const std::uint32_t mask = axes_mask(c.attrs(), axes, x.size());
  const bool keep = c.attrs().i("keepdims") != 0;
  ir::SymShape out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!(mask >> i & 1)) out.push_back(x[i]);
    else if (keep) out.push_back(Expr(1));
  }
  c.set_output(0, type, std::move(out));

  // The element count of a shape is its ReduceProd.
  const std::string_view name = c.node().op->name;
  if ((name == "ReduceProd" || name == "ReduceSum") && (type == DType::i64 || type == DType::i32) && mask != 0 &&
      x.size() == 1) {
    if (const auto content = c.known_content(0)) {
      Expr total(name == "ReduceProd" ? 1 : 0);
      for (const Expr& e : *content) total = name == "ReduceProd" ? total * e : total + e;
      c.set_content(0, {total});
    }
  }
}

void reduce_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  ReduceParams p;
  for (const auto& [name, kind] : kKinds)
    if (name == n.node.op->name) p.kind = kind;
  std::vector<std::int64_t> axes = n.attrs().ints("axes");
  if (n.has_input(1)) axes = axes_input(n);
  p.axes = axes_mask(n.attrs(), axes, n.input(0).rank());
  blob.set(p);
}

double reduce_flops(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>&) {
  return static_cast<double>(in[0].numel());
}

void infer_arg(ir::InferContext& c) {
  const ir::SymShape& x = c.shape(0);
  if (x.empty()) c.fail("the input is a scalar");
  const auto axis = axis_of(c.attrs().i("axis"), x.size());
  ir::SymShape out = x;
  if (c.attrs().i("keepdims") != 0) out[axis] = Expr(1);
  else out.erase(out.begin() + static_cast<std::ptrdiff_t>(axis));
  c.set_output(0, DType::i64, std::move(out));
}

void arg_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  ArgParams p;
  p.axis = static_cast<std::int32_t>(axis_of(n.attrs().i("axis"), n.input(0).rank()));
  p.largest = std::string_view(n.node.op->name) == "ArgMax";
  p.last = n.attrs().i("select_last_index") != 0;
  blob.set(p);
}

void infer_cumulative(ir::InferContext& c) {
  const DType axis = c.dtype(1);
  if (axis != DType::i32 && axis != DType::i64)
    c.fail("the axis has element type {}, not i32 or i64", dtype_name(axis));
  if (!(ir::product(c.shape(1)) == Expr(1)))
    c.fail("the axis has shape {}, not one element", ir::to_string(c.shape(1)));
  if (!is_integer(c.dtype(0)) && !is_float(c.dtype(0)))
    c.fail("element type {} is not a number", dtype_name(c.dtype(0)));
  c.set_output(0, c.dtype(0), c.shape(0));
}

void cumulative_params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  CumulativeParams p;
  p.product = std::string_view(n.node.op->name) == "CumProd";
  p.exclusive = n.attrs().i("exclusive") != 0;
  p.reverse = n.attrs().i("reverse") != 0;
  blob.set(p);
}

constexpr ir::AttrDef kReduceAttrs[] = {{"axes", ir::AttrKind::ints}, {"keepdims", 1}, {"noop_with_empty_axes", 0}};
constexpr ir::AttrDef kArgAttrs[] = {{"axis", 0}, {"keepdims", 1}, {"select_last_index", 0}};
constexpr ir::AttrDef kCumulativeAttrs[] = {{"exclusive", 0}, {"reverse", 0}};

constexpr ir::OpDef reduction(const char* name) {
  return {.name = name,
          .attrs = kReduceAttrs,
          .max_inputs = 2,
          .infer = infer_reduce,
          .params = reduce_params,
          .flops = reduce_flops,
          .shape_inputs = 2};
}

constexpr ir::OpDef kOps[] = {
    reduction("ReduceSum"),
    reduction("ReduceMean"),
    reduction("ReduceMax"),
    reduction("ReduceMin"),
    reduction("ReduceProd"),
    reduction("ReduceL1"),
    reduction("ReduceL2"),
    reduction("ReduceLogSum"),
    reduction("ReduceLogSumExp"),
    reduction("ReduceSumSquare"),
    {.name = "ArgMax", .attrs = kArgAttrs, .infer = infer_arg, .params = arg_params, .flops = reduce_flops},
    {.name = "ArgMin", .attrs = kArgAttrs, .infer = infer_arg, .params = arg_params, .flops = reduce_flops},
    {.name = "CumSum",
     .attrs = kCumulativeAttrs,
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_cumulative,
     .params = cumulative_params,
     .flops = reduce_flops},
    {.name = "CumProd",
     .attrs = kCumulativeAttrs,
     .min_inputs = 2,
     .max_inputs = 2,
     .infer = infer_cumulative,
     .params = cumulative_params,
     .flops = reduce_flops},
};

}  // namespace

extern const ir::OpList reduce_ops{kOps};

}  // namespace monza::ops
