// monza chat: a conversation with a language model.
#include <unistd.h>

#include <iostream>
#include <memory>

#include "tools/args/command.h"
#include "tools/llm/conversation.h"
#include "tools/llm/llm_args.h"
#include "tools/llm/sampling_args.h"

namespace monza::tool {
namespace {

struct ChatArgs {
  LlmArgs model;
  SamplingArgs sampling;
  ChatTemplateArgs chat;
};

int run(const ChatArgs& args) {
  llm::GenerateOptions options = args.sampling.options();
  const grammar::GrammarPtr grammar = args.sampling.grammar();
  Progress progress;
  llm::TextModel model(args.model.model, args.model.options(progress));
  progress.clear();
  hold_to(grammar, model, options);
  args.chat.apply(model);
  (void)model.chat();  // says at once when there is none
  const bool person = isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0;
  if (person) print("/help tells what else can be typed.\n");
  Conversation(model, options, args.chat.system, person).run(std::cin);
  return kExitOk;
}

}  // namespace

void add_chat(Commands& commands) {
  auto args = std::make_shared<ChatArgs>();
  args->model.sequences = 1;
  args->sampling.generate.max_tokens = 1024;
  args->sampling.generate.sampling = {.temperature = 0.8, .top_k = 40, .top_p = 0.95};
  CommandOptions app = commands.add(
      "chat", "A conversation with a language model.",
      "  monza chat qwen2.5-0.5b-instruct.gguf\n"
      "  monza chat model.gguf --system 'Answer in one sentence.' --temperature 0\n"
      "  printf 'What is 2+2?\\nAnd squared?\\n' | monza chat model.gguf     each line is a question\n"
      "Messages are put into the model's own chat template; /template shows it. What the conversation begins with is\n"
      "computed once. /help lists the commands.",
      [args] { return run(*args); });
  args->model.add_to(app);
  args->chat.add_to(app);
  args->sampling.add_to(app);
}

}  // namespace monza::tool
