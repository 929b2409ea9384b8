// Tokenizers that become GGUF's metadata give the tokens that they gave.
#include "checkpoint/tokenizer_metadata.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "gguf/file.h"
#include "gguf/writer.h"
#include "llm/gguf_tokenizer.h"
#include "support/data.h"
#include "support/error_text.h"
#include "support/temporary.h"

namespace monza::llm {
namespace {

TEST(TokenizerMetadata, GivesTheSameTokens) {
  const char* texts[] = {"Hello, world!",
                         "It's 12345 o'clock\n\n  and  so on.",
                         "caf\xc3\xa9 \xe4\xb8\xad\xe6\x96\x87",
                         "def f(x):\n\treturn x ** 2  # \xf0\x9f\x98\x80",
                         "<|endoftext|> a <s> b",
                         " ",
                         "x"};
  for (const char* name : {"gpt2", "llama2", "llama3_2", "qwen2_5"}) {
    SCOPED_TRACE(name);
    MONZA_NEED_SHARED(path, std::string("models/tokenizers/") + name + ".json");
    const test::TemporaryFolder folder;
    std::filesystem::copy(path, folder / "tokenizer.json");
    const auto own = text::Tokenizer::open(folder.path());
    const auto file =
        gguf::File::of_bytes(gguf::metadata_file(*checkpoint::tokenizer_metadata(folder.path())), "metadata");
    const ModelTokenizer made = gguf_tokenizer(*file);
    for (const char* text : texts) EXPECT_EQ(made.tokenizer.encode(text).tokens, own.encode(text).tokens) << text;
  }
}

TEST(TokenizerMetadata, SaysWhatGgufHasNoWordsFor) {
  const auto said = [](const nlohmann::json& changes) {
    nlohmann::json json = {{"model", {{"type", "BPE"}, {"vocab", {{"a", 0}, {"b", 1}}}, {"merges", {"a b"}}}},
                           {"pre_tokenizer", {{"type", "ByteLevel"}}}};
    json.merge_patch(changes);
    const test::TemporaryFolder folder;
    std::ofstream(folder / "tokenizer.json") << json.dump();
    std::string text = test::error_of([&] { (void)checkpoint::tokenizer_metadata(folder.path()); });
    const std::string before = "tokenizer '" + (folder / "tokenizer.json") + "': ";
    return text.starts_with(before) ? text.substr(before.size()) : text;
  };
  EXPECT_EQ(said(nlohmann::json::object()), "");
  EXPECT_EQ(said({{"model", {{"type", "WordPiece"}}}}), "only tokenizers of BPE can be said in GGUF's words");
  EXPECT_EQ(said({{"model", {{"vocab", nullptr}}}}), "'vocab' is missing");
  EXPECT_EQ(said({{"model", {{"vocab", {{"a", "x"}}}}}}), "a token's number is none");
  EXPECT_EQ(said({{"model", {{"vocab", {{"a", -1}}}}}}), "a token has the number -1");
  EXPECT_EQ(said({{"model", {{"merges", nullptr}}}}), "'merges' is missing");
  EXPECT_EQ(said({{"model", {{"merges", {"ab"}}}}}), "a merge is no pair of texts");
  EXPECT_EQ(said({{"pre_tokenizer", {{"type", "Whitespace"}}}}), "it splits texts in a way that GGUF has no name for");
}

}  // namespace
}  // namespace monza::llm
