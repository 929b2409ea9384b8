#include "tools/serve/pipelines.h"

#include <fmt/format.h>

#include "llm/model_file.h"
#include "pipelines/generation_tasks.h"
#include "pipelines/vision_tasks.h"
#include "tools/llm/llm_args.h"
#include "tools/llm/sampling_args.h"

namespace monza::tool {
namespace {

namespace fs = std::filesystem;

/// Of a text, where nothing says how many a model takes: what BERT was trained with.
constexpr std::size_t kMostTokens = 512;

/// A name as it stands in a path.
std::string path_part(const std::string& name) {
  std::string part;
  for (const char c : name) {
    const bool plain =
        (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '-' || c == '_' || c == '.' || c == '~';
    part += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return part;
}

bool takes_tokens(const serve::ServedModel& model) {
  for (const serve::Port& port : model.inputs())
    if (port.name == "input_ids") return true;
  return false;
}

}  // namespace

void PipelineArgs::add_to(CommandOptions& app) {
  const char* group = "Texts";
  app.add_option("--tokenizer", tokenizer,
                 "of models that take tokens; default: the tokenizer.json or vocab.txt beside the model")
      .group(group)
      .type_name("PATH");
  app.add_option("--pooling", pooling,
                 "how vectors of tokens become one: mean or cls (default: 1_Pooling beside the model, else mean)")
      .one_of({"mean", "cls"})
      .group(group)
      .type_name("HOW");
  app.add_flag("--no-normalize", plain, "vectors as they are, not of length 1").group(group);
  app.add_option("--max-tokens", max_tokens,
                 "of a text; further ones are left out (default: sentence_bert_config.json, else 512)")
      .range(8, 1 << 20)
      .group(group)
      .type_name("N");
  const char* language = "Language models";
  app.add_option("--context", context,
                 "positions that all requests of a language model may have together (default 8192)")
      .group(language)
      .type_name("N");
  app.add_option("--parallel", parallel, "choices of requests that are computed at a time; others wait (default 16)")
      .range(1, 256)
      .group(language)
      .type_name("N");
  app.add_option("--chat-template", chat_template, "a Jinja template, in place of the models'")
      .group(language)
      .type_name("FILE");
  app.add_option("--state", state, "what keys and values are kept in: f32, f16 (default), bf16, i8")
      .group(language)
      .type_name("TYPE");
}

bool Pipelines::add_language_model(const std::string& file, const std::string& name) {
  if (!llm::is_language_model_file(file)) return false;
  LlmArgs args;
  args.model = file;
  args.context = args_.context;
  args.sequences = args_.parallel;
  args.threads = args_.threads;
  args.state = args_.state;
  Progress progress;
  language_models_.push_back(std::make_shared<pipelines::LanguageModel>(
      name, file, args.options(progress), args_.chat_template.empty() ? "" : read_text(args_.chat_template)));
  return true;
}

Pipelines::Pipelines(serve::Service& service, const PipelineArgs& args, const ContextOptions& context)
    : service_(service), args_(args), context_(context) {}

fs::path Pipelines::tokenizer_of(const fs::path& model) const {
  if (!args_.tokenizer.empty()) return args_.tokenizer;
  const fs::path folder = model.has_parent_path() ? model.parent_path() : fs::path(".");
  return text::Tokenizer::in_folder(folder) ? folder : fs::path();
}

pipelines::PoolingOptions Pipelines::pooling_of(const fs::path& model) const {
  pipelines::PoolingOptions options = pipelines::pooling_beside(model.parent_path());
  if (!args_.pooling.empty())
    options.pooling = args_.pooling == "cls" ? pipelines::Pooling::cls : pipelines::Pooling::mean;
  if (args_.plain) options.normalize = false;
  if (args_.max_tokens > 0) options.max_tokens = args_.max_tokens;
  return options;
}

std::size_t Pipelines::most_tokens(const fs::path& model) const {
  if (tokenizer_of(model).empty()) return 0;
  const std::size_t most = pooling_of(model).max_tokens;
  return most > 0 ? most : kMostTokens;
}

void Pipelines::add(const fs::path& file, const std::string& name) {
  const serve::ServedModel& model = service_.model(name)->model();
  if (const fs::path tokenizer = tokenizer_of(file); takes_tokens(model) && !tokenizer.empty())
    texts_.push_back(
        std::make_shared<pipelines::TextModel>(service_, name, text::Tokenizer::open(tokenizer), pooling_of(file)));
  add_pictures(name);
}

void Pipelines::offer(const std::string& path, std::shared_ptr<const serve::Task> task, const std::string& what) {
  service_.add_task(path, std::move(task));
  endpoints_.push_back(fmt::format("{}  {}", path, what));
}

void Pipelines::add_pictures(const std::string& name) {
#ifdef MONZA_WITH_PICTURES
  serve::ModelQueue& queue = *service_.model(name);  // those of files stay
  const std::string path = "/v2/models/" + path_part(name);
  const auto offer_as = [&](const std::string& word, const pipelines::PictureModelPtr& model, const char* what) {
    tasks_[name].push_back(word);
    offer(path + "/" + word, pipelines::picture_task(model), what);
    pipelines::add_picture_model(service_, path_part(name) + "_pictures", model);
  };
  if (const auto detector = pipelines::make_detector(queue, context_))
    offer_as("detect", detector, "pictures in, boxes out");
  else if (const auto classifier = pipelines::make_classifier(queue, context_))
    offer_as("classify", classifier, "pictures in, classes out");
#else
  (void)name;
#endif
}

void Pipelines::finish() {
  std::string names;
  for (const auto& text : texts_) {
    names += (names.empty() ? "" : ", ") + text->name();
    tasks_[text->name()].push_back(text->scores_pairs() ? "rerank" : "embeddings");
  }
  std::vector<std::string> writers;
  for (const auto& model : language_models_) writers.push_back(model->name());
  service_.add_task("/v1/models", pipelines::models_task(service_, writers));
  if (!language_models_.empty()) {
    const auto models = std::make_shared<const pipelines::LanguageModels>(std::move(language_models_));
    const std::string all = fmt::format("{}", fmt::join(writers, ", "));
    offer("/v1/chat/completions", pipelines::chat_task(models), all);
    offer("/v1/completions", pipelines::completions_task(models), all);
    service_.more_metrics = [models] { return pipelines::language_model_metrics(*models); };
  }
  service_.add_task("/status", pipelines::status_task(service_, tasks_));
  offer("/", pipelines::page_task(), "a page that shows and tries all of it");
  if (texts_.empty()) return;
  const auto texts = std::make_shared<const pipelines::TextModels>(std::move(texts_));
  offer("/v1/embeddings", pipelines::embeddings_task(texts), names);
  offer("/v1/rerank", pipelines::rerank_task(texts), names);
}

}  // namespace monza::tool
