#include "ops/rnn/rnn_quantized.simd.h"

namespace monza::ops {

extern const Kernel qlstm_avx2 = quantized_lstm_kernel("qlstm_avx2", Isa::avx2);

}  // namespace monza::ops
