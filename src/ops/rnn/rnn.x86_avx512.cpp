#include "ops/rnn/rnn.simd.h"

namespace monza::ops {

extern const Kernel rnn_avx512 = recurrent_kernel<RnnParams::Kind::rnn>("rnn_avx512", "RNN", Isa::avx512);
extern const Kernel gru_avx512 = recurrent_kernel<RnnParams::Kind::gru>("gru_avx512", "GRU", Isa::avx512);
extern const Kernel lstm_avx512 = recurrent_kernel<RnnParams::Kind::lstm>("lstm_avx512", "LSTM", Isa::avx512);

}  // namespace monza::ops
