#include "llm/token_model.h"

#include <algorithm>

#include "base/error.h"
#include "llm/model_file.h"

namespace monza::llm {
namespace {

constexpr std::int64_t kMostByDefault = 8192;  ///< positions

Engine open_engine(const std::string& path, const TokenModelOptions& options) {
  require_language_model(path);
  if (!Engine::is_engine_file(path)) return Engine::build(path, options.build);
  LoadOptions load;
  load.threads = options.threads;
  return Engine::load(path, load);
}

/// Input `name` of a decoder, or an Error.
const TensorInfo& input(const Engine& engine, const char* name) {
  for (const TensorInfo& info : engine.inputs())
    if (info.name == name && info.dtype == DType::i64 && info.max.size() == 1) return info;
  fail_hint("a GGUF file or folder of a language model, or an engine that was built from one",
            "this is no language model: it has no input '{}' of tokens", name);
}

/// The engine, when it has what a decoder has.
Engine checked(Engine engine) {
  for (const char* name : {"tokens", "positions", "rows"}) (void)input(engine, name);
  const auto& outputs = engine.outputs();
  if (outputs.size() != 1 || outputs[0].name != "logits" || outputs[0].max.size() != 2 || outputs[0].max[1] < 1)
    fail("this is no language model: its output is not 'logits' alone");
  return engine;
}

ContextOptions context_options(const TokenModelOptions& options) {
  ContextOptions context;
  context.threads = options.threads;
  context.max_sequences = options.max_sequences;
  return context;
}

std::int64_t positions_of(const TokenModelOptions& options) {
  return options.positions > 0 ? options.positions : kMostByDefault;
}

}  // namespace

TokenModel::TokenModel(const std::string& path, const TokenModelOptions& options)
    : engine_(checked(open_engine(path, options))),
      context_(engine_.create_context(context_options(options))),
      positions_(positions_of(options)),
      pool_(engine_, {.block_length = kPage,
                      .blocks = static_cast<std::int32_t>((positions_ + kPage - 1) / kPage + options.max_sequences),
                      .max_positions = positions_}) {
  chunk_ = static_cast<int>(std::min<std::int64_t>(input(engine_, "tokens").max[0], INT32_MAX));
  max_sequences_ = options.max_sequences;
  vocabulary_ = engine_.outputs()[0].max[1];
}

std::span<const float> TokenModel::run(std::span<const TokenRun> batch) {
  tokens_.clear(), places_.clear(), rows_.clear(), runs_.clear();
  for (const TokenRun& r : batch) {
    const auto count = static_cast<std::int64_t>(r.tokens.size());
    if (const Status s = r.sequence->reserve(count); !s) fail("{}", s.message());
    for (std::int64_t i = 0; i < count; ++i) {
      tokens_.push_back(r.tokens[static_cast<std::size_t>(i)]);
      places_.push_back(r.sequence->length() + i);
      if (i >= count - r.wanted) rows_.push_back(static_cast<std::int64_t>(tokens_.size()) - 1);
    }
    runs_.push_back({r.sequence, count});
  }
  const bool unwanted = rows_.empty();
  if (unwanted) rows_.push_back(static_cast<std::int64_t>(tokens_.size()) - 1);  // a run has a row at least
  const auto bind = [&](const char* name, std::vector<std::int64_t>& values) {
    return context_.bind_input(
        name,
        {DType::i64, {static_cast<std::int64_t>(values.size())}, values.data(), values.size() * sizeof(values[0])});
  };
  Status s = context_.bind_sequences(runs_);
  if (s) s = bind("tokens", tokens_);
  if (s) s = bind("positions", places_);
  if (s) s = bind("rows", rows_);
  if (s) s = context_.run();
  if (!s) fail("{}", context_.describe(s));
  const TensorRef logits = context_.output("logits");
  return {logits.as<float>(), unwanted ? 0 : static_cast<std::size_t>(logits.numel())};
}

std::span<const float> TokenModel::append(Sequence& sequence, std::span<const Token> tokens) {
  if (tokens.empty()) fail("no tokens are given");
  const auto chunk = static_cast<std::size_t>(chunk_);
  for (; tokens.size() > chunk; tokens = tokens.subspan(chunk)) {
    const TokenRun part{&sequence, tokens.first(chunk), 0};
    (void)run({&part, 1});
  }
  const TokenRun last{&sequence, tokens, 1};
  return run({&last, 1});
}

}  // namespace monza::llm
