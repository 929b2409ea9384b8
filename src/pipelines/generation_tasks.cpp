#include "pipelines/generation_tasks.h"

#include <utility>

#include "base/error.h"
#include "pipelines/generation_answer.h"

namespace monza::pipelines {
namespace {

using serve::fail_with;

constexpr int kMaxDepth = 48;               ///< of a request's JSON: schemas of tools are deep
constexpr std::int64_t kMostWaiting = 512;  ///< choices, of one model

class GenerationTask final : public OpenAiTask {
 public:
  GenerationTask(std::shared_ptr<const LanguageModels> models, bool chat) : models_(std::move(models)), chat_(chat) {}

  serve::Answer answer(const serve::TaskRequest& body) const override {
    const Json request = parse_request(body.body, kMaxDepth);
    LanguageModel& model = language_model_of(request, *models_);
    if (model.counts().waiting >= kMostWaiting) fail_with(429, "too much waits: try again");
    try {
      GenerationAsked asked = chat_ ? parse_chat(request, body.body, model) : parse_completion(request, model);
      const char* type = asked.stream ? "text/event-stream" : "application/json";
      const bool whole = !asked.stream;
      return {200, {}, type, {}, start(std::move(asked), model), whole};
    } catch (const serve::RequestError&) {
      throw;
    } catch (const Error& e) {  // of the template, the tokenizer, or a prompt that is too long: the client's texts
      const std::string fact = e.where().empty() ? e.fact() : e.where() + ": " + e.fact();
      fail_with(400, "{}{}", fact, e.hint().empty() ? "" : "; try " + e.hint());
    }
  }

 private:
  std::shared_ptr<serve::Stream> start(GenerationAsked asked, LanguageModel& model) const {
    const auto answer = std::make_shared<GenerationAnswer>(asked, model, *this);
    std::vector<llm::Generator::Id> begun;
    const auto cancel = [&model](const std::vector<llm::Generator::Id>& ids) {
      for (const llm::Generator::Id id : ids) model.cancel(id);
    };
    try {
      for (std::size_t i = 0; i < asked.requests.size(); ++i)
        begun.push_back(model.start(std::move(asked.requests[i]),
                                    [answer, i](const llm::Piece& piece) { return answer->add(i, piece); }));
    } catch (const Error&) {
      cancel(begun);
      throw;
    }
    answer->stream()->on_leave([cancel, begun = std::move(begun)] { cancel(begun); });
    return answer->stream();
  }

  const std::shared_ptr<const LanguageModels> models_;
  const bool chat_;
};

}  // namespace

std::shared_ptr<const serve::Task> chat_task(std::shared_ptr<const LanguageModels> models) {
  return std::make_shared<GenerationTask>(std::move(models), true);
}
std::shared_ptr<const serve::Task> completions_task(std::shared_ptr<const LanguageModels> models) {
  return std::make_shared<GenerationTask>(std::move(models), false);
}

}  // namespace monza::pipelines
