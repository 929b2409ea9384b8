// Continuous batching: many requests over one model, a step at a time.
//
// A step is one run of the model. It takes the next token of every row that draws, and beside them a bounded number of
// tokens of prompts, so that nobody's next token waits for another's long prompt. A row that ends leaves its pages to
// the prefix tree, where requests that begin alike find them.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>

#include "llm/generation.h"
#include "llm/gguf_tokenizer.h"
#include "llm/prefix_tree.h"
#include "llm/token_model.h"

namespace monza::llm {

struct GeneratorOptions {
  int prompt_tokens = 128;  ///< of prompts in a step beside rows that draw; as many as a run takes where none does
};

/// Counted since the beginning, and how it is now. Thread-safe.
struct GeneratorCounts {
  std::atomic<std::int64_t> prompt_tokens{0}, cached_tokens{0}, drawn_tokens{0}, steps{0}, preempted{0};
  std::atomic<std::int64_t> waiting{0}, running{0};  ///< rows
};

/// Rows (choices of requests) wait for memory and for a place, the first that came first. Where memory lacks for what
/// runs, the prefix tree gives up pages, then the youngest row all of its own: it is computed again later, from the
/// tokens that it has. With kernels whose rows do not depend on the batch (BuildOptions::batch_invariant), what a
/// request is given depends on nothing beside it. Not thread-safe, but for counts().
class Generator {
 public:
  using Id = std::uint64_t;
  Generator(TokenModel& model, const ModelTokenizer& tokenizer, const GeneratorOptions& options = {});
  ~Generator();

  /// Throws Error for what can never be generated: options out of their ranges, a prompt without tokens, with others
  /// than the model's, or with no room behind it. More tokens than there is room for end with EndReason::length.
  Id add(GenerationRequest request, OnPiece on_piece);
  /// All choices that have not ended get a last piece, in the next step.
  void cancel(Id request);
  void cancel_all();
  /// One run, if there is something to do: false when there is not. Pieces are given in it.
  bool step();

  const GeneratorCounts& counts() const { return counts_; }
  std::int64_t cached_pages() const { return tree_.pages(); }
  /// Forgets what requests could have in common.
  void clear_cache();

 private:
  struct Row;
  using RowPtr = std::unique_ptr<Row>;
  using Rows = std::list<RowPtr>;

  void drop_cancelled(Rows& rows);
  void admit();
  void choose();
  bool make_room(Row& row, std::int64_t positions);
  bool free_memory(const Row& row);
  void preempt(Rows::iterator row);
  void run_chosen();
  void draw(Row& row, std::span<const float> logits);
  void draw_one(Row& row, std::span<const float> logits);
  void fork(Row& row, std::span<const float> logits);
  void end(Row& row, EndReason reason, Piece piece);
  void fail_all(const std::string& why);
  void sweep();

  TokenModel& model_;
  const ModelTokenizer& tokenizer_;
  const GeneratorOptions options_;
  PrefixTree tree_;
  Rows waiting_, running_, forks_;
  std::vector<Row*> chosen_;
  std::vector<TokenRun> batch_;
  std::vector<float> masked_;
  bool starved_ = false;  ///< a row that runs found no memory: nobody new begins
  Id next_id_ = 0;
  GeneratorCounts counts_;
};

}  // namespace monza::llm
