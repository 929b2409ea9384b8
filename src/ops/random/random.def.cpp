// Random numbers and Dropout in training: types, shapes, parameters.
#include <bit>
#include <string_view>

#include "ir/op.h"
#include "ops/random/random.params.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

RandomParams::Kind kind_of(const ir::Node& n) {
  const std::string_view name = n.op->name;
  if (name == "RandomNormal") return RandomParams::Kind::normal;
  if (name == "Bernoulli") return RandomParams::Kind::bernoulli;
  if (name == "Dropout") return RandomParams::Kind::dropout;
  if (name == "Multinomial") return RandomParams::Kind::multinomial;
  return RandomParams::Kind::uniform;
}

void infer(ir::InferContext& c) {
  const RandomParams::Kind kind = kind_of(c.node());
  const DType type = parse_dtype(c.attrs().s("dtype", "f32"));
  if (kind == RandomParams::Kind::dropout) {
    if (!is_float(c.dtype(0))) c.fail("element type {} is not a float", dtype_name(c.dtype(0)));
    c.set_output(0, c.dtype(0), c.shape(0));
    c.set_output(1, DType::boolean, c.shape(0));
    return;
  }
  if (!is_float(type) && !is_integer(type) && type != DType::boolean)
    c.fail("random numbers of element type {} are not supported", dtype_name(type));
  if (kind == RandomParams::Kind::multinomial) {
    if (c.shape(0).size() != 2) c.fail("the input has rank {}, not 2", c.shape(0).size());
    c.set_output(0, type, {c.shape(0)[0], c.attrs().i("sample_size", 1)});
    return;
  }
  c.set_output(0, type, c.has_input(0) ? c.shape(0) : ir::constant_shape(c.attrs().ints("shape")));
}

void params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  RandomParams p;
  p.kind = kind_of(n.node);
  p.a = static_cast<float>(n.attrs().f("a", 0));
  p.b = static_cast<float>(n.attrs().f("b", 1));
  p.seeded = n.attrs().has("seed");
  p.seed = std::bit_cast<std::uint64_t>(n.attrs().f("seed", 0));
  blob.set(p);
}

}  // namespace

#define MONZA_RANDOM(symbol, op_name, most_inputs, outputs) \
  extern const ir::OpDef symbol##_op;                       \
  const ir::OpDef symbol##_op{.name = op_name,              \
                              .min_inputs = 0,              \
                              .max_inputs = most_inputs,    \
                              .max_outputs = outputs,       \
                              .flags = ir::OpFlag::effect,  \
                              .infer = infer,               \
                              .params = params};
MONZA_RANDOM(random_uniform, "RandomUniform", 1, 1)
MONZA_RANDOM(random_normal, "RandomNormal", 1, 1)
MONZA_RANDOM(bernoulli, "Bernoulli", 1, 1)
MONZA_RANDOM(multinomial, "Multinomial", 1, 1)
MONZA_RANDOM(dropout, "Dropout", 3, 2)

}  // namespace monza::ops
