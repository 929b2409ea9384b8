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
