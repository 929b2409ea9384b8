// ONNX random operators and Dropout.
#include "import/api.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

void set_common(OnnxNode& n, ir::Attrs& attrs, DType type) {
  if (n.has_attr("seed")) attrs.set("seed", static_cast<double>(n.f("seed", 0)));
  attrs.set("dtype", std::string(dtype_name(type)));
}

void import_random(OnnxNode& n) {
  const std::string_view type = n.op_type();
  const bool normal = type.starts_with("RandomNormal"), like = type.ends_with("Like");
  ir::Attrs attrs;
  DType dtype = DType::f32;
  if (n.has_attr("dtype")) dtype = dtype_from_onnx(n.i("dtype", 1));
  else if (like) dtype = n.type(n.input(0)).dtype;
  set_common(n, attrs, dtype);
  attrs.set("a", static_cast<double>(normal ? n.f("mean", 0) : n.f("low", 0)));
  attrs.set("b", static_cast<double>(normal ? n.f("scale", 1) : n.f("high", 1)));
  std::vector<ir::ValueId> inputs;
  if (like) inputs.push_back(n.input(0));
  else attrs.set("shape", n.ints("shape"));
  n.bind(0, n.add1(normal ? "RandomNormal" : "RandomUniform", std::move(inputs), std::move(attrs)));
}

void import_bernoulli(OnnxNode& n) {
  ir::Attrs attrs;
  set_common(n, attrs, n.has_attr("dtype") ? dtype_from_onnx(n.i("dtype", 1)) : n.type(n.input(0)).dtype);
  n.bind(0, n.add1("Bernoulli", {n.input(0)}, std::move(attrs)));
}

void import_multinomial(OnnxNode& n) {
  ir::Attrs attrs{{"sample_size", n.i("sample_size", 1)}};
  set_common(n, attrs, n.has_attr("dtype") ? dtype_from_onnx(n.i("dtype", 6)) : DType::i32);
  n.bind(0, n.add1("Multinomial", {n.input(0)}, std::move(attrs)));
}

void import_dropout(OnnxNode& n) {
  const ir::ValueId x = n.input(0);
  const auto absent = [&](int i) { return n.input_count() <= i || n.input(i) == ir::kNone; };
  n.ignore("is_test");
  n.ignore("consumed_inputs");
  bool training = n.opset() >= 12 && !absent(2);
  if (training)
    if (const ir::Constant* flag = n.constant(n.input(2))) {
      if (flag->numel() != 1) fail("training_mode has {} elements, not 1", flag->numel());
      training = ir::to_ints(*flag)[0] != 0;
    }
  if (!training) {
    n.ignore("ratio");
    n.ignore("seed");
    n.bind(0, x);
    if (n.has_output(1)) {
      // Everything is kept. Before opset 10 the mask had the input's type.
      const DType type = n.opset() < 10 ? n.type(x).dtype : DType::boolean;
      const std::uint8_t yes[8] = {1};
      auto one = type == DType::boolean ? ir::make_constant(type, Shape{1}, std::as_bytes(std::span(yes, 1))) : nullptr;
      if (!one) {
        auto [filled, bytes] = ir::allocate_constant(type, Shape{1});
        const auto scalar = ir::constant_scalar(type, 1);
        std::copy(scalar->bytes.begin(), scalar->bytes.end(), bytes.begin());
        one = filled;
      }
      n.bind(1, n.add1("ConstantOfShape", {n.add1("Shape", {x})}, {{"value", one}}));
    }
    return;
  }
  ir::Attrs attrs;
  if (n.has_attr("seed")) attrs.set("seed", static_cast<double>(n.i("seed", 0)));
  const auto out = n.add("Dropout", {x, absent(1) ? ir::kNone : n.input(1), n.input(2)}, std::move(attrs), 2);
  n.bind(0, out[0]);
  if (n.has_output(1)) n.bind(1, out[1]);
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "RandomUniform", .import = import_random}, {.op_type = "RandomUniformLike", .import = import_random},
    {.op_type = "RandomNormal", .import = import_random},  {.op_type = "RandomNormalLike", .import = import_random},
    {.op_type = "Bernoulli", .import = import_bernoulli},  {.op_type = "Multinomial", .import = import_multinomial},
    {.op_type = "Dropout", .import = import_dropout},
};

}  // namespace

extern const OnnxImporters random_onnx{kImporters};

}  // namespace monza::ops
