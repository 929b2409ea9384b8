// Random numbers: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// Random(x?): numbers shaped as x, or as attribute `shape` says. With a seed, element i is the same in every run.
struct RandomParams {
  enum class Kind : std::int32_t {
    uniform = 0,      ///< in [a, b)
    normal = 1,       ///< mean a, standard deviation b
    bernoulli = 2,    ///< 1 with probability x[i], else 0
    dropout = 3,      ///< x[i] / (1 - ratio) with probability 1 - ratio, else 0; output 1 says which. Inputs 1 and 2:
                      ///< ratio, training
    multinomial = 4,  ///< classes drawn by the unnormalised log probabilities in each row of x
  };
  Kind kind = Kind::uniform;
  float a = 0;
  float b = 1;
  std::int32_t seeded = 0;
  std::uint64_t seed = 0;
};

}  // namespace monza
