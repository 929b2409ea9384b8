// ONNX normalisations of every opset.
#include "import/api.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

void import_batch_norm(OnnxNode& n) {
  ir::Attrs attrs{{"epsilon", static_cast<double>(n.f("epsilon", 1e-5f))}};
  const double momentum = n.f("momentum", 0.9f);
  bool training = n.i("training_mode", 0) != 0;
  if (n.opset() < 7) training = n.i("is_test", 0) == 0 && n.output_count() > 1;
  if (n.opset() < 9 && n.i("spatial", 1) == 0) fail("statistics for every position (spatial=0) are not supported");
  if (n.opset() < 6) n.ignore("consumed_inputs");
  if (training && n.opset() < 14) fail("training outputs of BatchNormalization before opset 14 are not supported");
  if (training) {
    attrs.set("training_mode", std::int64_t{1});
    attrs.set("momentum", momentum);
  }
  const int outputs = training ? n.output_count() : 1;
  const auto out = n.add("BatchNormalization", {n.input(0), n.input(1), n.input(2), n.input(3), n.input(4)},
                         std::move(attrs), outputs);
  for (int i = 0; i < outputs; ++i)
    if (n.has_output(i)) n.bind(i, out[static_cast<std::size_t>(i)]);
}

void import_layer_norm(OnnxNode& n) {
  const DType stash = dtype_from_onnx(n.i("stash_type", 1));
  if (stash != DType::f32 && stash != DType::bf16) fail("stash_type {} is not a type to compute in", dtype_name(stash));
  ir::Attrs attrs{{"axis", n.i("axis", -1)}, {"epsilon", static_cast<double>(n.f("epsilon", 1e-5f))}};
  if (stash != DType::f32) attrs.set("stash_type", std::string(dtype_name(stash)));
  std::vector<ir::ValueId> inputs;
  for (int i = 0; i < n.input_count(); ++i) inputs.push_back(n.input(i));
  const auto out = n.add(n.op_type(), std::move(inputs), std::move(attrs), n.output_count());
  n.bind_all(out);
}

void import_group_norm(OnnxNode& n) {
  n.i("stash_type", 1);  // the computation is never narrower than f32
  const std::int64_t groups = n.i("num_groups", 0);
  ir::ValueId scale = n.input(1), bias = n.input(2);
  const ir::SymShape& x = n.type(n.input(0)).shape;
  if (n.opset() < 21 && x.size() > 1 && groups > 0 && !(x[1] == ir::Expr(groups))) {
    // Before opset 21 scale and bias had one element per group.
    const auto channels = x[1].try_constant();
    if (!channels) fail("the channel count must be known to spread one scale per group");
    const auto spread = [&](ir::ValueId v) {
      const ir::ValueId column = n.add1("Unsqueeze", {v}, {{"axes", std::vector<std::int64_t>{1}}});
      const ir::ValueId wide =
          n.add1("Expand", {column, n.constant_value(ir::constant_i64({groups, *channels / groups}))});
      return n.add1("Reshape", {wide, n.constant_value(ir::constant_i64({*channels}))});
    };
    scale = spread(scale);
    bias = spread(bias);
  }
  n.bind(0, n.add1("GroupNormalization", {n.input(0), scale, bias},
                   {{"num_groups", groups}, {"epsilon", static_cast<double>(n.f("epsilon", 1e-5f))}}));
}

void import_instance_norm(OnnxNode& n) {
  if (n.opset() < 6) n.ignore("consumed_inputs");
  n.bind(0, n.add1("InstanceNormalization", {n.input(0), n.input(1), n.input(2)},
                   {{"epsilon", static_cast<double>(n.f("epsilon", 1e-5f))}}));
}

void import_lrn(OnnxNode& n) {
  n.bind(0, n.add1("LRN", {n.input(0)},
                   {{"size", n.i("size", 1)},
                    {"alpha", static_cast<double>(n.f("alpha", 1e-4f))},
                    {"beta", static_cast<double>(n.f("beta", 0.75f))},
                    {"bias", static_cast<double>(n.f("bias", 1.f))}}));
}

void import_lp_norm(OnnxNode& n) {
  n.bind(0, n.add1("LpNormalization", {n.input(0)}, {{"axis", n.i("axis", -1)}, {"p", n.i("p", 2)}}));
}

/// (x - mean) / (standard deviation + 1e-9), each over `axes`.
void import_mean_variance_norm(OnnxNode& n) {
  const ir::Attrs reduce{{"axes", n.ints("axes", {0, 2, 3})}, {"keepdims", std::int64_t{1}}};
  const ir::ValueId x = n.input(0);
  const ir::ValueId centred = n.add1("Sub", {x, n.add1("ReduceMean", {x}, reduce)});
  const ir::ValueId deviation = n.add1("Sqrt", {n.add1("ReduceMean", {n.add1("Mul", {centred, centred})}, reduce)});
  const ir::ValueId tiny = n.constant_value(ir::constant_scalar(n.type(x).dtype, 1e-9));
  n.bind(0, n.add1("Div", {centred, n.add1("Add", {deviation, tiny})}));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "BatchNormalization", .import = import_batch_norm},
    {.op_type = "LayerNormalization", .import = import_layer_norm},
    {.op_type = "RMSNormalization", .import = import_layer_norm},
    {.op_type = "GroupNormalization", .import = import_group_norm},
    {.op_type = "InstanceNormalization", .import = import_instance_norm},
    {.op_type = "LRN", .import = import_lrn},
    {.op_type = "LpNormalization", .import = import_lp_norm},
    {.op_type = "MeanVarianceNormalization", .import = import_mean_variance_norm},
};

}  // namespace

extern const OnnxImporters norm_onnx{kImporters};

}  // namespace monza::ops
