// A decoder that takes and gives tokens: an engine, the memory of its sequences, and runs over many of them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "llm/sampler.h"
#include "monza/engine.h"
#include "monza/sequence.h"

namespace monza::llm {

struct TokenModelOptions {
  BuildOptions build;  ///< of a model that is no engine yet; io_types "state" is what keys and values are kept in
  std::int64_t positions = 0;  ///< that all sequences may have together; 0: as many as the model was trained with, at
                               ///< most 8192
  int threads = 0;             ///< 0: what the engine was planned for
  int max_sequences = 16;      ///< of one run
};

/// What a sequence gets in a run, and of how many of its new positions the logits are wanted: the last ones.
struct TokenRun {
  Sequence* sequence = nullptr;
  std::span<const Token> tokens;
  int wanted = 1;
};

/// Not thread-safe.
class TokenModel {
 public:
  static constexpr std::int64_t kPage = 16;  ///< positions of a page of a sequence's memory

  /// Builds a GGUF file or a model folder, or loads an engine file that was built from one. Throws Error for what is
  /// neither.
  TokenModel(const std::string& path, const TokenModelOptions& options);

  /// A sequence without positions; it may become positions() long.
  Sequence create() { return pool_.create(); }
  std::int64_t positions() const { return positions_; }
  std::int64_t vocabulary() const { return vocabulary_; }
  const Engine& engine() const { return engine_; }
  int chunk() const { return chunk_; }  ///< new positions that a run takes at most
  int max_sequences() const { return max_sequences_; }
  std::int32_t free_pages() const { return pool_.free_blocks(); }

  /// Appends the tokens of each sequence, all in one run. Returns the wanted logits, [wanted positions, vocabulary],
  /// sequence after sequence; they are valid until the next run. Throws Error when the memory of sequences is used up.
  std::span<const float> run(std::span<const TokenRun> batch);
  /// Appends any number of tokens to one sequence, chunk by chunk; gives the last one's logits.
  std::span<const float> append(Sequence& sequence, std::span<const Token> tokens);

 private:
  Engine engine_;
  Context context_;
  std::int64_t positions_ = 0;
  SequencePool pool_;
  std::int64_t vocabulary_ = 0;
  int chunk_ = 0;
  int max_sequences_ = 0;
  std::vector<std::int64_t> tokens_, places_, rows_;
  std::vector<SequenceRun> runs_;
};

}  // namespace monza::llm
