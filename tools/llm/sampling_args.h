// How tokens are drawn, as generate and chat are told.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "grammar/grammar.h"
#include "llm/text_model.h"
#include "tools/args/command.h"

namespace monza::tool {

struct SamplingArgs {
  llm::GenerateOptions generate;
  std::int64_t seed = 0;
  std::string schema_file, grammar_file;

  void add_to(CommandOptions& app);
  /// Throws UsageError or Error for what no option may be.
  llm::GenerateOptions options() const;
  /// What --schema or --grammar says; null where neither is given. Throws UsageError or Error.
  grammar::GrammarPtr grammar() const;
};

/// Holds what a model generates to a grammar, if there is one.
void hold_to(const grammar::GrammarPtr& grammar, const llm::TextModel& model, llm::GenerateOptions& options);

/// The text of a file. Throws Error.
std::string read_text(const std::string& path);

/// Whether the terminal's interrupt was typed, which ends the answer at hand and not the program.
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;
  bool interrupted() const;
};

/// "40 tokens of prompt (32 known) in 12 ms, ...": what an answer took.
std::string timing_text(const llm::Generated& made);

}  // namespace monza::tool
