#include "ops/rnn/lstm.simd.h"

namespace monza::ops {

extern const Kernel lstm_avx2 = lstm_kernel("lstm_avx2", Isa::avx2);

}  // namespace monza::ops
