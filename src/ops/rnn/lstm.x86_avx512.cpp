#include "ops/rnn/lstm.simd.h"

namespace monza::ops {

extern const Kernel lstm_avx512 = lstm_kernel("lstm_avx512", Isa::avx512);

}  // namespace monza::ops
