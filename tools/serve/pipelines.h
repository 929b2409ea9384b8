// What `monza serve` answers beside KServe's protocol: pipelines around the models that have what these need.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "pipelines/language_model.h"
#include "pipelines/openai.h"
#include "pipelines/page.h"
#include "serve/service.h"
#include "tools/args/command.h"

namespace monza::tool {

/// What the command line says of pipelines.
struct PipelineArgs {
  std::string tokenizer, pooling;
  bool plain = false;
  std::size_t max_tokens = 0;
  std::int64_t context = 8192;  ///< of language models
  int parallel = 16, threads = 0;
  std::string state = "f16", chat_template;
  void add_to(CommandOptions& app);
};

/// The pipelines of one server, made as its models are.
class Pipelines {
 public:
  /// `context`: what pictures are run with.
  Pipelines(serve::Service& service, const PipelineArgs& args, const ContextOptions& context);

  /// Whether the file is a language model's, which is then served by its own endpoints. Throws Error.
  bool add_language_model(const std::string& file, const std::string& name);
  /// The most tokens of a text where the model of that file leaves them open and has a tokenizer; else 0.
  std::size_t most_tokens(const std::filesystem::path& model) const;
  /// To be called for each model that the service has been given. Throws Error.
  void add(const std::filesystem::path& file, const std::string& name);
  /// To be called when all models are added, before requests come.
  void finish();
  /// Paths that are answered, with the models behind them: for people.
  const std::vector<std::string>& endpoints() const { return endpoints_; }

 private:
  void add_pictures(const std::string& name);
  void offer(const std::string& path, std::shared_ptr<const serve::Task> task, const std::string& what);
  std::filesystem::path tokenizer_of(const std::filesystem::path& model) const;
  pipelines::PoolingOptions pooling_of(const std::filesystem::path& model) const;

  serve::Service& service_;
  const PipelineArgs& args_;
  const ContextOptions& context_;
  pipelines::TextModels texts_;
  pipelines::LanguageModels language_models_;
  pipelines::ModelTasks tasks_;  ///< what the page shows
  std::vector<std::string> endpoints_;
};

}  // namespace monza::tool
