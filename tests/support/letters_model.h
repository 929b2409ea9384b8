// A language model whose vocabulary is letters.
#pragma once

#include <string>

namespace monza::test {

/// A GGUF file of a tiny llama of random weights with 40 tokens: the letters that GPT-2's table writes for 39 bytes,
/// and the end.
std::string letters_model();

}  // namespace monza::test
