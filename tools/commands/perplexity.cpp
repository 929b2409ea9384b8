// monza perplexity: how well a language model foresees a text.
#include <memory>

#include "base/file.h"
#include "llm/text_model.h"
#include "tools/args/command.h"
#include "tools/llm/llm_args.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct PerplexityArgs {
  LlmArgs model;
  std::string file;
  std::int64_t max_tokens = 0, piece = 512;
  bool json = false;
};

int run(const PerplexityArgs& o) {
  if (o.max_tokens < 0) throw UsageError(message("--max-tokens is {}, below 0", o.max_tokens));
  if (o.piece < 2) throw UsageError(message("--piece is {}, below 2", o.piece));
  const auto file = MappedFile::open(o.file);
  const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  Progress progress(!o.json);
  llm::TextModel model(o.model.model, o.model.options(progress));
  const llm::Score score = model.score(text, static_cast<std::size_t>(o.piece), static_cast<std::size_t>(o.max_tokens),
                                       [&](double fraction) { progress.update("scoring", fraction); });
  progress.clear();
  const double mean = score.nll / static_cast<double>(score.tokens);
  if (o.json) print_json({{"perplexity", score.perplexity()}, {"tokens", score.tokens}, {"nll", mean}});
  else print("perplexity {:.4f} over {} tokens ({:.5f} nats a token)\n", score.perplexity(), score.tokens, mean);
  return kExitOk;
}

}  // namespace

void add_perplexity(Commands& commands) {
  auto args = std::make_shared<PerplexityArgs>();
  CommandOptions app = commands.add(
      "perplexity", "Tells how well a language model foresees a text: less is better.",
      "  monza perplexity model.gguf wiki.test.txt\n"
      "  monza perplexity model.gguf wiki.test.txt --max-tokens 20000 --json   {\"perplexity\",\"tokens\",\"nll\"}\n"
      "As llama.cpp measures it: pieces of 512 tokens with the model's first token in front, whose second half counts.",
      [args] { return run(*args); });
  args->model.add_to(app);
  app.add_option("FILE", args->file, "a text in UTF-8").required().type_name("FILE");
  app.add_option("--max-tokens", args->max_tokens, "of the text, from its begin; 0: all").type_name("N");
  app.add_option("--piece", args->piece, "tokens of a piece").type_name("N");
  app.add_flag("--json", args->json, "the numbers; nll is the mean");
}

}  // namespace monza::tool
