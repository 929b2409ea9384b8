#include "ops/rnn/rnn_quantized.simd.h"

namespace monza::ops {

extern const Kernel qlstm_avx512vnni = quantized_lstm_kernel("qlstm_avx512vnni", Isa::avx512 | Isa::avx512vnni);

}  // namespace monza::ops
