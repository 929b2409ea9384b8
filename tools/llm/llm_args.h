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

}  // namespace monza::tool
