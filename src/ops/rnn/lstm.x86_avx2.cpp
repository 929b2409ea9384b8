#include "ops/rnn/lstm.simd.h"

namespace monza::ops {

extern const Kernel lstm_avx2;
const Kernel lstm_avx2{
    .name = "lstm_avx2",
    .op = "LSTM",
    .needs = Isa::avx2,
    .in{Port::rows, Port::packed, Port::packed, Port::dense, Port::dense, Port::rows, Port::rows, Port::dense},
    .out{Port::rows},
    .packings = kLstmPackings,
    .packing_count = 2,
    .accepts = accepts_lstm,
    .scratch_bytes = scratch_lstm,
    .run = run_lstm};

}  // namespace monza::ops
