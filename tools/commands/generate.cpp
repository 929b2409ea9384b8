// monza generate: what a language model writes after a prompt.
#include <memory>

#include "llm/text_model.h"
#include "tools/args/command.h"
#include "tools/llm/llm_args.h"
#include "tools/llm/sampling_args.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct GenerateArgs {
  LlmArgs model;
  SamplingArgs sampling;
  ChatTemplateArgs template_args;
  std::string prompt, prompt_file;
  bool chat = false, json = false;
};

std::string read_prompt(const GenerateArgs& o) {
  if (o.prompt.empty() == o.prompt_file.empty()) throw UsageError("generate needs --prompt TEXT or --prompt-file FILE");
  if (!o.prompt.empty()) return o.prompt;
  return read_text(o.prompt_file);
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

/// The prompt's tokens: as it is, or as a user's message in the model's chat template.
std::vector<llm::Token> prompt_tokens(const GenerateArgs& o, llm::TextModel& model) {
  const std::string prompt = read_prompt(o);
  if (!o.chat && o.template_args.system.empty() && o.template_args.template_file.empty())
    return model.tokenizer().encode(prompt).tokens;
  o.template_args.apply(model);
  std::vector<llm::ChatMessage> messages;
  if (!o.template_args.system.empty()) messages.push_back({"system", o.template_args.system});
  messages.push_back({"user", prompt});
  return model.tokenizer().encode(model.chat().render(messages), false).tokens;
}

int run(const GenerateArgs& o) {
  llm::GenerateOptions options = o.sampling.options();
  const grammar::GrammarPtr grammar = o.sampling.grammar();
  (void)read_prompt(o);  // before a model is built
  const Stopwatch watch;
  Progress progress(!o.json);
  llm::TextModel model(o.model.model, o.model.options(progress));
  progress.clear();
  hold_to(grammar, model, options);
  const double load_ms = watch.ms();
  const llm::Generated made = model.generate(prompt_tokens(o, model), options, [&](std::string_view text) {
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
  note(fmt::format("{}, loaded in {}", timing_text(made), time_text(load_ms)));
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
                   "  monza generate model.gguf --chat --system 'Be terse.' --prompt 'What is 2+2?'\n"
                   "  monza generate model.gguf --chat --prompt 'Paris, as JSON:' --schema city.schema.json\n"
                   "GGUF files, and folders with config.json and safetensors files. The prompt is taken as it is, "
                   "but for --chat.",
                   [args] { return run(*args); });
  args->model.add_to(app);
  app.add_option("--prompt", args->prompt, "what it goes on from").type_name("TEXT");
  app.add_option("--prompt-file", args->prompt_file, "a file with it").type_name("FILE");
  app.add_flag("--chat", args->chat, "as a message in the model's chat template (so do the next two)");
  args->template_args.add_to(app);
  args->sampling.add_to(app);
  app.add_flag("--json", args->json, "text, tokens and times when all is done");
}

}  // namespace monza::tool
