// OpenAI's chat and completions endpoints over connections of bytes: a model of letters with random weights.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "pipelines/generation_tasks.h"
#include "pipelines/openai.h"
#include "support/letters_model.h"
#include "support/memory_file.h"
#include "support/serve_client.h"

namespace monza::pipelines {
namespace {

using test::http_message, test::ServeClient;
using Answered = nlohmann::json;

constexpr const char* kLetters =
    "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}{{ m.content }}."
    "{% endfor %}{% for t in tools or [] %}{{ t.function.name }}{% endfor %}{{ 'x' if extra }}";

class Generations : public ::testing::Test {
 protected:
  Generations() {
    model_ = std::make_shared<LanguageModel>("letters", file_.path(), small(), kLetters);
    models_ = std::make_shared<const LanguageModels>(LanguageModels{model_});
    service_.add_task("/v1/chat/completions", chat_task(models_));
    service_.add_task("/v1/completions", completions_task(models_));
    service_.add_task("/v1/models", models_task(service_, {"letters"}));
    service_.more_metrics = [this] { return language_model_metrics(*models_); };
  }
  static llm::TokenModelOptions small() {
    llm::TokenModelOptions o;
    o.build.tune = false;
    o.build.batch_invariant = true;
    o.threads = o.build.threads = 1;
    o.positions = 128;
    o.max_sequences = 4;
    return o;
  }
  /// Status and body of what is answered.
  std::pair<int, std::string> post(const std::string& path, const Answered& body) {
    const std::string said = ServeClient(service_).talk(http_message("POST " + path, body.dump()));
    return {std::stoi(said.substr(9, 3)), said.substr(said.find("\r\n\r\n") + 4)};
  }
  Answered answer(const std::string& path, const Answered& body) {
    const auto [status, text] = post(path, body);
    EXPECT_EQ(status, 200) << text;
    return Answered::parse(text);
  }
  /// The events of a stream, without the last, which says that it is the end.
  std::vector<Answered> events(const std::string& path, Answered body) {
    body["stream"] = true;
    const std::string said = ServeClient(service_).talk(http_message("POST " + path, body.dump()));
    serve::HttpReader reader(serve::HttpReader::Kind::responses);
    reader.reset(1 << 20);
    std::string text;
    const std::size_t head = reader.read_head(said);
    (void)reader.read_chunks(std::string_view(said).substr(head), text);
    EXPECT_TRUE(reader.chunks_done());
    std::vector<Answered> all;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find("\n\n", at);
      EXPECT_EQ(text.substr(at, 6), "data: ");
      const std::string event = text.substr(at + 6, end - at - 6);
      at = end + 2;
      if (event != "[DONE]") all.push_back(Answered::parse(event));
      else EXPECT_EQ(at, text.size());
    }
    return all;
  }
  std::string refused(const std::string& path, Answered body, int wanted = 400) {
    const auto [status, text] = post(path, body);
    EXPECT_EQ(status, wanted) << text;
    return Answered::parse(text)["error"]["message"];
  }

  const std::string bytes_ = test::letters_model();
  const test::MemoryFile file_{std::as_bytes(std::span(bytes_))};
  std::shared_ptr<LanguageModel> model_;
  std::shared_ptr<const LanguageModels> models_;
  serve::Service service_{serve::SchedulerOptions{}};
};

TEST_F(Generations, AnswerChats) {
  const Answered request = {{"messages", {{{"role", "user"}, {"content", "hello"}}}},
                            {"max_tokens", 6},
                            {"seed", 4},
                            {"logit_bias", {{"39", -100}}},
                            {"logprobs", true},
                            {"top_logprobs", 2},
                            {"n", 2}};
  const Answered made = answer("/v1/chat/completions", request);
  EXPECT_EQ(made["object"], "chat.completion");
  EXPECT_EQ(made["model"], "letters");
  ASSERT_EQ(made["choices"].size(), 2u);
  const Answered& first = made["choices"][0];
  EXPECT_EQ(first["message"]["role"], "assistant");
  const std::string text = first["message"]["content"];
  EXPECT_EQ(text.size(), 6u);
  EXPECT_EQ(first["finish_reason"], "length");
  ASSERT_EQ(first["logprobs"]["content"].size(), 6u);
  EXPECT_EQ(first["logprobs"]["content"][0]["token"], text.substr(0, 1));
  EXPECT_EQ(first["logprobs"]["content"][0]["bytes"], Answered({static_cast<int>(text[0])}));
  EXPECT_EQ(first["logprobs"]["content"][0]["top_logprobs"].size(), 2u);
  EXPECT_EQ(made["usage"]["prompt_tokens"], 6);
  EXPECT_EQ(made["usage"]["completion_tokens"], 12);
  // As events: the same, each choice with its role first and its reason last.
  Answered streamed = request;
  streamed["stream_options"] = {{"include_usage", true}};
  std::string texts[2];
  const std::vector<Answered> all = events("/v1/chat/completions", streamed);
  for (const Answered& event : all)
    for (const Answered& choice : event["choices"]) {
      std::string& whole = texts[choice["index"].get<int>()];
      if (whole.empty()) {
        EXPECT_EQ(choice["delta"]["role"], "assistant");
      }
      whole += choice["delta"].value("content", "");
    }
  EXPECT_EQ(texts[0], text);
  EXPECT_EQ(texts[1], made["choices"][1]["message"]["content"]);
  EXPECT_EQ(all.back()["usage"]["total_tokens"], 18);
}

TEST_F(Generations, AreHeldToASchema) {
  const Answered schema = {{"name", "answer"}, {"schema", {{"type", "boolean"}}}};
  for (int seed = 0; seed < 8; ++seed) {
    const Answered made =
        answer("/v1/chat/completions", {{"messages", {{{"role", "user"}, {"content", "hello"}}}},
                                        {"seed", seed},
                                        {"temperature", 2},
                                        {"response_format", {{"type", "json_schema"}, {"json_schema", schema}}}});
    const std::string text = made["choices"][0]["message"]["content"];
    EXPECT_TRUE(text == "true" || text == "false") << text;
    EXPECT_EQ(made["choices"][0]["finish_reason"], "stop");
  }
}

TEST_F(Generations, GiveTheTemplateWhatTheClientSays) {
  const auto tokens = [&](const Answered& request) {
    Answered r = request;
    r["max_tokens"] = 1;
    return answer("/v1/chat/completions", r)["usage"]["prompt_tokens"].get<int>();
  };
  const Answered parts = {{{"type", "text"}, {"text", "ab"}}, {{"type", "text"}, {"text", "cd"}}};
  const Answered tool = {{"type", "function"}, {"function", {{"name", "find"}}}};
  EXPECT_EQ(tokens({{"messages", {{{"role", "user"}, {"content", parts}}}}}), 5);
  EXPECT_EQ(tokens({{"messages", {{{"role", "assistant"}, {"content", nullptr}}}}}), 1);
  EXPECT_EQ(tokens({{"messages", {{{"role", "user"}, {"content", "a"}}}}, {"tools", {tool}}}), 6);
  EXPECT_EQ(tokens({{"messages", {{{"role", "user"}, {"content", "a"}}}}, {"tools", {tool}}, {"tool_choice", "none"}}),
            2);
  EXPECT_EQ(tokens({{"messages", {{{"role", "user"}, {"content", "a"}}}}, {"chat_template_kwargs", {{"extra", true}}}}),
            3);
}

TEST_F(Generations, AnswerCompletions) {
  const Answered request = {
      {"prompt", {"abc", {1, 2}}}, {"max_tokens", 5}, {"temperature", 0}, {"logprobs", 1}, {"n", 2}};
  const Answered made = answer("/v1/completions", request);
  EXPECT_EQ(made["object"], "text_completion");
  ASSERT_EQ(made["choices"].size(), 4u);
  EXPECT_EQ(made["choices"][0]["text"], made["choices"][1]["text"]);
  EXPECT_EQ(made["choices"][3]["index"], 3);
  EXPECT_EQ(made["choices"][2]["logprobs"]["text_offset"], Answered({0, 1, 2, 3, 4}));
  EXPECT_EQ(made["choices"][2]["logprobs"]["token_logprobs"].size(), 5u);
  EXPECT_EQ(made["usage"]["prompt_tokens"], 5);
  const std::string text = made["choices"][0]["text"];
  const Answered stopped = answer(
      "/v1/completions", {{"prompt", "abc"}, {"max_tokens", 5}, {"temperature", 0}, {"stop", text.substr(2, 2)}});
  EXPECT_EQ(stopped["choices"][0]["text"], text.substr(0, text.find(text.substr(2, 2))));
  EXPECT_EQ(stopped["choices"][0]["finish_reason"], "stop");
  std::string streamed;
  for (const Answered& event : events("/v1/completions", {{"prompt", "abc"}, {"max_tokens", 5}, {"temperature", 0}}))
    streamed += event["choices"][0]["text"];
  EXPECT_EQ(streamed, text);
  const Answered biased =
      answer("/v1/completions", {{"prompt", "abc"}, {"max_tokens", 3}, {"logit_bias", {{"25", 100}}}});
  EXPECT_EQ(biased["choices"][0]["text"], "zzz");
}

TEST_F(Generations, AreCountedAndEndWithTheirClients) {
  {
    ServeClient client(service_);
    (void)client.talk(http_message("POST /v1/completions",
                                   R"({"prompt":"abc","max_tokens":120,"logit_bias":{"39":-100},"stream":true})"),
                      SIZE_MAX, false);
  }
  for (int i = 0; i < 200 && model_->counts().running + model_->counts().waiting > 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(model_->counts().running, 0);
  (void)answer("/v1/completions", {{"prompt", "abc"}, {"max_tokens", 3}, {"logit_bias", {{"39", -100}}}});
  const std::string text = language_model_metrics(*models_);
  EXPECT_NE(text.find("monza_llm_time_to_first_token_seconds_count{model=\"letters\"} "), text.npos) << text;
  EXPECT_NE(text.find("# TYPE monza_llm_running gauge\nmonza_llm_running{model=\"letters\"} 0\n"), text.npos) << text;
  EXPECT_EQ(language_model_metrics({}), "");
}

TEST_F(Generations, AreRefused) {
  const Answered a = {{{"role", "user"}, {"content", "a"}}};
  const auto chat = [&](Answered more) {
    if (!more.contains("messages")) more["messages"] = a;
    return refused("/v1/chat/completions", more);
  };
  EXPECT_EQ(refused("/v1/chat/completions", {{"model", "none"}, {"messages", a}}, 404),
            "there is no language model 'none'");
  EXPECT_EQ(chat({{"messages", Answered::array()}}), "'messages' is no list of messages");
  EXPECT_EQ(chat({{"messages", {1}}}), "'messages' holds what is no object");
  EXPECT_EQ(chat({{"messages", {{{"content", "a"}}}}}), "a message has no 'role'");
  EXPECT_EQ(chat({{"messages", {{{"role", "user"}, {"content", {{{"type", "image_url"}}}}}}}}),
            "a message's content has a part that is no text, which is not supported");
  EXPECT_EQ(chat({{"messages", {{{"role", "tool"}, {"content", "a"}}}}}), "line 1, in the chat template: no tools");
  EXPECT_EQ(chat({{"messages", {{{"role", "user"}, {"content", std::string(200, 'a')}}}}}),
            "the prompt has 201 tokens, and with what follows there is room for 128; try a shorter prompt, or a larger "
            "context");
  EXPECT_EQ(chat({{"temperature", 5}}), "'temperature' is 5, not 0 to 2");
  EXPECT_EQ(chat({{"temperature", "hot"}}), "'temperature' is no number");
  EXPECT_EQ(chat({{"stream", 1}}), "'stream' is neither true nor false");
  EXPECT_EQ(chat({{"stream_options", 1}}), "'stream_options' is no object");
  EXPECT_EQ(chat({{"stop", 1}}), "'stop' is no text and no list of at most 16 texts");
  EXPECT_EQ(chat({{"stop", {1}}}), "'stop' holds what is no text");
  EXPECT_EQ(chat({{"logit_bias", 1}}), "'logit_bias' is no object of at most 1024 tokens");
  EXPECT_EQ(chat({{"logit_bias", {{"x", 1}}}}), "'logit_bias' names 'x', which is no token");
  EXPECT_EQ(chat({{"logit_bias", {{"1", 101}}}}), "'logit_bias' of token 1 is no number from -100 to 100");
  EXPECT_EQ(chat({{"functions", {1}}}), "'functions' is not supported");
  const auto format = [&](Answered asked) { return chat({{"response_format", std::move(asked)}}); };
  EXPECT_EQ(format(1), "'response_format' has no 'type'");
  EXPECT_EQ(format({{"type", "xml"}}),
            "'response_format' has the type 'xml': text, json_object and json_schema are supported");
  EXPECT_EQ(format({{"type", "json_schema"}, {"schema", true}}),
            "'response_format' of json_schema has no 'schema' in its 'json_schema'");
  EXPECT_EQ(format({{"type", "json_schema"}, {"json_schema", {{"schema", {{"$dynamicRef", "#a"}}}}}}).substr(0, 19),
            "'response_format': ");
  const auto complete = [&](const Answered& request) { return refused("/v1/completions", request); };
  EXPECT_EQ(complete(Answered::object()), "'prompt' is missing");
  EXPECT_EQ(complete({{"prompt", 1}}), "'prompt' is no text and no list of texts or tokens");
  EXPECT_EQ(complete({{"prompt", {1, "a"}}}), "'prompt' holds what is no text and no token");
  EXPECT_EQ(complete({{"prompt", std::vector<std::string>(129, "a")}}), "'prompt' has 129 texts, and 128 are the most");
  EXPECT_EQ(complete({{"prompt", "a"}, {"best_of", 3}}), "'best_of' other than 'n' is not supported");
  EXPECT_EQ(complete({{"prompt", {{1}, {77}}}}), "the prompt holds token 77, and there are 40");
  const auto plain = std::make_shared<LanguageModel>("plain", file_.path(), small());
  service_.add_task("/plain", chat_task(std::make_shared<const LanguageModels>(LanguageModels{plain})));
  EXPECT_EQ(refused("/plain", {{"messages", a}}), "model 'plain' has no chat template that is supported");
}

}  // namespace
}  // namespace monza::pipelines
