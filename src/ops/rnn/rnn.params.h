// Recurrent layers: parameters.
#pragma once

#include <cstdint>

#include "base/macros.h"

namespace monza {

/// RNN, GRU and LSTM(x, w, r, b?, lengths?, h0?, c0?, p?) to (y, h, c):
///   x  : [T, N, I] ([N, T, I] batch first)      w : [D, G * H, I]       r : [D, G * H, H]     b : [D, 2 * G * H]
///   h0 : [D, N, H] ([N, D, H] batch first)      p : [D, 3 * H] (LSTM peepholes)
///   y  : [T, D, N, H] ([N, T, D, H])            h, c as h0
/// G gates: RNN 1; GRU 3 (z, r, h); LSTM 4 (i, o, f, c).
///
/// QLSTM(x, w, r, b?, lengths?, h0?, c0?, p?, w_scale, w_zero?, r_scale, r_zero?), of f32, is an LSTM whose weights are
/// bytes of either sign, w [D, I, 4 H] and r [D, H, 4 H], with a scale and zero point of each direction [D] or column
/// [D, 4 H]. Before a product the other factor is rounded to u8 as DynamicQuantizeLinear does: x whole, and the hidden
/// states of all sequences anew in every step. So com.microsoft's DynamicQuantizeLSTM is computed.
struct RnnParams {
  enum class Kind : std::int32_t { rnn = 0, gru, lstm };
  enum class Direction : std::int32_t { forward = 0, reverse, both };
  enum class Function : std::int32_t {
    sigmoid = 0,
    tanh,
    relu,
    affine,
    leaky_relu,
    thresholded_relu,
    scaled_tanh,
    hard_sigmoid,
    elu,
    softsign,
    softplus
  };
  struct Activation {
    Function function = Function::tanh;
    float alpha = 0, beta = 0;
  };
  Kind kind = Kind::lstm;
  Direction direction = Direction::forward;
  std::int32_t hidden = 0;
  std::int32_t batch_first = 0;
  std::int32_t linear_before_reset = 0;  ///< GRU: the reset gate scales the hidden state's product, not the state
  std::int32_t input_forget = 0;         ///< LSTM: the forget gate is 1 minus the input gate
  float clip = 0;                        ///< activations' inputs are limited to [-clip, clip]; 0: not at all
  Activation activation[6];              ///< f, g, h of the first direction, then of the second

  MONZA_INLINE int gates() const { return kind == Kind::rnn ? 1 : kind == Kind::gru ? 3 : 4; }
  MONZA_INLINE int directions() const { return direction == Direction::both ? 2 : 1; }
};

}  // namespace monza
