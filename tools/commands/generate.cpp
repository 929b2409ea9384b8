// monza generate: what a language model writes after a prompt.
#include <memory>

#include "base/file.h"
#include "llm/text_model.h"
#include "tools/args/command.h"
#include "tools/llm/llm_args.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct GenerateArgs {
  LlmArgs model;
  llm::GenerateOptions generate;
  std::string prompt, prompt_file;
  std::int64_t seed = 0;
  bool json = false;
};

std::string read_prompt(const GenerateArgs& o) {
  if (o.prompt.empty() == o.prompt_file.empty()) throw UsageError("generate needs --prompt TEXT or --prompt-file FILE");
  if (!o.prompt.empty()) return o.prompt;
  const auto file = MappedFile::open(o.prompt_file);
  return {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()};
}

const char* reason_name(llm::Generated::Reason reason) {
  switch (reason) {
    case llm::Generated::Reason::length: return "length";
    case llm::Generated::Reason::end: return "end";
    case llm::Generated::Reason::stop: return "stop";
    case llm::Generated::Reason::cancelled: return "cancelled";
    case llm::Generated::Reason::failed: break;  // it was thrown
  }
  return "";
}

double per_second(std::size_t count, double ms) { return ms > 0 ? static_cast<double>(count) * 1000 / ms : 0; }

int run(const GenerateArgs& args) {
  GenerateArgs o = args;
  if (o.generate.max_tokens < 1) throw UsageError(message("--max-tokens is {}, below 1", o.generate.max_tokens));
  if (o.seed < 0) throw UsageError(message("--seed is {}, below 0", o.seed));
  o.generate.sampling.seed = static_cast<std::uint64_t>(o.seed);
  llm::check(o.generate.sampling);
  const std::string prompt = read_prompt(o);
  const Stopwatch watch;
  Progress progress(!o.json);
  llm::TextModel model(o.model.model, o.model.options(progress));
  progress.clear();
  const double load_ms = watch.ms();
  const llm::Generated made = model.generate(prompt, o.generate, [&](std::string_view text) {
    if (!o.json) print("{}", Lines{std::string(text)}), flush_output();
    return true;
  });
  if (o.json) {
    print_json({{"text", made.text},
                {"tokens", made.tokens},
                {"prompt_tokens", made.prompt_tokens},
                {"finish_reason", reason_name(made.reason)},
                {"timings_ms", {{"load", load_ms}, {"prompt", made.prompt_ms}, {"generate", made.generate_ms}}}});
    return kExitOk;
  }
  print("\n");
  const std::size_t later = made.tokens.empty() ? 0 : made.tokens.size() - 1;  // the first came with the prompt
  note(fmt::format("{} tokens of prompt in {} ({:.1f} a second), {} tokens in {} ({:.1f} a second), loaded in {}",
                   made.prompt_tokens, time_text(made.prompt_ms), per_second(made.prompt_tokens, made.prompt_ms),
                   made.tokens.size(), time_text(made.generate_ms), per_second(later, made.generate_ms),
                   time_text(load_ms)));
  return kExitOk;
}

}  // namespace

void add_generate(Commands& commands) {
  auto args = std::make_shared<GenerateArgs>();
  CommandOptions app =
      commands.add("generate", "Lets a language model write on after a prompt.",
                   "  monza generate model.gguf --prompt 'Once upon a time'\n"
                   "  monza generate model.gguf --prompt-file question.txt --max-tokens 500 --stop '\\n\\n'\n"
                   "  monza generate model.gguf --prompt 'A list:' --temperature 0.8 --top-p 0.95 --seed 7 --json\n"
                   "GGUF files, and folders with config.json and safetensors files. The prompt is taken as it is: no "
                   "chat template is "
                   "put around it.",
                   [args] { return run(*args); });
  args->model.add_to(app);
  app.add_option("--prompt", args->prompt, "what it goes on from").type_name("TEXT");
  app.add_option("--prompt-file", args->prompt_file, "a file with it").type_name("FILE");
  app.add_option("--max-tokens", args->generate.max_tokens, "it stops there at the latest").type_name("N");
  auto& sampling = args->generate.sampling;
  app.add_option("--temperature", sampling.temperature, "0: always the likeliest token").type_name("T");
  app.add_option("--top-k", sampling.top_k, "draw from so many likeliest tokens; 0: all").type_name("N");
  app.add_option("--top-p", sampling.top_p, "from the likeliest with this share of probability").type_name("P");
  app.add_option("--min-p", sampling.min_p, "from those at least so likely, beside the likeliest").type_name("P");
  app.add_option("--repetition-penalty", sampling.repetition_penalty, "above 1: what was there is less likely")
      .type_name("X");
  app.add_option("--presence-penalty", sampling.presence_penalty, "taken off what was there").type_name("X");
  app.add_option("--frequency-penalty", sampling.frequency_penalty, "the same for each time").type_name("X");
  app.add_option("--seed", args->seed, "of the draws").type_name("N");
  app.add_option("--stop", args->generate.stop, "a text that ends it; may be given several times").type_name("TEXT");
  app.add_flag("--json", args->json, "text, tokens and times when all is done");
}

}  // namespace monza::tool
