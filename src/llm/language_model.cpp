// The public API over the generation thread.
#include "monza/language_model.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "base/error.h"
#include "llm/chat.h"
#include "llm/generation_thread.h"
#include "llm/model_file.h"
#include "llm/token_model.h"

namespace monza {
namespace {

llm::TokenModelOptions token_options(const LanguageModelOptions& options) {
  if (options.positions < 1 || options.max_sequences < 1 || options.threads < 0)
    fail("a language model with {} positions, {} sequences and {} threads: positive numbers are wanted, or 0 threads",
         options.positions, options.max_sequences, options.threads);
  llm::TokenModelOptions o;
  o.build = options.build;
  o.threads = options.threads;
  o.positions = options.positions;
  o.max_sequences = options.max_sequences;
  return o;
}

llm::GenerateOptions request_options(const GenerationOptions& options) {
  llm::GenerateOptions o;
  o.sampling.temperature = options.temperature;
  o.sampling.top_k = options.top_k;
  o.sampling.top_p = options.top_p;
  o.sampling.min_p = options.min_p;
  o.sampling.repetition_penalty = options.repetition_penalty;
  o.sampling.presence_penalty = options.presence_penalty;
  o.sampling.frequency_penalty = options.frequency_penalty;
  o.sampling.bias = options.bias;
  o.sampling.seed = options.seed;
  o.max_tokens = options.max_tokens;
  o.stop = options.stop;
  return o;
}

GeneratedText::End end_of(llm::EndReason reason) {
  switch (reason) {
    case llm::EndReason::length: return GeneratedText::End::length;
    case llm::EndReason::end: return GeneratedText::End::end;
    case llm::EndReason::stop: return GeneratedText::End::stop;
    case llm::EndReason::cancelled: return GeneratedText::End::cancelled;
    case llm::EndReason::failed: return GeneratedText::End::failed;
  }
  return GeneratedText::End::failed;
}

}  // namespace

/// The thread is the last member: it ends before what it uses.
struct LanguageModel::Impl {
  Impl(const std::string& path, const LanguageModelOptions& options)
      : path(path),
        model(path, token_options(options)),
        tokenizer(llm::carried_tokenizer(model.engine(), path)),
        thread(model, tokenizer) {}
  std::string path;
  llm::TokenModel model;
  llm::ModelTokenizer tokenizer;
  llm::GenerationThread thread;
};

struct Generation::State {
  std::mutex mutex;  ///< of `result` until it is done, and of `done`
  std::condition_variable ended;
  GeneratedText result;
  bool done = false;
  OnText on_text;
  std::weak_ptr<LanguageModel::Impl> model;
  llm::Generator::Id request = 0;

  /// On the model's thread.
  bool take(const llm::Piece& piece) {
    const bool wanted = piece.text.empty() || !on_text || on_text(piece.text);
    const std::lock_guard lock(mutex);
    result.text += piece.text;
    for (const llm::DrawnToken& t : piece.tokens) result.tokens.push_back(t.drawn.token);
    if (!piece.end) return wanted;
    result.end = end_of(*piece.end);
    result.error = piece.error;
    done = true;
    ended.notify_all();
    return true;
  }
};

bool Generation::done() const noexcept {
  const std::lock_guard lock(state_->mutex);
  return state_->done;
}

void Generation::cancel() const noexcept {
  if (const auto model = state_->model.lock()) model->thread.cancel(state_->request);
}

const GeneratedText& Generation::wait() const {
  std::unique_lock lock(state_->mutex);
  state_->ended.wait(lock, [&] { return state_->done; });
  return state_->result;
}

LanguageModel::LanguageModel(const std::string& path, const LanguageModelOptions& options)
    : impl_(std::make_shared<Impl>(path, options)) {}

Generation LanguageModel::generate(std::string_view prompt, const GenerationOptions& options, OnText on_text) const {
  const auto state = std::make_shared<Generation::State>();
  state->on_text = std::move(on_text);
  state->model = impl_;
  llm::GenerationRequest request;
  request.prompt = impl_->tokenizer.tokenizer.encode(prompt).tokens;
  request.options = request_options(options);
  state->request =
      impl_->thread.add(std::move(request), [state](const llm::Piece& piece) { return state->take(piece); });
  return Generation(state);
}

std::string LanguageModel::chat_prompt(std::span<const std::pair<std::string, std::string>> messages) const {
  const auto chat = llm::ChatTemplate::of(*llm::carried_gguf(impl_->model.engine(), impl_->path), impl_->tokenizer);
  if (!chat) fail_hint("generate() with the prompt as it is", "the model has no chat template");
  std::vector<llm::ChatMessage> list;
  for (const auto& [role, text] : messages) list.push_back({role, text});
  return chat->render(list);
}

std::vector<std::int32_t> LanguageModel::tokenize(std::string_view text) const {
  return impl_->tokenizer.tokenizer.encode(text).tokens;
}

std::string LanguageModel::detokenize(std::span<const std::int32_t> tokens) const {
  return impl_->tokenizer.tokenizer.decode(tokens);
}

const Engine& LanguageModel::engine() const noexcept { return impl_->model.engine(); }

}  // namespace monza
