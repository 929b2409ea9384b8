// `monza build --report`: one page that says everything about one model, and opens without a network.
#pragma once

#include <cstdint>
#include <string>

#include "engine/build_report.h"
#include "monza/engine.h"
#include "tools/measure/profile.h"

namespace monza::tool {

struct PageContent {
  std::string model_file, engine_file;
  const Engine* engine = nullptr;
  const BuildReport* build = nullptr;
  const ProfileResult* profile = nullptr;  ///< null: not measured, because of
  std::string no_profile_because;
  double build_ms = 0;
  std::int64_t file_bytes = 0;
};

/// A whole HTML document: summary, layers beside the ceilings, run times, fusions and near misses, the graphs, the
/// memory map, every node's candidates. It fetches nothing and runs no script; all text from the model is escaped.
std::string html_report(const PageContent& content);

}  // namespace monza::tool
