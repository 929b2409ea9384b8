// A generator on a thread of its own.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "llm/generator.h"

namespace monza::llm {

/// Thread-safe. Pieces are given on its thread, which must not be kept waiting, and where nobody may call this.
class GenerationThread {
 public:
  /// Both must outlive it, and be used by nobody else meanwhile.
  GenerationThread(TokenModel& model, const ModelTokenizer& tokenizer, const GeneratorOptions& options = {});
  /// Cancels what has not ended.
  ~GenerationThread();
  GenerationThread(const GenerationThread&) = delete;
  GenerationThread& operator=(const GenerationThread&) = delete;

  /// As Generator::add(): waits for the end of a step at most. Throws Error as that does.
  Generator::Id add(GenerationRequest request, OnPiece on_piece);
  /// The choices' last pieces come soon; at once returns.
  void cancel(Generator::Id request);
  const GeneratorCounts& counts() const { return generator_.counts(); }

 private:
  void run();

  std::mutex mutex_;  ///< of the generator
  Generator generator_;
  std::mutex news_mutex_;  ///< of what follows
  std::condition_variable news_;
  std::vector<Generator::Id> cancelled_;
  int adding_ = 0;  ///< who waits for mutex_: a step gives way to them
  bool work_ = false, stop_ = false;
  std::thread thread_;
};

}  // namespace monza::llm
