// What commands make of a language model's file, and of an engine that was built from it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/driver.h"
#include "support/letters_model.h"

namespace monza::test {
namespace {

using Answer = nlohmann::json;

class LanguageModels : public ::testing::Test {
 protected:
  LanguageModels() {
    tool_.write("m.gguf", letters_model());
    EXPECT_EQ(tool_.run("build m.gguf --no-tune -o m.engine").code, 0);
  }
  Answer answer(const std::string& arguments) const {
    const Ran ran = tool_.run(arguments);
    EXPECT_EQ(ran.code, 0) << arguments << "\n" << ran.err;
    return ran.code == 0 ? Answer::parse(ran.out) : Answer();
  }
  const Tool tool_;
};

TEST_F(LanguageModels, AreTakenAsFilesAndAsEngines) {
  for (const std::string& arguments : {std::string("tokenize %s --text hello --json"),
                                       std::string("generate %s --prompt hello --max-tokens 6 --json --threads 1")}) {
    Answer of[2];
    for (const bool engine : {false, true}) {
      std::string line = arguments;
      line.replace(line.find("%s"), 2, engine ? "m.engine" : "m.gguf");
      of[engine] = answer(line);
    }
    EXPECT_FALSE(of[0]["tokens"].empty());
    EXPECT_EQ(of[0]["tokens"], of[1]["tokens"]) << arguments;
    EXPECT_EQ(of[0].value("text", ""), of[1].value("text", ""));
  }
}

TEST_F(LanguageModels, AreWrittenInOtherEncodings) {
  const Answer before = answer("generate m.gguf --prompt hello --max-tokens 6 --json --threads 1");
  const Answer made = answer("quantize m.gguf --encoding f16 -o f16.gguf --json");
  EXPECT_EQ(made["encoding"], "f16");
  EXPECT_LT(made["file_bytes"], 0.6 * static_cast<double>(letters_model().size()));
  EXPECT_EQ(answer("generate f16.gguf --prompt hello --max-tokens 6 --json --threads 1")["tokens"].size(),
            before["tokens"].size());
  EXPECT_EQ(answer("tokenize f16.gguf --text hello --json"), answer("tokenize m.gguf --text hello --json"));
}

TEST_F(LanguageModels, Converse) {
  tool_.write("letters.jinja", "{% for m in messages %}{{ m.role[0] }}{{ m.content }}.{% endfor %}!");
  tool_.write("lines",
              "hello\nback\\\nslash\n/prompt\n/retry\n/save said.json\n/system ab\n/prompt\n/nothing\n/save\n"
              "/retry\n/template\n/exit\nnever\n");
  const std::string options = " m.gguf --chat-template letters.jinja --max-tokens 4 --threads 1 --system be ";
  const Ran ran = tool_.run_with("< lines", "chat" + options);
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Answer said = Answer::parse(tool_.read("said.json"))["messages"];
  ASSERT_EQ(said.size(), 5u);
  EXPECT_EQ(said[0], Answer({{"role", "system"}, {"content", "be"}}));
  EXPECT_EQ(said[3]["content"], "back\nslash");
  const std::string first = said[2]["content"];
  // What was answered, what the model was given, and what is left of it after /system.
  EXPECT_TRUE(ran.out.starts_with(first + "\n")) << ran.out;
  EXPECT_NE(ran.out.find("\nsbe.uhello.a" + first + ".uback\nslash.a"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("\nsab.!\n"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("{% for m in messages %}"), std::string::npos) << ran.out;
  EXPECT_NE(ran.err.find("first token after"), std::string::npos);
  EXPECT_NE(ran.err.find("there is no command '/nothing'\n  try: /help"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("/save needs the name of a file"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("there is no answer yet"), std::string::npos) << ran.err;

  const Answer once = answer("generate" + options + "--prompt hello --temperature 0.8 --top-k 40 --top-p 0.95 --json");
  EXPECT_EQ(once["text"], first);
  EXPECT_EQ(once["prompt_tokens"], 12);
  const Ran none = tool_.run("generate m.gguf --chat --prompt hello");
  EXPECT_EQ(
      none.err,
      "monza: error: 'm.gguf' has no chat template\n  try: --chat-template FILE with one in Jinja, or a model that was "
      "trained for conversations\n");
  tool_.write("bad.jinja", "{% if %}");
  EXPECT_NE(tool_.run("chat m.gguf --chat-template bad.jinja").err.find("the chat template: line 1: "),
            std::string::npos);
}

TEST_F(LanguageModels, RunLikeOtherModels) {
  for (const char* model : {"m.gguf", "m.engine"}) {
    const std::string name = model;
    ASSERT_EQ(tool_.run("run " + name + " -i tokens=7,4,11 --output out.npz --save-inputs").code, 0);
    EXPECT_EQ(tool_.run("run " + name + " --expect out.npz --repeat 3").code, 0) << "a run begins an empty sequence";
    const Answer ran = answer("run " + name + " -i tokens=7,4,11 -i rows=0,2 --json");
    EXPECT_EQ(ran["outputs"]["logits"]["shape"], Answer({2, 40}));
    EXPECT_EQ(tool_.run("profile " + name + " --no-ceilings --iterations 2").code, 0);
    EXPECT_EQ(tool_.run("explain " + name + " blk.0.mlp").code, 0);
  }
}

TEST_F(LanguageModels, AreMeasured) {
  for (const char* model : {"m.gguf", "m.engine"}) {
    const Answer told =
        answer("bench " + std::string(model) + " --prompt-tokens 20 --generate-tokens 5 --batch 3 --threads 1 --json");
    for (const char* number : {"prefill_tokens_per_s", "decode_tokens_per_s", "load_ms", "peak_rss_mib"})
      EXPECT_GT(told.value(number, 0.0), 0) << number;
    EXPECT_EQ(told["batch"], 3);
    EXPECT_EQ(told["threads"], 1);
  }
}

TEST_F(LanguageModels, AreInspected) {
  const Answer file = answer("inspect m.gguf --json");
  EXPECT_EQ(file["metadata"]["general.architecture"], "llama");
  EXPECT_EQ(file["metadata"]["tokenizer.ggml.tokens"].size(), 40u);
  std::int64_t bytes = 0, counted = 0;
  for (const Answer& tensor : file["tensors"]) bytes += tensor["bytes"].get<std::int64_t>();
  for (const Answer& encoding : file["encodings"]) counted += encoding["bytes"].get<std::int64_t>();
  EXPECT_GT(bytes, 0);
  EXPECT_EQ(counted, bytes);
  EXPECT_NE(tool_.run("inspect m.gguf").out.find("no chat template"), std::string::npos);
  EXPECT_NE(tool_.run("inspect m.gguf --plan").out.find("blk.0.mlp"), std::string::npos);
}

}  // namespace
}  // namespace monza::test
