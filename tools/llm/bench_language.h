// `monza bench` of a language model: how fast it reads prompts and how fast it writes on.
#pragma once

#include "tools/args/model_args.h"

namespace monza::tool {

struct LanguageBench {
  int prompt_tokens = 512, generate_tokens = 64;  ///< of each sequence
  int batch = 1;                                  ///< sequences side by side
  int repetitions = 3;                            ///< the fastest counts
};

/// Measures on random tokens and prints it. Throws UsageError for numbers that cannot be, Error as TokenModel does.
void bench_language_model(const LanguageBench& bench, const ModelArgs& model, bool json);

}  // namespace monza::tool
