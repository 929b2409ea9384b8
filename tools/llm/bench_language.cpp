#include "tools/llm/bench_language.h"

#include <algorithm>
#include <random>
#include <vector>

#include "llm/token_model.h"
#include "tools/args/command.h"
#include "tools/measure/statistics.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

using llm::Token;
using llm::TokenModel;
using llm::TokenRun;

/// Milliseconds of the fastest repetition.
struct Fastest {
  double prompt_ms = 1e300, generate_ms = 1e300;
};

llm::TokenModelOptions options_of(const LanguageBench& b, ModelArgs model) {
  model.tune_by_default = false;  // as generate has it: the load is part of what is measured
  llm::TokenModelOptions o;
  o.build = model.build_options(model.declared_inputs());
  o.threads = model.threads;
  o.max_sequences = std::max(b.batch, 1);
  o.positions = std::int64_t{b.batch} * (b.prompt_tokens + b.generate_tokens);
  return o;
}

std::vector<Token> random_tokens(std::int64_t vocabulary, int count) {
  std::mt19937 draw(1);
  std::vector<Token> tokens(static_cast<std::size_t>(count));
  for (Token& t : tokens) t = static_cast<Token>(draw() % static_cast<std::uint64_t>(vocabulary));
  return tokens;
}

/// Each sequence reads the prompt by itself, then all write on together.
void measure_once(TokenModel& model, const LanguageBench& b, const std::vector<Token>& prompt, Fastest& fastest) {
  std::vector<Sequence> sequences;
  const Stopwatch reading;
  for (int s = 0; s < b.batch; ++s) {
    sequences.push_back(model.create());
    (void)model.append(sequences.back(), prompt);
  }
  fastest.prompt_ms = std::min(fastest.prompt_ms, reading.ms());
  std::vector<TokenRun> step;
  const Stopwatch writing;
  for (int i = 0; i < b.generate_tokens; ++i) {
    step.clear();
    const std::size_t at = static_cast<std::size_t>(i) % prompt.size();
    for (Sequence& s : sequences) step.push_back({&s, std::span(prompt).subspan(at, 1), 1});
    (void)model.run(step);
  }
  fastest.generate_ms = std::min(fastest.generate_ms, writing.ms());
}

}  // namespace

void bench_language_model(const LanguageBench& b, const ModelArgs& model, bool json) {
  for (const auto& [option, value, most] :
       {std::tuple("--prompt-tokens", b.prompt_tokens, 1 << 20),
        std::tuple("--generate-tokens", b.generate_tokens, 1 << 20), std::tuple("--batch", b.batch, 1024),
        std::tuple("--repeat", b.repetitions, 1000)})
    if (value < 1 || value > most) throw UsageError(message("{} is {}, not 1 to {}", option, value, most));
  const bool quiet = json || model.quiet();
  Progress progress(!quiet);
  llm::TokenModelOptions options = options_of(b, model);
  options.build.progress = [&](std::string_view stage, double fraction) { progress.update(stage, fraction); };
  const Stopwatch loading;
  TokenModel tokens(model.model, options);
  const double load_ms = loading.ms();
  const std::vector<Token> prompt = random_tokens(tokens.vocabulary(), b.prompt_tokens);
  Fastest fastest;
  for (int i = 0; i < b.repetitions; ++i) {
    progress.update("measuring", static_cast<double>(i) / b.repetitions);
    measure_once(tokens, b, prompt, fastest);
  }
  progress.clear();
  const auto per_second = [&](int each, double ms) { return each * static_cast<double>(b.batch) * 1000 / ms; };
  const double prefill = per_second(b.prompt_tokens, fastest.prompt_ms),
               decode = per_second(b.generate_tokens, fastest.generate_ms),
               rss = static_cast<double>(peak_resident_bytes()) / (1 << 20);
  const int threads = model.threads > 0 ? model.threads : tokens.engine().stats().threads;
  if (json) {
    print_json({{"prefill_tokens_per_s", prefill},
                {"decode_tokens_per_s", decode},
                {"load_ms", load_ms},
                {"peak_rss_mib", rss},
                {"prompt_tokens", b.prompt_tokens},
                {"generate_tokens", b.generate_tokens},
                {"batch", b.batch},
                {"threads", threads},
                {"isa", tokens.engine().stats().isa}});
    return;
  }
  print("{}, {}, {}; the fastest of {}\n", count_text(b.batch, "sequence"), count_text(threads, "thread"),
        tokens.engine().stats().isa, count_text(b.repetitions, "repetition"));
  print("prefill     {:.1f} tokens/s ({} tokens each in {})\n", prefill, b.prompt_tokens, time_text(fastest.prompt_ms));
  print("decode      {:.1f} tokens/s ({} tokens each in {})\n", decode, b.generate_tokens,
        time_text(fastest.generate_ms));
  print("load        {}\n", time_text(load_ms));
  print("memory      peak resident set {:.1f} MiB\n", rss);
}

}  // namespace monza::tool
