// Every family from a model folder against the logits that transformers computed: at once, in chunks, token by token,
// and beside others in one run.
#include <gtest/gtest.h>

#include <cmath>

#include "decoder/encode_model.h"
#include "decoder/open_model.h"
#include "llm/token_model.h"
#include "support/model_folder.h"
#include "support/temporary.h"

namespace monza::llm {
namespace {

TokenModelOptions in_floats() {
  TokenModelOptions o;
  o.build.io_types["state"] = DType::f32;
  o.build.tune = false;
  o.build.threads = o.threads = 2;
  o.positions = 256;
  return o;
}

class FolderFamilies : public ::testing::TestWithParam<std::string> {
 protected:
  void expect_logits(std::span<const float> got, std::size_t begin, std::size_t count) const {
    const std::size_t width = model_.logits[0].size();
    ASSERT_EQ(got.size(), count * width);
    for (std::size_t i = 0; i < count * width; ++i)
      ASSERT_NEAR(got[i], model_.logits[begin + i / width][i % width], 1e-4 * largest())
          << "position " << begin + i / width << ", token " << i % width;
  }
  double largest() const {
    double most = 0;
    for (const auto& row : model_.logits)
      for (const float x : row) most = std::fmax(most, std::fabs(x));
    return most;
  }
  const test::FamilyModel model_ = test::family_model(GetParam());
};

TEST_P(FolderFamilies, AreTheSameAsGguf) {
  const test::TemporaryFolder folder;
  test::write_model_folder(folder.path(), model_);
  const std::string file = folder / "m.gguf";
  encode_model(*open_language_model(folder.path()), DType::f16, file);  // the weights are such floats
  TokenModel model(file, in_floats());
  Sequence sequence = model.create();
  const TokenRun all{&sequence, model_.prompt, static_cast<int>(model_.prompt.size())};
  expect_logits(model.run({&all, 1}), 0, model_.prompt.size());
}

TEST_P(FolderFamilies, AsTransformersHasThem) {
  const test::TemporaryFolder folder;
  test::write_model_folder(folder.path(), model_, GetParam() == "llama");
  TokenModel model(folder.path(), in_floats());
  const std::span<const Token> prompt(model_.prompt);
  for (const std::size_t chunk : {prompt.size(), std::size_t{7}, std::size_t{1}}) {
    SCOPED_TRACE(chunk);
    Sequence sequence = model.create();
    for (std::size_t begin = 0; begin < prompt.size(); begin += chunk) {
      const std::size_t n = std::min(chunk, prompt.size() - begin);
      const TokenRun part{&sequence, prompt.subspan(begin, n), static_cast<int>(n)};
      expect_logits(model.run({&part, 1}), begin, n);
      if (HasFatalFailure()) return;
    }
  }
  // Prompts of several lengths in one run, and what follows in the next.
  Sequence sequences[] = {model.create(), model.create(), model.create()};
  const std::size_t lengths[] = {1, 9, 17}, next[] = {6, 1, 3};
  std::vector<TokenRun> first, second;
  for (std::size_t i = 0; i < 3; ++i) {
    first.push_back({&sequences[i], prompt.first(lengths[i]), static_cast<int>(lengths[i])});
    second.push_back({&sequences[i], prompt.subspan(lengths[i], next[i]), static_cast<int>(next[i])});
  }
  const auto each = [&](std::span<const float> got, const std::vector<TokenRun>& runs, bool later) {
    const std::size_t width = model_.logits[0].size();
    for (std::size_t i = 0; i < 3; ++i) {
      const std::size_t n = runs[i].tokens.size();
      expect_logits(got.first(n * width), later ? lengths[i] : 0, n);
      got = got.subspan(n * width);
    }
  };
  each(model.run(first), first, false);
  each(model.run(second), second, true);
}
INSTANTIATE_TEST_SUITE_P(Transformers, FolderFamilies, ::testing::ValuesIn(test::family_models()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace monza::llm
