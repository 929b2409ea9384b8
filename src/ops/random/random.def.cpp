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
  if (kind == RandomParams::Kind::dropout) {
    if (!is_float(c.dtype(0))) c.fail("element type {} is not a float", dtype_name(c.dtype(0)));
    c.set_output(0, c.dtype(0), c.shape(0));
    c.set_output(1, DType::boolean, c.shape(0));
    return;
  }
  const DType type = parse_dtype(c.attrs().s("dtype"));
  if (!is_float(type) && !is_integer(type) && type != DType::boolean)
    c.fail("random numbers of element type {} are not supported", dtype_name(type));
  if (kind == RandomParams::Kind::multinomial) {
    if (c.shape(0).size() != 2) c.fail("the input has rank {}, not 2", c.shape(0).size());
    c.set_output(0, type, {c.shape(0)[0], c.attrs().i("sample_size")});
    return;
  }
  c.set_output(0, type, c.has_input(0) ? c.shape(0) : ir::constant_shape(c.attrs().ints("shape")));
}

void params(const ir::NodeView& n, ir::ParamsBlob& blob) {
  RandomParams p;
  p.kind = kind_of(n.node);
  if (p.kind == RandomParams::Kind::uniform || p.kind == RandomParams::Kind::normal) {
    p.a = static_cast<float>(n.attrs().f("a"));
    p.b = static_cast<float>(n.attrs().f("b"));
  }
  p.seeded = n.attrs().has("seed");
  if (p.seeded) p.seed = std::bit_cast<std::uint64_t>(n.attrs().f("seed"));
  blob.set(p);
}

constexpr ir::AttrDef kDropoutAttrs[] = {{"seed", ir::AttrKind::number}};
constexpr ir::AttrDef kTypedAttrs[] = {{"seed", ir::AttrKind::number}, {"dtype", "f32"}};
constexpr ir::AttrDef kSamplesAttrs[] = {{"sample_size", 1}};
constexpr ir::AttrDef kRangeAttrs[] = {{"a", 0.0}, {"b", 1.0}, {"shape", ir::AttrKind::ints}};
constexpr auto kDistributionAttrs = ir::joined(kTypedAttrs, kRangeAttrs);
constexpr auto kMultinomialAttrs = ir::joined(kTypedAttrs, kSamplesAttrs);

constexpr ir::OpDef random(const char* name, ir::AttrSchema attrs, int most_inputs, int outputs) {
  return {.name = name,
          .attrs = attrs,
          .min_inputs = 0,
          .max_inputs = most_inputs,
          .max_outputs = outputs,
          .flags = ir::OpFlag::effect,
          .infer = infer,
          .params = params};
}

constexpr ir::OpDef kOps[] = {
    random("RandomUniform", kDistributionAttrs, 1, 1),
    random("RandomNormal", kDistributionAttrs, 1, 1),
    random("Bernoulli", kTypedAttrs, 1, 1),
    random("Multinomial", kMultinomialAttrs, 1, 1),
    random("Dropout", kDropoutAttrs, 3, 2),
};

}  // namespace

extern const ir::OpList random_ops{kOps};

}  // namespace monza::ops
