// The sum of a convolution or matrix product and another tensor of its shape is computed by the product itself.
#include "passes/fusions/fusions.h"
#include "passes/fusions/product.h"
#include "passes/pattern.h"

namespace monza {
namespace {

std::string guard_residual(const Match& m) {
  const ir::Node& product = m.node("product");
  if (requantizes(product)) return "the product's result is quantised";
  if (has_operand(product, operands_of(product).residual)) return "the product adds a residual already";
  if (m["product"] == m["residual"]) return "the product is added to itself";
  if (!(m.type("residual") == m.output().type && m.type("product") == m.output().type))
    return "the operands " + ir::to_string(m.type("product")) + " and " + ir::to_string(m.type("residual")) +
           " broadcast";
  return "";
}

ir::ValueId replace_residual(const Match& m) {
  const ir::Node& product = m.node("product");
  ir::Attrs attrs = product.attrs;
  if (attrs_of(product).s("activation") != "none") attrs.set("residual_after", std::int64_t{1});
  return m.add(product.op->name, with_operand(product, operands_of(product).residual, m["residual"]), attrs);
}

void fuse_residual(ir::Graph& graph, PassContext& context) {
  apply(graph, context,
        {{"product + residual", op("Add", {op(kProducts, {any(), rest()}).as("product"), any("residual")}),
          guard_residual, replace_residual}});
}
}  // namespace

const Pass residual_pass{"fuse_residual", "a sum with another tensor moves into the convolution or product before it",
                         fuse_residual};
}  // namespace monza
