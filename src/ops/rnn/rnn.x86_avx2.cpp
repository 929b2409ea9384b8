#include "ops/rnn/rnn.simd.h"

namespace monza::ops {

extern const Kernel rnn_avx2 = recurrent_kernel<RnnParams::Kind::rnn>("rnn_avx2", "RNN", Isa::avx2);
extern const Kernel gru_avx2 = recurrent_kernel<RnnParams::Kind::gru>("gru_avx2", "GRU", Isa::avx2);
extern const Kernel lstm_avx2 = recurrent_kernel<RnnParams::Kind::lstm>("lstm_avx2", "LSTM", Isa::avx2);

}  // namespace monza::ops
