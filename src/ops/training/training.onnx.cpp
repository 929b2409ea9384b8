// Optimisers of ai.onnx.preview.training: one step, as arithmetic on tensors.
#include "import/api.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

/// Arithmetic with graph values and numbers of one element type.
class Maths {
 public:
  Maths(OnnxNode& n, DType type) : n_(n), type_(type) {}
  ir::ValueId number(double v) { return n_.constant_value(ir::constant_scalar(type_, v)); }
  ir::ValueId add(ir::ValueId a, ir::ValueId b) { return n_.add1("Add", {a, b}); }
  ir::ValueId sub(ir::ValueId a, ir::ValueId b) { return n_.add1("Sub", {a, b}); }
  ir::ValueId mul(ir::ValueId a, ir::ValueId b) { return n_.add1("Mul", {a, b}); }
  ir::ValueId div(ir::ValueId a, ir::ValueId b) { return n_.add1("Div", {a, b}); }
  ir::ValueId pow(ir::ValueId a, ir::ValueId b) { return n_.add1("Pow", {a, b}); }
  ir::ValueId sqrt(ir::ValueId a) { return n_.add1("Sqrt", {a}); }
  ir::ValueId cast(ir::ValueId a) {
    return n_.type(a).dtype == type_ ? a : n_.add1("Cast", {a}, {{"to", std::string(dtype_name(type_))}});
  }
  ir::ValueId if_positive(ir::ValueId condition, ir::ValueId then, ir::ValueId otherwise) {
    const ir::ValueId zero = n_.constant_value(ir::constant_scalar(n_.type(condition).dtype, 0));
    return n_.add1("Where", {n_.add1("Greater", {condition, zero}), then, otherwise});
  }

 private:
  OnnxNode& n_;
  DType type_;
};

/// Tensors to optimise: inputs are rate, step, then `kinds` groups of them.
int tensors_of(OnnxNode& n, int kinds) {
  const int count = (n.input_count() - 2) / kinds;
  if (count < 1 || n.input_count() != 2 + kinds * count)
    fail("{} inputs are not rate, step and groups of {}", n.input_count(), kinds);
  return count;
}

void import_adagrad(OnnxNode& n) {
  const double decay = n.f("decay_factor", 0), epsilon = n.f("epsilon", 1e-6f), norm = n.f("norm_coefficient", 0);
  const int count = tensors_of(n, 3);
  for (int i = 0; i < count; ++i) {
    const ir::ValueId x = n.input(2 + i), g = n.input(2 + count + i), h = n.input(2 + 2 * count + i);
    Maths m(n, n.type(x).dtype);
    const ir::ValueId step = m.cast(n.input(1));
    const ir::ValueId rate = m.div(m.cast(n.input(0)), m.add(m.number(1), m.mul(step, m.number(decay))));
    const ir::ValueId gradient = m.add(m.mul(m.number(norm), x), g);
    const ir::ValueId h_new = m.add(h, m.mul(gradient, gradient));
    const ir::ValueId change = m.div(m.mul(rate, gradient), m.add(m.sqrt(h_new), m.number(epsilon)));
    n.bind(i, m.sub(x, change));
    n.bind(count + i, h_new);
  }
}

void import_adam(OnnxNode& n) {
  const double alpha = n.f("alpha", 0.9f), beta = n.f("beta", 0.999f), epsilon = n.f("epsilon", 1e-6f);
  const double norm = n.f("norm_coefficient", 0), norm_post = n.f("norm_coefficient_post", 0);
  const int count = tensors_of(n, 4);
  for (int i = 0; i < count; ++i) {
    const ir::ValueId x = n.input(2 + i), g = n.input(2 + count + i), v = n.input(2 + 2 * count + i),
                      h = n.input(2 + 3 * count + i);
    Maths m(n, n.type(x).dtype);
    const ir::ValueId gradient = m.add(m.mul(m.number(norm), x), g);
    const ir::ValueId v_new = m.add(m.mul(m.number(alpha), v), m.mul(m.number(1 - alpha), gradient));
    const ir::ValueId h_new = m.add(m.mul(m.number(beta), h), m.mul(m.number(1 - beta), m.mul(gradient, gradient)));
    const ir::ValueId root = m.add(m.sqrt(h_new), m.number(epsilon));
    const ir::ValueId rate = m.cast(n.input(0)), step = m.cast(n.input(1)), one = m.number(1);
    const ir::ValueId corrected =
        m.div(m.mul(rate, m.sqrt(m.sub(one, m.pow(m.number(beta), step)))), m.sub(one, m.pow(m.number(alpha), step)));
    const ir::ValueId adjusted = m.if_positive(n.input(1), corrected, rate);
    const ir::ValueId x_new = m.sub(x, m.mul(adjusted, m.div(v_new, root)));
    n.bind(i, m.mul(m.number(1 - norm_post), x_new));
    n.bind(count + i, v_new);
    n.bind(2 * count + i, h_new);
  }
}

void import_momentum(OnnxNode& n) {
  const double alpha = n.f("alpha", 0), beta = n.f("beta", 0), norm = n.f("norm_coefficient", 0);
  const std::string mode = n.s("mode", "standard");
  if (mode != "standard" && mode != "nesterov") fail("mode \"{}\" is not standard or nesterov", mode);
  const int count = tensors_of(n, 3);
  for (int i = 0; i < count; ++i) {
    const ir::ValueId x = n.input(2 + i), g = n.input(2 + count + i), v = n.input(2 + 2 * count + i);
    Maths m(n, n.type(x).dtype);
    const ir::ValueId gradient = m.add(m.mul(m.number(norm), x), g);
    const ir::ValueId share = m.if_positive(n.input(1), m.number(beta), m.number(1));
    const ir::ValueId v_new = m.add(m.mul(m.number(alpha), v), m.mul(share, gradient));
    const ir::ValueId direction = mode == "nesterov" ? m.add(gradient, m.mul(m.number(alpha), v_new)) : v_new;
    n.bind(i, m.sub(x, m.mul(m.cast(n.input(0)), direction)));
    n.bind(count + i, v_new);
  }
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "Adagrad", .domain = "ai.onnx.preview.training", .import = import_adagrad},
    {.op_type = "Adam", .domain = "ai.onnx.preview.training", .import = import_adam},
    {.op_type = "Momentum", .domain = "ai.onnx.preview.training", .import = import_momentum},
};

}  // namespace

extern const OnnxImporters training_onnx{kImporters};

}  // namespace monza::ops
