#include "ops/rnn/rnn_quantized.simd.h"

namespace monza::ops {

extern const Kernel qlstm_avxvnni = quantized_lstm_kernel("qlstm_avxvnni", Isa::avx2 | Isa::avxvnni);

}  // namespace monza::ops
