// Many requests over one model: each as if it were alone, whatever comes, goes, and runs out of memory beside it.
#include "llm/generator.h"

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <random>
#include <thread>

#include "llm/generation_thread.h"
#include "llm/text_model.h"
#include "support/data.h"
#include "support/error_text.h"
#include "support/letters_model.h"
#include "support/memory_file.h"

namespace monza::llm {
namespace {

/// What came of each choice of a request.
struct Heard {
  std::map<int, std::vector<Token>> tokens;
  std::map<int, std::string> texts;
  std::map<int, EndReason> ends;
  std::vector<DrawnToken> drawn;  ///< of choice 0
  OnPiece listener() {
    return [this](const Piece& piece) {
      EXPECT_FALSE(ends.contains(piece.choice)) << "a piece behind the last";
      for (const DrawnToken& t : piece.tokens) {
        tokens[piece.choice].push_back(t.drawn.token);
        if (piece.choice == 0) drawn.push_back(t);
      }
      texts[piece.choice] += piece.text;
      if (piece.end) ends[piece.choice] = *piece.end;
      return true;
    };
  }
};

TokenModelOptions small(std::int64_t positions, int sequences) {
  TokenModelOptions o;
  o.build.io_types["state"] = DType::f16;
  o.build.tune = false;
  o.build.batch_invariant = true;
  o.threads = o.build.threads = 1;
  o.positions = positions;
  o.max_sequences = sequences;
  return o;
}

class Requests : public ::testing::Test {
 protected:
  void open(std::int64_t positions, int sequences, int prompt_tokens = 16) {
    model_ = std::make_unique<TextModel>(file_.path(), small(positions, sequences));
    generator_ = std::make_unique<Generator>(model_->tokens(), model_->model_tokenizer(),
                                             GeneratorOptions{.prompt_tokens = prompt_tokens});
  }
  void finish() {
    while (generator_->step()) {
    }
  }
  /// Without a request, all memory is free once the tree has none.
  void expect_all_free() {
    EXPECT_EQ(generator_->counts().running, 0);
    EXPECT_EQ(generator_->counts().waiting, 0);
    generator_->clear_cache();
    EXPECT_EQ(generator_->cached_pages(), 0);
    EXPECT_EQ(model_->tokens().free_pages(), all_pages());
  }
  std::int32_t all_pages() {
    const auto& m = model_->tokens();
    return static_cast<std::int32_t>((m.positions() + TokenModel::kPage - 1) / TokenModel::kPage) + m.max_sequences();
  }
  static GenerationRequest request(std::vector<Token> prompt, int max_tokens, std::uint64_t seed = 1) {
    GenerationRequest r{std::move(prompt), {}, 1, -1};
    r.options.max_tokens = max_tokens;
    r.options.to_the_end = true;
    r.options.sampling = {.temperature = 1, .seed = seed};
    return r;
  }

  const std::string bytes_ = test::letters_model();
  const test::MemoryFile file_{std::as_bytes(std::span(bytes_))};
  std::unique_ptr<TextModel> model_;
  std::unique_ptr<Generator> generator_;
};

std::vector<Token> letters(int count, int seed) {
  std::mt19937 random(static_cast<unsigned>(seed));
  std::vector<Token> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(static_cast<Token>(random() % 26));
  return tokens;
}

TEST_F(Requests, AreAsEachAloneWhateverRunsBeside) {
  open(512, 8);
  std::vector<GenerationRequest> all;
  for (int i = 0; i < 20; ++i) all.push_back(request(letters(1 + i * 7 % 90, i), 5 + i % 17, 100 + i));
  std::vector<Heard> alone(all.size()), together(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    generator_->clear_cache();
    (void)generator_->add(all[i], alone[i].listener());
    finish();
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto r = all[i];
    r.likeliest = 2;
    (void)generator_->add(r, together[i].listener());
    if (i % 3 == 0) (void)generator_->step();
  }
  finish();
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(together[i].tokens, alone[i].tokens) << i;
    EXPECT_EQ(together[i].texts, alone[i].texts) << i;
    EXPECT_EQ(together[i].ends[0], EndReason::length);
  }
  // The probabilities, too, to the last bit: again beside nothing.
  Heard again;
  auto r = all[5];
  r.likeliest = 2;
  (void)generator_->add(r, again.listener());
  finish();
  ASSERT_EQ(again.drawn.size(), together[5].drawn.size());
  for (std::size_t i = 0; i < again.drawn.size(); ++i) {
    EXPECT_EQ(again.drawn[i].drawn.log_probability, together[5].drawn[i].drawn.log_probability) << i;
    ASSERT_EQ(again.drawn[i].likeliest.size(), 2u);
    EXPECT_EQ(again.drawn[i].likeliest[0].token, together[5].drawn[i].likeliest[0].token);
    EXPECT_GE(again.drawn[i].likeliest[0].log_probability, again.drawn[i].likeliest[1].log_probability);
    EXPECT_LE(again.drawn[i].drawn.log_probability, again.drawn[i].likeliest[0].log_probability);
  }
  expect_all_free();
}

TEST_F(Requests, TakePagesAndGiveThemBack) {
  // Memory for about two of the eight that may run: rows are preempted and computed again.
  open(96, 8);
  std::vector<GenerationRequest> all;
  for (int i = 0; i < 12; ++i) all.push_back(request(letters(40, i), 40, 7 + i));
  std::vector<Heard> alone(all.size()), together(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    generator_->clear_cache();
    (void)generator_->add(all[i], alone[i].listener());
    finish();
  }
  for (std::size_t i = 0; i < all.size(); ++i) (void)generator_->add(all[i], together[i].listener());
  finish();
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(together[i].tokens, alone[i].tokens) << i;
  EXPECT_GT(generator_->counts().preempted, 0);
  expect_all_free();
}

TEST_F(Requests, ShareWhatTheyBeginWith) {
  open(512, 4);
  const std::vector<Token> system = letters(100, 1);
  std::vector<Token> first = system, second = system;
  for (const Token t : letters(10, 2)) first.push_back(t);
  for (const Token t : letters(10, 3)) second.push_back(t);
  Heard a, b, c;
  (void)generator_->add(request(first, 10), a.listener());
  finish();
  EXPECT_EQ(generator_->counts().cached_tokens, 0);
  (void)generator_->add(request(second, 10), b.listener());
  finish();
  EXPECT_EQ(generator_->counts().cached_tokens, 96);  // whole pages of what both have
  // What was written is part of it.
  std::vector<Token> third = first;
  for (const Token t : a.tokens[0]) third.push_back(t);
  (void)generator_->add(request(third, 10), c.listener());
  finish();
  EXPECT_EQ(generator_->counts().cached_tokens, 96 + 112);
  generator_->clear_cache();
  Heard fresh;
  (void)generator_->add(request(second, 10), fresh.listener());
  finish();
  EXPECT_EQ(fresh.tokens, b.tokens);
  expect_all_free();
}

TEST_F(Requests, Fork) {
  open(256, 3);
  auto r = request(letters(33, 5), 12, 40);
  r.choices = 5;
  Heard forked;
  (void)generator_->add(r, forked.listener());
  finish();
  EXPECT_EQ(generator_->counts().prompt_tokens, 33);
  ASSERT_EQ(forked.tokens.size(), 5u);
  for (int i = 0; i < 5; ++i) {
    Heard one;
    (void)generator_->add(request(letters(33, 5), 12, 40 + static_cast<std::uint64_t>(i)), one.listener());
    finish();
    EXPECT_EQ(forked.tokens[i], one.tokens[0]) << i;
    EXPECT_EQ(forked.ends[i], EndReason::length);
  }
  expect_all_free();
}

TEST_F(Requests, AreCancelled) {
  open(256, 2);
  Heard runs, waits, goes_on;
  const auto first = generator_->add(request(letters(20, 1), 100), runs.listener());
  (void)generator_->add(request(letters(20, 2), 30), goes_on.listener());
  auto several = request(letters(20, 3), 100);
  several.choices = 3;
  const auto third = generator_->add(several, waits.listener());
  for (int i = 0; i < 5; ++i) (void)generator_->step();
  generator_->cancel(first), generator_->cancel(third), generator_->cancel(999);
  finish();
  EXPECT_EQ(runs.ends[0], EndReason::cancelled);
  EXPECT_LT(runs.tokens[0].size(), 10u);
  EXPECT_EQ(waits.ends.size(), 3u);
  EXPECT_EQ(waits.ends[2], EndReason::cancelled);
  EXPECT_TRUE(waits.tokens[0].empty());
  EXPECT_EQ(goes_on.tokens[0].size(), 30u);
  expect_all_free();
}

TEST_F(Requests, AThousandLeaveNoPage) {
  open(160, 6, 24);
  std::mt19937 random(11);
  const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
  std::vector<Heard> heard(1000);
  std::vector<Generator::Id> ids;
  std::size_t choices = 0;
  for (std::size_t i = 0; i < heard.size(); ++i) {
    auto r = request(letters(1 + below(100), below(6)), 1 + below(20), i);
    if (below(8) == 0) r.choices = 1 + below(4);
    choices += static_cast<std::size_t>(r.choices);
    ids.push_back(generator_->add(r, heard[i].listener()));
    for (int s = below(12); s > 0; --s) (void)generator_->step();
    if (below(5) == 0) generator_->cancel(ids[static_cast<std::size_t>(below(static_cast<unsigned>(ids.size())))]);
  }
  finish();
  std::size_t ended = 0;
  for (const Heard& h : heard) {
    for (const auto& [choice, reason] : h.ends) EXPECT_NE(reason, EndReason::failed);
    ended += h.ends.size();
  }
  EXPECT_EQ(ended, choices);
  expect_all_free();
}

TEST_F(Requests, TakeAMask) {
  /// The letters of a word, over and over.
  class Word final : public TokenMask {
   public:
    void apply(std::span<float> logits) override {
      for (std::size_t i = 0; i < logits.size(); ++i)
        if (static_cast<Token>(i) != static_cast<Token>(at_ % 3)) logits[i] = -INFINITY;
    }
    void accept(Token) override { ++at_; }

   private:
    int at_ = 0;
  };
  open(128, 2);
  auto r = request(letters(3, 1), 7);
  r.options.mask = [] { return std::make_unique<Word>(); };
  Heard heard;
  (void)generator_->add(r, heard.listener());
  finish();
  EXPECT_EQ(heard.tokens[0], (std::vector<Token>{0, 1, 2, 0, 1, 2, 0}));
}

TEST_F(Requests, AreRefused) {
  open(64, 2);
  const auto said = [&](const GenerationRequest& r) {
    return test::error_of([&] { (void)generator_->add(r, [](const Piece&) { return true; }); });
  };
  EXPECT_EQ(said(request({}, 5)), "the prompt has no tokens\n  try: a prompt of a character at least");
  EXPECT_EQ(said(request({1, 40000}, 5)), "the prompt holds token 40000, and there are 40");
  EXPECT_EQ(
      said(request(letters(64, 1), 5)),
      "the prompt has 64 tokens, and with what follows there is room for 64\n  try: a shorter prompt, or a larger "
      "context");
  EXPECT_EQ(said(request({1}, 0)), "max_tokens is 0, below 1");
  auto many = request({1}, 5);
  many.choices = 1000;
  EXPECT_EQ(said(many), "choices are 1000, not 1 to 128");
  Heard full;
  (void)generator_->add(request(letters(60, 1), 50), full.listener());
  finish();
  EXPECT_EQ(full.tokens[0].size(), 4u);
  EXPECT_EQ(full.ends[0], EndReason::length);
}

TEST_F(Requests, ComeFromManyThreads) {
  open(256, 4);
  std::atomic<int> ended{0}, cancelled{0};
  {
    GenerationThread thread(model_->tokens(), model_->model_tokenizer());
    std::vector<std::thread> clients;
    for (int c = 0; c < 4; ++c)
      clients.emplace_back([&, c] {
        for (int i = 0; i < 20; ++i) {
          auto over = std::make_shared<std::promise<EndReason>>();
          auto result = over->get_future();
          const auto id = thread.add(request(letters(20 + i, c), 15), [over](const Piece& piece) {
            if (piece.end) over->set_value(*piece.end);
            return true;
          });
          if (i % 4 == 0) thread.cancel(id);
          ++(result.get() == EndReason::cancelled ? cancelled : ended);
        }
      });
    for (std::thread& client : clients) client.join();
    // What has not ended when the thread ends is cancelled.
    (void)thread.add(request(letters(5, 1), 200), [&](const Piece& piece) {
      if (piece.end == EndReason::cancelled) ++cancelled;
      return true;
    });
  }
  EXPECT_EQ(ended + cancelled, 81);
  EXPECT_GE(ended, 60);
  EXPECT_GE(cancelled, 1);
  expect_all_free();
}

TEST(TinyStories, IsTheSameToTheLastBitInAnyBatch) {
  MONZA_NEED_SHARED(path, "models/llm/TinyStories-656K-Q8_0.gguf");
  TextModel model(path.string(), small(512, 8));
  Generator generator(model.tokens(), model.model_tokenizer(), {.prompt_tokens = 8});
  std::vector<Heard> alone(8), together(8);
  const auto ask = [&](std::size_t i, Heard& heard) {
    const std::string text =
        std::string("Once upon a time, there was a little girl named Lily. She liked").substr(i * 5);
    GenerationRequest r{model.tokenizer().encode(text).tokens, {}, 1, 1};
    r.options.max_tokens = 20;
    r.options.to_the_end = true;
    (void)generator.add(r, heard.listener());
  };
  for (std::size_t i = 0; i < 8; ++i) {
    generator.clear_cache();
    ask(i, alone[i]);
    while (generator.step()) {
    }
  }
  generator.clear_cache();
  for (std::size_t i = 0; i < 8; ++i) ask(i, together[i]), (void)generator.step();
  while (generator.step()) {
  }
  for (std::size_t i = 0; i < 8; ++i) {
    ASSERT_EQ(together[i].tokens, alone[i].tokens) << i;
    for (std::size_t t = 0; t < alone[i].drawn.size(); ++t)
      EXPECT_EQ(together[i].drawn[t].drawn.log_probability, alone[i].drawn[t].drawn.log_probability) << i << ", " << t;
  }
}

}  // namespace
}  // namespace monza::llm
