#include "tools/llm/sampling_args.h"

#include <csignal>

#include "base/error.h"
#include "base/file.h"
#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "llm/grammar_mask.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

volatile std::sig_atomic_t was_interrupted = 0;
void note_interrupt(int) { was_interrupted = 1; }

double tokens_per_second(std::size_t count, double ms) { return ms > 0 ? static_cast<double>(count) * 1000 / ms : 0; }

}  // namespace

void SamplingArgs::add_to(CommandOptions& app) {
  app.add_option("--max-tokens", generate.max_tokens, "it stops there at the latest").type_name("N");
  auto& sampling = generate.sampling;
  app.add_option("--temperature", sampling.temperature, "0: always the likeliest token").type_name("T");
  app.add_option("--top-k", sampling.top_k, "draw from so many likeliest tokens; 0: all").type_name("N");
  app.add_option("--top-p", sampling.top_p, "from the likeliest with this share of probability").type_name("P");
  app.add_option("--min-p", sampling.min_p, "from those at least so likely, beside the likeliest").type_name("P");
  app.add_option("--repetition-penalty", sampling.repetition_penalty, "above 1: what was there is less likely")
      .type_name("X");
  app.add_option("--presence-penalty", sampling.presence_penalty, "taken off what was there").type_name("X");
  app.add_option("--frequency-penalty", sampling.frequency_penalty, "the same for each time").type_name("X");
  app.add_option("--seed", seed, "of the draws").type_name("N");
  app.add_option("--stop", generate.stop, "a text that ends it; may be given several times").type_name("TEXT");
  app.add_option("--schema", schema_file, "a JSON Schema: what is generated is JSON that it allows").type_name("FILE");
  app.add_option("--grammar", grammar_file, "a grammar in GBNF: what is generated is a text of it").type_name("FILE");
}

llm::GenerateOptions SamplingArgs::options() const {
  llm::GenerateOptions o = generate;
  if (o.max_tokens < 1) throw UsageError(message("--max-tokens is {}, below 1", o.max_tokens));
  if (seed < 0) throw UsageError(message("--seed is {}, below 0", seed));
  o.sampling.seed = static_cast<std::uint64_t>(seed);
  llm::check(o.sampling);
  return o;
}

grammar::GrammarPtr SamplingArgs::grammar() const {
  if (!schema_file.empty() && !grammar_file.empty()) throw UsageError("--schema and --grammar exclude each other");
  const std::string& path = schema_file.empty() ? grammar_file : schema_file;
  if (path.empty()) return nullptr;
  const std::string text = read_text(path);
  try {
    return schema_file.empty() ? grammar::parse_gbnf(text) : grammar::compile_schema(text);
  } catch (const Error& e) {
    throw e.at(message("'{}'", path));
  }
}

void hold_to(const grammar::GrammarPtr& grammar, const llm::TextModel& model, llm::GenerateOptions& options) {
  if (grammar) options.mask = llm::GrammarVocabulary(model.model_tokenizer()).masks(grammar);
}

std::string read_text(const std::string& path) {
  const auto file = MappedFile::open(path);
  return {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()};
}

Interruptible::Interruptible() {
  was_interrupted = 0;
  std::signal(SIGINT, note_interrupt);
}
Interruptible::~Interruptible() { std::signal(SIGINT, SIG_DFL); }
bool Interruptible::interrupted() const { return was_interrupted != 0; }

std::string timing_text(const llm::Generated& made) {
  const std::size_t computed = made.prompt_tokens - made.cached_tokens;
  const std::size_t later = made.tokens.empty() ? 0 : made.tokens.size() - 1;  // the first came with the prompt
  return fmt::format(
      "first token after {} ({} tokens of prompt, {} known, {:.1f} a second), {} tokens in {} ({:.1f} a second)",
      time_text(made.prompt_ms), made.prompt_tokens, made.cached_tokens, tokens_per_second(computed, made.prompt_ms),
      made.tokens.size(), time_text(made.generate_ms), tokens_per_second(later, made.generate_ms));
}

}  // namespace monza::tool
