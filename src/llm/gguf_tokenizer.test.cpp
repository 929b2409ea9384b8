// Tokenizers of real GGUF files against the tokens that llama.cpp gives, and what is said of damaged ones.
#include "llm/gguf_tokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "support/data.h"
#include "support/error_text.h"
#include "support/gguf_writer.h"
#include "support/memory_file.h"

namespace monza::llm {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Vectors : public ::testing::TestWithParam<const char*> {};

TEST_P(Vectors, AreMet) {
  const std::string name = std::string("models/tokenizers/vectors/ggml-vocab-") + GetParam() + ".gguf";
  MONZA_NEED_SHARED(path, name);
  const ModelTokenizer model = gguf_tokenizer(*gguf::File::open(path));
  const std::string texts = read(path.string() + ".inp");
  std::istringstream wanted(read(path.string() + ".out"));
  constexpr std::string_view kBetween = "\n__ggml_vocab_test__\n";
  int count = 0;
  for (std::size_t at = 0; at < texts.size(); ++count) {
    const std::size_t end = std::min(texts.find(kBetween, at), texts.size());
    const std::string text = texts.substr(at, end - at);
    at = end + kBetween.size();
    std::string line;
    ASSERT_TRUE(std::getline(wanted, line)) << "more texts than lists of tokens";
    std::istringstream numbers(line);
    const std::vector<Token> want{std::istream_iterator<Token>(numbers), {}};
    EXPECT_EQ(model.tokenizer.encode(text, false).tokens, want) << "'" << text << "'";
  }
  EXPECT_GT(count, 40);
}
INSTANTIATE_TEST_SUITE_P(GgufTokenizer, Vectors, ::testing::Values("gpt-2", "llama-spm", "qwen35"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

using Words = std::vector<std::string>;

std::string refusal(const test::GgufWriter& writer) {
  const std::string bytes = writer.bytes();
  const test::MemoryFile file(std::as_bytes(std::span(bytes)));
  std::string said = test::error_of([&] { (void)gguf_tokenizer(*gguf::File::open(file.path())); });
  const std::string place = "GGUF file '" + file.path() + "': ";
  return said.starts_with(place) ? said.substr(place.size()) : said;
}
test::GgufWriter with(const char* model, const Words& tokens) {
  test::GgufWriter w;
  w.set("tokenizer.ggml.model", model).set("tokenizer.ggml.tokens", tokens);
  return w;
}

TEST(GgufTokenizer, SaysWhatIsWrong) {
  const Words abc = {"a", "b", "ab"};
  EXPECT_EQ(refusal(test::GgufWriter().set("x", 1u)), "its tokenizer lacks 'tokenizer.ggml.tokens'");
  EXPECT_EQ(refusal(with("gpt2", {})), "its tokenizer has 0 tokens");
  EXPECT_EQ(refusal(with("rwkv", abc)),
            "its tokenizer is 'rwkv', which is not supported\n  try: a model with SentencePiece's tokenizer (llama) or "
            "byte-level BPE (gpt2)");
  EXPECT_EQ(
      refusal(with("gpt2", abc).set("tokenizer.ggml.pre", "klingon")),
      "its tokenizer splits texts as 'klingon' does, which is not supported\n  try: a model whose tokenizer splits "
      "as one of these: gpt-2, llama-bpe, qwen2, qwen35");
  EXPECT_EQ(refusal(with("gpt2", abc).set("tokenizer.ggml.token_type", std::vector<std::int32_t>{1, 1})),
            "its tokenizer has 3 tokens and the types of 2");
  EXPECT_EQ(refusal(with("gpt2", abc).set("tokenizer.ggml.merges", Words{"ab"})),
            "its tokenizer has the merge 'ab', which is no pair of tokens");
  EXPECT_EQ(refusal(with("gpt2", abc).set("tokenizer.ggml.merges", Words{"a c"})),
            "its tokenizer has the merge 'a c', which names what is no token");
  EXPECT_EQ(refusal(with("llama", abc).set("tokenizer.ggml.scores", std::vector<float>{1, 2})),
            "its tokenizer has 3 tokens and the scores of 2");
  EXPECT_EQ(
      refusal(with("gpt2", abc).set("tokenizer.ggml.merges", Words{"a b"}).set("tokenizer.ggml.eos_token_id", 3u)),
      "'tokenizer.ggml.eos_token_id' is 3, and there are 3 tokens");
  EXPECT_EQ(refusal(with("gpt2", abc).set("tokenizer.ggml.merges", Words{"a b"})), "");
}

}  // namespace
}  // namespace monza::llm
