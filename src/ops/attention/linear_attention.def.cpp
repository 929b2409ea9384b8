// LinearAttention: types, shapes, parameters, cost.
#include "ops/attention/linear_attention.params.h"

#include "ir/op.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

void infer(ir::InferContext& c) {
  const std::int64_t q_heads = c.attrs().i("q_num_heads"), kv_heads = c.attrs().i("kv_num_heads");
  if (q_heads < 1 || kv_heads < 1 || q_heads % kv_heads != 0)
    c.fail("{} query heads are no multiple of {} key heads", q_heads, kv_heads);
  for (int i = 0; i < 3; ++i) {
    if (c.shape(i).size() != 3) c.fail("input {} has rank {}, not 3", i, c.shape(i).size());
    if (!is_float(c.dtype(i)) || c.dtype(i) != c.dtype(0))
      c.fail("query, key and value must be of one floating point type");
  }
  const Expr size = ir::floor_div(c.shape(0)[2], q_heads), v_size = ir::floor_div(c.shape(2)[2], kv_heads);
  if (!(size * Expr(kv_heads) == c.shape(1)[2]) && size.is_constant() && c.shape(1)[2].is_constant())
    c.fail("key {} does not hold {} heads of {}", ir::to_string(c.shape(1)), kv_heads, ir::to_string(size));
  const ir::SymShape state{c.shape(0)[0], kv_heads, size, v_size};
  if (c.has_input(3) && c.shape(3).size() != 4) c.fail("the state has rank {}, not 4", c.shape(3).size());
  for (int i = 4; i < 6; ++i)
    if (c.has_input(i) && c.shape(i).size() != 3) c.fail("input {} has rank {}, not 3", i, c.shape(i).size());
  c.set_output(0, c.dtype(0), {c.shape(0)[0], c.shape(0)[1], Expr(q_heads) * v_size});
  c.set_output(1, c.has_input(3) ? c.dtype(3) : c.dtype(0), state);
}

void params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  LinearAttentionParams p;
  p.q_heads = static_cast<std::int32_t>(n.attrs().i("q_num_heads"));
  p.kv_heads = static_cast<std::int32_t>(n.attrs().i("kv_num_heads"));
  p.scale = static_cast<float>(n.attrs().f("scale"));
  blob.set(p);
}

/// Every position updates and reads the whole state.
double flops(const ir::NodeView& n, const std::vector<Shape>& in, const std::vector<Shape>& out) {
  const auto heads = static_cast<double>(n.attrs().i("q_num_heads"));
  return 4.0 * static_cast<double>(in[0].numel()) * static_cast<double>(out[0][2]) / heads;
}

constexpr ir::AttrDef kAttrs[] = {{"q_num_heads", 0}, {"kv_num_heads", 0}, {"scale", 0.0}};

constexpr ir::OpDef kLinearAttentionOps[] = {
    {.name = "LinearAttention",
     .attrs = kAttrs,
     .min_inputs = 3,
     .max_inputs = 6,
     .min_outputs = 2,
     .max_outputs = 2,
     .infer = infer,
     .params = params,
     .flops = flops},
};

}  // namespace

extern const ir::OpList linear_attention_ops{kLinearAttentionOps};

}  // namespace monza::ops
