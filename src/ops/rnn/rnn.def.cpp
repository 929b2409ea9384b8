// RNN, GRU, LSTM: shapes and parameters.
#include "ops/rnn/rnn.params.h"

#include <algorithm>
#include <cctype>
#include <iterator>

#include "ops/shared/shapes.def.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

using ir::Expr;

struct Named {
  std::string_view name;
  float alpha, beta;  // defaults
};
// In the order of RnnParams::Function.
constexpr Named kFunctions[] = {{"sigmoid", 0, 0},       {"tanh", 0, 0},
                                {"relu", 0, 0},          {"affine", 1, 0},
                                {"leakyrelu", 0.01F, 0}, {"thresholdedrelu", 1, 0},
                                {"scaledtanh", 1, 1},    {"hardsigmoid", 0.2F, 0.5F},
                                {"elu", 1, 0},           {"softsign", 0, 0},
                                {"softplus", 0, 0}};

RnnParams::Kind kind_of(const ir::Node& node) {
  const std::string_view name = node.op->name;
  return name == "RNN" ? RnnParams::Kind::rnn : name == "GRU" ? RnnParams::Kind::gru : RnnParams::Kind::lstm;  // QLSTM
}

RnnParams params_of(const ir::Node& node) {
  RnnParams p;
  const ir::AttrReader attrs = ir::attrs_of(node);
  p.kind = kind_of(node);
  const std::string direction = attrs.s("direction");
  if (direction == "forward") p.direction = RnnParams::Direction::forward;
  else if (direction == "reverse") p.direction = RnnParams::Direction::reverse;
  else if (direction == "bidirectional") p.direction = RnnParams::Direction::both;
  else fail("direction \"{}\" is not known", direction);
  const std::int64_t hidden = attrs.i("hidden_size");
  if (hidden < 1 || hidden > (1 << 24)) fail("hidden_size is {}", hidden);
  p.hidden = static_cast<std::int32_t>(hidden);
  p.batch_first = attrs.i("layout") != 0;
  if (p.kind == RnnParams::Kind::gru) p.linear_before_reset = attrs.i("linear_before_reset") != 0;
  if (p.kind == RnnParams::Kind::lstm) p.input_forget = attrs.i("input_forget") != 0;
  p.clip = static_cast<float>(attrs.f("clip"));
  const int per_direction = p.kind == RnnParams::Kind::rnn ? 1 : p.kind == RnnParams::Kind::gru ? 2 : 3;
  std::vector<std::string> names = attrs.strings("activations");
  if (names.empty())
    for (int d = 0; d < p.directions(); ++d) {
      if (p.kind != RnnParams::Kind::rnn) names.emplace_back("sigmoid");
      names.emplace_back("tanh");
      if (p.kind == RnnParams::Kind::lstm) names.emplace_back("tanh");
    }
  if (names.size() != static_cast<std::size_t>(per_direction * p.directions()))
    fail("activations has {} entries, not {}", names.size(), per_direction * p.directions());
  const auto alphas = attrs.floats("activation_alpha"), betas = attrs.floats("activation_beta");
  // alpha and beta list values for the functions that take one, in order.
  std::size_t next_alpha = 0, next_beta = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::string name = names[i];
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char ch) { return static_cast<char>(std::tolower(ch)); });
    const auto* found =
        std::find_if(std::begin(kFunctions), std::end(kFunctions), [&](const Named& f) { return f.name == name; });
    if (found == std::end(kFunctions)) fail("activation \"{}\" is not known", names[i]);
    RnnParams::Activation a;
    a.function = static_cast<RnnParams::Function>(found - kFunctions);
    a.alpha = found->alpha;
    a.beta = found->beta;
    using F = RnnParams::Function;
    const bool takes_alpha = a.function >= F::affine && a.function <= F::elu;
    const bool takes_beta = a.function == F::affine || a.function == F::scaled_tanh || a.function == F::hard_sigmoid;
    if (takes_alpha && next_alpha < alphas.size()) a.alpha = static_cast<float>(alphas[next_alpha++]);
    if (takes_beta && next_beta < betas.size()) a.beta = static_cast<float>(betas[next_beta++]);
    p.activation[(i / static_cast<std::size_t>(per_direction)) * 3 + i % static_cast<std::size_t>(per_direction)] = a;
  }
  return p;
}

/// What input i must be, if it is there.
void expect(ir::InferContext& c, int i, DType type, const ir::SymShape& shape, std::string_view what) {
  if (!c.has_input(i)) return;
  if (c.dtype(i) != type)
    c.fail("{} of element type {} for an input of {}", what, dtype_name(c.dtype(i)), dtype_name(c.dtype(0)));
  bool fits = c.shape(i).size() == shape.size();
  for (std::size_t a = 0; fits && a < shape.size(); ++a)
    fits = c.shape(i)[a] == shape[a] || !c.shape(i)[a].is_constant() || !shape[a].is_constant();
  if (!fits) c.fail("{} of shape {}, but {} is needed", what, ir::to_string(c.shape(i)), ir::to_string(shape));
}

/// All but the weights, and the outputs.
void infer_layer(ir::InferContext& c, const RnnParams& p) {
  const ir::SymShape& x = c.shape(0);
  if (x.size() != 3) c.fail("input has rank {}, not 3", x.size());
  const std::int64_t hidden = p.hidden, directions = p.directions(), rows = p.gates() * hidden;
  const Expr &time = x[p.batch_first ? 1 : 0], &batch = x[p.batch_first ? 0 : 1];
  expect(c, 3, c.dtype(0), {directions, 2 * rows}, "the bias");
  if (c.has_input(4) && (c.dtype(4) != DType::i32 || c.shape(4).size() != 1)) c.fail("lengths must be a list of i32");
  if (c.has_input(4)) require_equal(c.shape(4)[0], batch, "lengths and sequences of the batch differ in number");
  const ir::SymShape state =
      p.batch_first ? ir::SymShape{batch, directions, hidden} : ir::SymShape{directions, batch, hidden};
  expect(c, 5, c.dtype(0), state, "the first hidden state");
  expect(c, 6, c.dtype(0), state, "the first cell state");
  expect(c, 7, c.dtype(0), {directions, 3 * hidden}, "the peepholes");
  c.set_output(
      0, c.dtype(0),
      p.batch_first ? ir::SymShape{batch, time, directions, hidden} : ir::SymShape{time, directions, batch, hidden});
  c.set_output(1, c.dtype(0), state);
  c.set_output(2, c.dtype(0), state);
}

void infer_rnn(ir::InferContext& c) {
  const RnnParams p = params_of(c.node());
  if (!is_float(c.dtype(0))) c.fail("element type {} is not a floating point type", dtype_name(c.dtype(0)));
  infer_layer(c, p);
  const std::int64_t rows = p.gates() * static_cast<std::int64_t>(p.hidden);
  expect(c, 1, c.dtype(0), {p.directions(), rows, c.shape(0)[2]}, "the input weights");
  expect(c, 2, c.dtype(0), {p.directions(), rows, p.hidden}, "the recurrent weights");
}

void infer_qlstm(ir::InferContext& c) {
  const RnnParams p = params_of(c.node());
  if (c.dtype(0) != DType::f32) c.fail("element type {}, and f32 is needed", dtype_name(c.dtype(0)));
  infer_layer(c, p);
  const std::int64_t rows = p.gates() * static_cast<std::int64_t>(p.hidden), directions = p.directions();
  const auto matrix = [&](int i, int scale, const Expr& width, std::string_view what) {
    if (c.dtype(i) != DType::i8 && c.dtype(i) != DType::u8)
      c.fail("{} are of {}, not of 8 bits", what, dtype_name(c.dtype(i)));
    expect(c, i, c.dtype(i), {directions, width, rows}, what);
    if (!c.has_input(scale)) c.fail("{} have no scale", what);
    const bool each = c.shape(scale).size() == 2;
    const ir::SymShape shape = each ? ir::SymShape{directions, rows} : ir::SymShape{directions};
    expect(c, scale, DType::f32, shape, "a scale of the weights");
    const bool zero_each = c.has_input(scale + 1) && c.shape(scale + 1).size() == 2;
    expect(c, scale + 1, c.dtype(i), zero_each ? ir::SymShape{directions, rows} : ir::SymShape{directions},
           "a zero point of the weights");
  };
  matrix(1, 8, c.shape(0)[2], "the input weights");
  matrix(2, 10, p.hidden, "the recurrent weights");
}

void params_rnn(const ir::NodeView& n, ir::ParamsBlob& blob) { blob.set(params_of(n.node)); }

double flops_rnn(const ir::NodeView&, const std::vector<Shape>& in, const std::vector<Shape>&) {
  const double steps = static_cast<double>(in[0][0]) * static_cast<double>(in[0][1]);
  return 2 * steps * (static_cast<double>(in[1].numel()) + static_cast<double>(in[2].numel()));
}

constexpr ir::AttrDef kRnnAttrs[] = {{"direction", "forward"},
                                     ir::required("hidden_size", ir::AttrKind::integer),
                                     {"layout", 0},
                                     {"clip", 0.0},
                                     {"activations", ir::AttrKind::strings},
                                     {"activation_alpha", ir::AttrKind::floats},
                                     {"activation_beta", ir::AttrKind::floats}};
constexpr ir::AttrDef kGruOnlyAttrs[] = {{"linear_before_reset", 0}};
constexpr ir::AttrDef kLstmOnlyAttrs[] = {{"input_forget", 0}};
constexpr auto kGruAttrs = ir::joined(kRnnAttrs, kGruOnlyAttrs);
constexpr auto kLstmAttrs = ir::joined(kRnnAttrs, kLstmOnlyAttrs);

constexpr ir::OpDef kOps[] = {
    {.name = "RNN",
     .attrs = kRnnAttrs,
     .min_inputs = 3,
     .max_inputs = 6,
     .max_outputs = 2,
     .infer = infer_rnn,
     .params = params_rnn,
     .flops = flops_rnn},
    {.name = "GRU",
     .attrs = kGruAttrs,
     .min_inputs = 3,
     .max_inputs = 6,
     .max_outputs = 2,
     .infer = infer_rnn,
     .params = params_rnn,
     .flops = flops_rnn},
    {.name = "LSTM",
     .attrs = kLstmAttrs,
     .min_inputs = 3,
     .max_inputs = 8,
     .max_outputs = 3,
     .infer = infer_rnn,
     .params = params_rnn,
     .flops = flops_rnn},
    {.name = "QLSTM",
     .attrs = kLstmAttrs,
     .min_inputs = 11,
     .max_inputs = 12,
     .max_outputs = 3,
     .infer = infer_qlstm,
     .params = params_rnn,
     .flops = flops_rnn},
};

}  // namespace

extern const ir::OpList rnn_ops{kOps};

}  // namespace monza::ops
