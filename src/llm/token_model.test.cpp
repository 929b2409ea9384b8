// A real model against what llama.cpp computed: likelihoods of every token, the greedy continuation, and the same in a
// batch.
#include "llm/token_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support/data.h"
#include "support/engine_from_text.h"
#include "support/error_text.h"
#include "support/gguf_writer.h"
#include "support/memory_file.h"
#include "support/temporary.h"

namespace monza::llm {
namespace {

// ../shared/data/llm/golden-tinystories-656k.json, computed with keys and values in f32.
const std::vector<Token> kText = {1,    80,   147,  201,  282, 215, 286, 158, 420,  177,
                                  1168, 1662, 1083, 1584, 872, 615, 242, 614, 1714, 10};
const std::vector<double> kLoss = {11.651417, 11.56949, 0.019451, 0.011614, 0.051516, 0.238125, 5.356997,
                                   11.061289, 2.338334, 4.497875, 0.792035, 3.431152, 2.639814, 4.647094,
                                   0.235251,  0.488314, 1.771542, 4.839844, 12.868511};
const std::vector<Token> kGreedy = {208, 183, 209, 210, 2};

TokenModelOptions options(DType state) {
  TokenModelOptions o;
  o.build.io_types["state"] = state;
  o.build.tune = false;
  o.threads = o.build.threads = 2;
  o.positions = 256;
  return o;
}

TEST(TokenModel, TinyStories) {
  MONZA_NEED_SHARED(path, "models/llm/TinyStories-656K-Q8_0.gguf");
  TokenModel model(path.string(), options(DType::f32));
  const auto vocabulary = static_cast<std::size_t>(model.vocabulary());
  ASSERT_EQ(vocabulary, 2048u);

  Sequence whole = model.create();
  const TokenRun all{&whole, kText, static_cast<int>(kText.size())};
  const std::span<const float> logits = model.run({&all, 1});
  ASSERT_EQ(logits.size(), kText.size() * vocabulary);
  // llama.cpp rounds what it multiplies to 8 bits, and a model of this size feels it.
  double loss = 0, want = 0;
  for (std::size_t i = 0; i + 1 < kText.size(); ++i) {
    const double mine = -log_probability(logits.subspan(i * vocabulary, vocabulary), kText[i + 1]);
    EXPECT_NEAR(mine, kLoss[i], 0.04 * kLoss[i] + 0.01) << "token " << i + 1;
    loss += mine, want += kLoss[i];
  }
  EXPECT_NEAR(loss, want, 0.005 * want);
  const std::vector<float> last(logits.end() - static_cast<std::ptrdiff_t>(vocabulary), logits.end());

  // Token by token the same, as near as products of other sizes round.
  Sequence single = model.create();
  std::span<const float> one;
  for (const Token& t : kText) one = model.append(single, {&t, 1});
  for (std::size_t i = 0; i < vocabulary; ++i) EXPECT_NEAR(one[i], last[i], 1e-3) << i;

  Token next = likeliest(last);
  for (const Token want : kGreedy) {
    EXPECT_EQ(next, want);
    next = likeliest(model.append(whole, {&next, 1}));
  }
}

TEST(TokenModel, ManySequencesAsEachAlone) {
  const std::string bytes = test::tiny_decoder("llama").bytes();
  const test::MemoryFile file(std::as_bytes(std::span(bytes)));
  TokenModelOptions o = options(DType::f16);
  o.max_sequences = 4;
  TokenModel model(file.path(), o);
  const std::vector<std::vector<Token>> texts = {{1, 2, 3}, {7}, {9, 8, 7, 6, 5}};
  std::vector<std::vector<float>> alone;
  for (const auto& text : texts) {
    Sequence sequence = model.create();
    const std::span<const float> logits = model.append(sequence, text);
    alone.emplace_back(logits.begin(), logits.end());
  }
  std::vector<Sequence> sequences;
  for (std::size_t i = 0; i < texts.size(); ++i) sequences.push_back(model.create());
  std::vector<TokenRun> batch;
  for (std::size_t i = 0; i < texts.size(); ++i) batch.push_back({&sequences[i], texts[i], 1});
  const std::span<const float> all = model.run(batch);
  const auto vocabulary = static_cast<std::size_t>(model.vocabulary());
  ASSERT_EQ(all.size(), texts.size() * vocabulary);
  for (std::size_t i = 0; i < texts.size(); ++i)
    for (std::size_t v = 0; v < vocabulary; ++v)
      EXPECT_NEAR(all[i * vocabulary + v], alone[i][v], 1e-4) << "sequence " << i << ", token " << v;
}

TEST(TokenModel, SaysWhatItCannotDo) {
  const std::string bytes = test::tiny_decoder("llama").bytes();
  const test::MemoryFile file(std::as_bytes(std::span(bytes)));
  TokenModelOptions o = options(DType::f16);
  o.positions = 20;
  TokenModel model(file.path(), o);
  Sequence sequence = model.create();
  EXPECT_EQ(test::error_of([&] { (void)model.append(sequence, {}); }), "no tokens are given");
  const std::vector<Token> many(21, 3), outside = {40};
  EXPECT_NE(test::error_of([&] { (void)model.append(sequence, many); }), "");
  EXPECT_NE(test::error_of([&] { (void)model.append(sequence, outside); }), "");
  EXPECT_EQ(sequence.length(), 0);
  const test::MemoryFile picture(std::as_bytes(std::span(std::string_view("\x89PNG"))));
  EXPECT_NE(test::error_of([&] { TokenModel none(picture.path(), o); }), "");
}

TEST(TokenModel, RefusesOtherEngines) {
  const test::TemporaryFolder folder;
  const std::string path = folder.path() + "/other.engine";
  TokenModelOptions o = options(DType::f16);
  o.threads = 1;
  const auto said = [&](const std::string& text) {
    test::engine_from_text(text).engine.save(path);
    return test::error_of([&] { TokenModel none(path, o); });
  };
  EXPECT_EQ(said("graph \"main\" (%x: f32[2]) {\n  %y = Relu(%x)\n  return (y: %y)\n}"),
            "this is no language model: it has no input 'tokens' of tokens\n  try: a GGUF file or folder of a language "
            "model, or "
            "an engine that was built from one");
  EXPECT_EQ(said("graph \"main\" (%tokens: i64[2], %positions: i64[2], %rows: i64[2]) {\n"
                 "  %y = Add(%tokens, %positions)\n  %z = Add(%y, %rows)\n  return (y: %z)\n}"),
            "this is no language model: its output is not 'logits' alone");
}

}  // namespace
}  // namespace monza::llm
