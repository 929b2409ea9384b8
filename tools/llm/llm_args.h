// What the commands of language models share.
#pragma once

#include <string>

#include "llm/text_model.h"
#include "tools/args/command.h"
#include "tools/text/terminal.h"

namespace monza::tool {

/// MODEL and how it is run.
struct LlmArgs {
  std::string model, state = "f16", timing_cache;
  int threads = 0, sequences = 16;
  std::int64_t context = 4096;
  bool tune = false;

  /// Adds MODEL and the options.
  void add_to(CommandOptions& app);
  /// Throws UsageError for what no option may be.
  llm::TokenModelOptions options(Progress& progress) const;
};

/// How a prompt is put into the words that the model was trained to answer.
struct ChatTemplateArgs {
  std::string system, template_file;

  void add_to(CommandOptions& app);
  /// Gives the model the template of the file, if there is one. Throws Error.
  void apply(llm::TextModel& model) const;
};

}  // namespace monza::tool
