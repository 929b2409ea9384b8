#include "llm/generation_thread.h"

#include <utility>

namespace monza::llm {

GenerationThread::GenerationThread(TokenModel& model, const ModelTokenizer& tokenizer, const GeneratorOptions& options)
    : generator_(model, tokenizer, options), thread_([this] { run(); }) {}

GenerationThread::~GenerationThread() {
  {
    const std::lock_guard lock(news_mutex_);
    stop_ = true;
  }
  news_.notify_all();
  thread_.join();
}

Generator::Id GenerationThread::add(GenerationRequest request, OnPiece on_piece) {
  {
    const std::lock_guard lock(news_mutex_);
    ++adding_;
  }
  struct Added {
    GenerationThread& thread;
    ~Added() {
      const std::lock_guard lock(thread.news_mutex_);
      --thread.adding_;
      thread.work_ = true;
      thread.news_.notify_all();
    }
  } added{*this};
  const std::lock_guard lock(mutex_);
  return generator_.add(std::move(request), std::move(on_piece));
}

void GenerationThread::cancel(Generator::Id request) {
  const std::lock_guard lock(news_mutex_);
  cancelled_.push_back(request);
  work_ = true;
  news_.notify_all();
}

void GenerationThread::run() {
  std::vector<Generator::Id> cancelled;
  for (bool stopping = false; !stopping;) {
    {
      std::unique_lock lock(news_mutex_);
      news_.wait(lock, [this] { return stop_ || (work_ && adding_ == 0); });
      cancelled.swap(cancelled_);
      stopping = stop_;
      work_ = false;
    }
    const std::lock_guard lock(mutex_);
    for (const Generator::Id id : cancelled) generator_.cancel(id);
    cancelled.clear();
    if (stopping) generator_.cancel_all();
    const bool more = generator_.step();
    const std::lock_guard again(news_mutex_);
    work_ = work_ || more;
  }
}

}  // namespace monza::llm
