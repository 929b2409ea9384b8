// StateAppend and StateAttention: how a graph reads and grows the memory of a sequence.
//
// State is the one mutable thing in a graph. A node that changes it returns it as a new value, and readers take
// that value, so that the order of writes and reads is in the edges like any other dependency.
#include <cmath>

#include "ir/op.h"
#include "kernel/state.h"
#include "ops/state/state.params.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

/// The type of state input i; its shape is [positions, row...].
const ir::Type& state_input(ir::InferContext& c, int i) {
  const ir::Type& type = c.input(i);
  if (type.kind != ir::ValueKind::state) c.fail("input {} is not the state of a sequence", i);
  if (type.shape.empty()) c.fail("state input {} has no axis of positions", i);
  if (!is_state_encoding(type.dtype))
    c.fail("the state of a sequence holds f32, f16, bf16 or i8, not {}", dtype_name(type.dtype));
  return type;
}

/// StateAppend(state, rows): rows [n, position...] become the next positions of the run's sequences, each taking its
/// own; returns the state. Rows are f32, or f16 or bf16 as the state is; i8 states are scaled vector by vector.
void infer_append(ir::InferContext& c) {
  const ir::Type& state = state_input(c, 0);
  const ir::SymShape& rows = c.shape(1);
  if (c.dtype(1) != DType::f32 && (c.dtype(1) != state.dtype || state.dtype == DType::i8))
    c.fail("rows are {}, the state holds {}", dtype_name(c.dtype(1)), dtype_name(state.dtype));
  if (rows.size() != state.shape.size() || !std::equal(rows.begin() + 1, rows.end(), state.shape.begin() + 1))
    c.fail("rows {} do not fit a state of {}", ir::to_string(rows), ir::to_string(state.shape));
  c.set_output(0, state.dtype, state.shape, ir::ValueKind::state);
}

void infer_attention(ir::InferContext& c) {
  const ir::SymShape& q = c.shape(0);
  const ir::Type &k = state_input(c, 1), &v = state_input(c, 2);
  if (c.dtype(0) != DType::f32) c.fail("queries must be f32, not {}", dtype_name(c.dtype(0)));
  if (q.size() != 3 || k.shape.size() != 3 || v.shape.size() != 3)
    c.fail("queries {} and state {}, {} must be [rows, heads, width]", ir::to_string(q), ir::to_string(k.shape),
           ir::to_string(v.shape));
  if (!(q[2] == k.shape[2])) c.fail("queries are {} wide, keys {}", ir::to_string(q[2]), ir::to_string(k.shape[2]));
  if (!(k.shape[1] == v.shape[1]))
    c.fail("keys have {} heads, values {}", ir::to_string(k.shape[1]), ir::to_string(v.shape[1]));
  if (!ir::exact_div(q[1], k.shape[1]))
    c.fail("{} heads are no multiple of the state's {}", ir::to_string(q[1]), ir::to_string(k.shape[1]));
  if (const std::int64_t window = c.attrs().i("window"); window < 0 || window > INT32_MAX)
    c.fail("a window of {} positions is none", window);
  if (const double cap = c.attrs().f("cap"); !(cap >= 0)) c.fail("a cap of {} on scores is none", cap);
  c.set_output(0, DType::f32, {q[0], q[1], v.shape[2]});
}

void params_attention(const ir::NodeView& n, ir::ParamsBlob& blob) {
  StateAttentionParams p;
  const auto width = n.input(0).shape[2].try_constant();
  const double own = width && *width > 0 ? 1 / std::sqrt(static_cast<double>(*width)) : 1;
  p.scale = static_cast<float>(n.attrs().has("scale") ? n.attrs().f("scale") : own);
  p.cap = static_cast<float>(n.attrs().f("cap"));
  p.causal = n.attrs().i("causal") != 0 ? 1 : 0;
  p.window = static_cast<std::int32_t>(n.attrs().i("window"));
  blob.set(p);
}

constexpr ir::AttrDef kAttentionAttrs[] = {{"scale", ir::AttrKind::number}, {"cap", 0.0}, {"causal", 1}, {"window", 0}};

constexpr ir::OpDef kOps[] = {
    {.name = "StateAppend", .min_inputs = 2, .max_inputs = 2, .flags = ir::OpFlag::effect, .infer = infer_append},
    {.name = "StateAttention",
     .attrs = kAttentionAttrs,
     .min_inputs = 3,
     .max_inputs = 3,
     .flags = ir::OpFlag::effect,
     .infer = infer_attention,
     .params = params_attention},
};

}  // namespace

extern const ir::OpList state_ops{kOps};

}  // namespace monza::ops
