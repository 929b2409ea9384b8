// The public API of language models, on a tiny model of letters.
#include "monza/language_model.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "support/error_text.h"
#include "support/letters_model.h"
#include "support/memory_file.h"

namespace monza {
namespace {

class PublicModel : public ::testing::Test {
 protected:
  static LanguageModelOptions quick() {
    LanguageModelOptions o;
    o.build.batch_invariant = true;
    o.build.threads = o.threads = 1;
    o.positions = 1024;
    o.max_sequences = 4;
    return o;
  }
  const std::string bytes_ = test::letters_model();
  const test::MemoryFile file_{std::as_bytes(std::span(bytes_))};
  const LanguageModel model_{file_.path(), quick()};
};

TEST_F(PublicModel, WritesManyAtATimeAsOneByOne) {
  const std::vector<std::string> prompts = {"hello", "a", "monza.", "12345", "hell", "zzz"};
  std::vector<std::vector<std::int32_t>> alone;
  for (const std::string& prompt : prompts) alone.push_back(model_.generate(prompt, {.max_tokens = 12}).wait().tokens);
  std::vector<Generation> together;
  for (const std::string& prompt : prompts) together.push_back(model_.generate(prompt, {.max_tokens = 12}));
  for (std::size_t i = 0; i < prompts.size(); ++i) EXPECT_EQ(together[i].wait().tokens, alone[i]) << prompts[i];
}

TEST_F(PublicModel, GivesTextAsItComes) {
  std::string streamed;
  const Generation made = model_.generate("hello", {.max_tokens = 10}, [&](std::string_view text) {
    streamed += text;
    return true;
  });
  const GeneratedText& all = made.wait();
  EXPECT_TRUE(made.done());
  EXPECT_EQ(streamed, all.text);
  EXPECT_TRUE(all.end == GeneratedText::End::length || all.end == GeneratedText::End::end);
  EXPECT_EQ(model_.detokenize(all.tokens), all.text);
}

TEST_F(PublicModel, IsCancelledByWhoReadsAndByWhoWaits) {
  std::atomic<int> pieces = 0;
  const GenerationOptions longest{.max_tokens = 900, .bias = {{39, -1e9}}};  // the end never comes
  const Generation read = model_.generate("hello", longest, [&](std::string_view) { return ++pieces < 3; });
  EXPECT_EQ(read.wait().end, GeneratedText::End::cancelled);
  EXPECT_EQ(pieces, 3);
  const Generation waited = model_.generate("hello", longest);
  waited.cancel();
  EXPECT_EQ(waited.wait().end, GeneratedText::End::cancelled);
  EXPECT_LT(waited.wait().tokens.size(), 900u);
  waited.cancel();  // of what has ended: nothing
}

TEST_F(PublicModel, EndsWhatIsInWorkWithItself) {
  auto model = std::make_unique<LanguageModel>(file_.path(), quick());
  const Generation left = model->generate("hello", {.max_tokens = 900, .bias = {{39, -1e9}}});
  model.reset();
  EXPECT_EQ(left.wait().end, GeneratedText::End::cancelled);
  left.cancel();
}

TEST_F(PublicModel, RefusesWhatCannotBe) {
  EXPECT_NE(test::error_of([&] { (void)model_.generate(""); }), "");
  EXPECT_NE(test::error_of([&] { (void)model_.generate("a", {.temperature = -1}); }), "");
  EXPECT_EQ(test::error_of([&] { (void)model_.chat_prompt({}); }),
            "the model has no chat template\n  try: generate() with the prompt as it is");
  LanguageModelOptions none = quick();
  none.positions = 0;
  EXPECT_EQ(test::error_of([&] { LanguageModel(file_.path(), none); }),
            "a language model with 0 positions, 4 sequences and 1 threads: positive numbers are wanted, or 0 threads");
}

}  // namespace
}  // namespace monza
