// What the kernels of this family rely on: weights, states and outputs of one hidden size, batch and number of
// directions.
#include "kernel/check_rules.h"
#include "ops/rnn/rnn.params.h"

namespace monza::ops {
namespace {

/// A list of the directions, or of every one's gate rows.
bool per_direction(const TensorView& v, DType type, const RnnParams& p) {
  const Shape lists{p.directions()}, columns{p.directions(), p.gates() * static_cast<std::int64_t>(p.hidden)};
  return v.dtype == type && (v.shape == lists || v.shape == columns);
}

/// The weights of QLSTM, inputs 1 and 2, and their scales and zero points.
Refusal check_bytes(const CheckContext& c, const RnnParams& p) {
  const std::int64_t rows = p.gates() * static_cast<std::int64_t>(p.hidden);
  for (int i = 1; i < 3; ++i) {
    const int scale = 6 + 2 * i;
    MONZA_REQUIRE(is_8bit(c.in[i]), "the element types do not fit the operator");
    MONZA_REQUIRE(c.in[i].shape == (Shape{p.directions(), i == 1 ? c.in[0].shape[2] : p.hidden, rows}),
                  "weights, states and input do not fit each other");
    MONZA_REQUIRE(c.has_input(scale) && per_direction(c.in[scale], DType::f32, p) &&
                      (!c.has_input(scale + 1) || per_direction(c.in[scale + 1], c.in[i].dtype, p)),
                  "scales or zero points do not fit the weights");
  }
  return nullptr;
}

template <RnnParams::Kind kKind, bool kBytes = false>
Refusal check(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 3, .most_in = kBytes ? 12 : 8, .most_out = 3})) return r;
  const auto& p = c.params_as<RnnParams>();
  MONZA_REQUIRE(p.kind == kKind && p.direction >= RnnParams::Direction::forward &&
                    p.direction <= RnnParams::Direction::both && p.hidden >= 1,
                "the kind, direction or hidden size is out of range");
  const DType type = c.in[0].dtype;
  MONZA_REQUIRE(plain(c.in[0]) && c.in[0].shape.rank == 3, "the element types do not fit the operator");
  const Shape& x = c.in[0].shape;
  const std::int64_t batch = x[p.batch_first ? 0 : 1], time = x[p.batch_first ? 1 : 0], width = x[2], hidden = p.hidden,
                     directions = p.directions(), rows = p.gates() * hidden;
  MONZA_REQUIRE(sane(batch) && sane(time) && sane(width), "an extent is out of range");
  const Shape state = p.batch_first ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden};
  const Shape all = p.batch_first ? Shape{batch, time, directions, hidden} : Shape{time, directions, batch, hidden};
  const Shape inputs[] = {
      x,     {directions, rows, width}, {directions, rows, hidden}, {directions, 2 * rows}, {batch}, state,
      state, {directions, 3 * hidden}};
  if constexpr (kBytes) {
    MONZA_REQUIRE(type == DType::f32, "the element types do not fit the operator");
    if (const Refusal r = check_bytes(c, p)) return r;
  }
  for (int i = kBytes ? 3 : 1; i < c.in_count && i < 8; ++i) {
    if (!c.has_input(i)) continue;
    MONZA_REQUIRE(c.in[i].dtype == (i == 4 ? DType::i32 : type), "the element types do not fit the operator");
    MONZA_REQUIRE(c.in[i].shape == inputs[i], "weights, states and input do not fit each other");
  }
  for (int i = 0; i < c.out_count; ++i)
    MONZA_REQUIRE(!c.has_output(i) || (c.out[i].dtype == type && c.out[i].shape == (i == 0 ? all : state)),
                  "input and outputs do not fit each other");
  return nullptr;
}

constexpr OperatorCheck kRnnChecks[] = {
    {"RNN", check<RnnParams::Kind::rnn>},
    {"GRU", check<RnnParams::Kind::gru>},
    {"LSTM", check<RnnParams::Kind::lstm>},
    {"QLSTM", check<RnnParams::Kind::lstm, true>},
};

}  // namespace

extern const CheckList rnn_checks{kRnnChecks};

}  // namespace monza::ops
