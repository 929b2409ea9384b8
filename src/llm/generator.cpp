#include "llm/generator.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "llm/text_stream.h"

namespace monza::llm {

/// One continuation.
struct Generator::Row {
  Id id;
  std::shared_ptr<const GenerationRequest> request;
  std::shared_ptr<const OnPiece> on_piece;
  int choice;
  std::vector<Token> tokens;  ///< of the prompt, and drawn
  Sampler sampler;
  TextStream text;
  std::unique_ptr<TokenMask> mask;
  std::optional<Sequence> sequence = std::nullopt;  ///< none while it waits
  std::int64_t cached = 0;                          ///< of the prompt, when it was first begun
  std::size_t take = 0;                             ///< tokens of it in this step's run
  bool cancelled = false, ended = false, forked = false;

  std::size_t known() const { return sequence ? static_cast<std::size_t>(sequence->length()) : 0; }
  std::size_t left() const { return tokens.size() - known(); }
  bool draws() const { return left() == 1 && tokens.size() > request->prompt.size(); }
};

namespace {

/// The drawn token's chance, and those of the likeliest.
DrawnToken chances(std::span<const float> logits, Token token, int likeliest) {
  DrawnToken drawn{{token, static_cast<float>(log_probability(logits, token))}, {}};
  std::vector<Token> order(logits.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Token>(i);
  const auto count = std::min(order.size(), static_cast<std::size_t>(std::max(likeliest, 0)));
  const auto logit = [&](Token t) {
    const float x = logits[static_cast<std::size_t>(t)];
    return std::isnan(x) ? -INFINITY : x;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](Token a, Token b) { return logit(a) > logit(b) || (logit(a) == logit(b) && a < b); });
  const double base = drawn.drawn.log_probability - static_cast<double>(logits[static_cast<std::size_t>(token)]);
  for (std::size_t i = 0; i < count; ++i)
    drawn.likeliest.push_back({order[i], static_cast<float>(static_cast<double>(logit(order[i])) + base)});
  return drawn;
}

SamplingOptions of_choice(SamplingOptions options, int choice) {
  options.seed += static_cast<std::uint64_t>(choice);
  return options;
}

}  // namespace

Generator::Generator(TokenModel& model, const ModelTokenizer& tokenizer, const GeneratorOptions& options)
    : model_(model), tokenizer_(tokenizer), options_(options), tree_(TokenModel::kPage) {}
Generator::~Generator() = default;

Generator::Id Generator::add(GenerationRequest request, OnPiece on_piece) {
  check(request.options.sampling);
  if (request.prompt.empty()) fail_hint("a prompt of a character at least", "the prompt has no tokens");
  for (const Token t : request.prompt)
    if (t < 0 || t >= model_.vocabulary()) fail("the prompt holds token {}, and there are {}", t, model_.vocabulary());
  if (static_cast<std::int64_t>(request.prompt.size()) >= model_.positions())
    fail_hint("a shorter prompt, or a larger context",
              "the prompt has {} tokens, and with what follows there is room for {}", request.prompt.size(),
              model_.positions());
  if (request.options.max_tokens < 1) fail("max_tokens is {}, below 1", request.options.max_tokens);
  if (request.choices < 1 || request.choices > 128) fail("choices are {}, not 1 to 128", request.choices);
  const Id id = ++next_id_;
  const auto shared = std::make_shared<const GenerationRequest>(std::move(request));
  const auto& o = shared->options;
  // The first choice computes the prompt; the others begin where it ends (fork).
  auto row = std::make_unique<Row>(
      Row{id, shared, std::make_shared<const OnPiece>(std::move(on_piece)), 0, shared->prompt, Sampler(o.sampling),
          TextStream(tokenizer_.tokenizer, shared->prompt.back(), o.stop), o.mask ? o.mask() : nullptr});
  for (const Token t : shared->prompt) row->sampler.accept(t);
  waiting_.push_back(std::move(row));
  counts_.waiting.store(static_cast<std::int64_t>(waiting_.size()));
  return id;
}

void Generator::cancel(Id request) {
  for (Rows* rows : {&waiting_, &running_})
    for (const RowPtr& row : *rows)
      if (row->id == request) row->cancelled = true;
}

void Generator::cancel_all() {
  for (Rows* rows : {&waiting_, &running_})
    for (const RowPtr& row : *rows) row->cancelled = true;
}

void Generator::clear_cache() {
  while (tree_.evict()) {
  }
}

bool Generator::step() {
  drop_cancelled(waiting_), drop_cancelled(running_);
  sweep();
  admit();
  if (running_.empty()) return false;
  choose();
  if (chosen_.empty()) {  // the oldest row is alone, and finds no room: the pool is too small for it
    end(*running_.front(), EndReason::failed, {.error = "the memory of sequences is used up"});
  } else {
    try {
      run_chosen();
    } catch (const Error& e) {
      fail_all(e.what());
    }
  }
  sweep();
  return !running_.empty() || !waiting_.empty();
}

void Generator::drop_cancelled(Rows& rows) {
  for (const RowPtr& row : rows)
    if (row->cancelled) end(*row, EndReason::cancelled, {});
}

/// Forgets rows that have ended, and lets in those that were forked.
void Generator::sweep() {
  const auto ended = [](const RowPtr& row) { return row->ended; };
  waiting_.remove_if(ended), running_.remove_if(ended);
  waiting_.splice(waiting_.begin(), forks_);
  counts_.waiting.store(static_cast<std::int64_t>(waiting_.size()));
  counts_.running.store(static_cast<std::int64_t>(running_.size()));
}

void Generator::admit() {
  while (!starved_ && !waiting_.empty() && running_.size() < static_cast<std::size_t>(model_.max_sequences())) {
    Row& row = *waiting_.front();
    const auto pages = static_cast<std::int64_t>(row.tokens.size()) / TokenModel::kPage + 1;
    if (!row.sequence && !running_.empty() && pages > model_.free_pages() + tree_.pages()) break;
    if (!row.sequence) {
      row.sequence = tree_.find(std::span(row.tokens).first(row.tokens.size() - 1));
      if (!row.sequence) row.sequence = model_.create();
      counts_.cached_tokens += row.sequence->length();
      if (row.tokens.size() == row.request->prompt.size()) row.cached = row.sequence->length();
    }
    // By age, so that whoever is computed again comes before those that came later.
    auto place = running_.end();
    while (place != running_.begin() && (*std::prev(place))->id > row.id) --place;
    running_.splice(place, waiting_, waiting_.begin());
  }
}

/// Which rows run, and how many of their tokens: the drawing ones first, and the oldest.
void Generator::choose() {
  chosen_.clear();
  starved_ = false;
  for (const RowPtr& row : running_) row->take = 0;
  const auto drawing = std::count_if(running_.begin(), running_.end(), [](const RowPtr& r) { return r->draws(); });
  std::int64_t left =
      drawing > 0 ? std::min<std::int64_t>(options_.prompt_tokens, model_.chunk() - drawing) : model_.chunk();
  for (const bool prompts : {false, true})
    for (auto it = running_.begin(); it != running_.end(); ++it) {  // what is preempted stands behind it
      Row& row = **it;
      if (row.draws() == prompts || (prompts && left <= 0)) continue;
      const auto take = prompts ? std::min(static_cast<std::int64_t>(row.left()), left) : 1;
      if (!make_room(row, take)) {
        starved_ = true;
        continue;
      }
      row.take = static_cast<std::size_t>(take);
      chosen_.push_back(&row);
      if (prompts) left -= take;
    }
}

bool Generator::make_room(Row& row, std::int64_t positions) {
  for (;;) {
    if (row.sequence->reserve(positions)) return true;
    if (!tree_.evict() && !free_memory(row)) return false;
  }
}

/// Takes the memory of the youngest row that is younger than this one and not in the run; false where there is none.
bool Generator::free_memory(const Row& row) {
  for (auto it = waiting_.rbegin(); it != waiting_.rend(); ++it)
    if ((*it)->sequence) {
      (*it)->sequence.reset();
      ++counts_.preempted;
      return true;
    }
  for (auto it = running_.end(); it != running_.begin();) {
    --it;
    if (it->get() == &row) return false;
    if ((*it)->take > 0) continue;
    preempt(it);
    return true;
  }
  return false;
}

void Generator::preempt(Rows::iterator row) {
  (*row)->sequence.reset();
  ++counts_.preempted;
  waiting_.splice(waiting_.begin(), running_, row);
}

void Generator::run_chosen() {
  batch_.clear();
  for (Row* row : chosen_)
    batch_.push_back(
        {&*row->sequence, std::span(row->tokens).subspan(row->known(), row->take), row->take == row->left() ? 1 : 0});
  std::span<const float> logits = model_.run(batch_);
  ++counts_.steps;
  const auto vocabulary = static_cast<std::size_t>(model_.vocabulary());
  for (std::size_t i = 0; i < chosen_.size(); ++i) {
    Row& row = *chosen_[i];
    const bool prompt = row.tokens.size() == row.request->prompt.size();
    if (prompt) counts_.prompt_tokens += static_cast<std::int64_t>(row.take);
    if (batch_[i].wanted == 0) continue;
    const std::span<const float> mine = logits.first(vocabulary);
    logits = logits.subspan(vocabulary);
    if (prompt && row.choice == 0) fork(row, mine);
    draw(row, mine);
  }
}

/// The other choices of a request whose prompt is computed.
void Generator::fork(Row& row, std::span<const float> logits) {
  const auto& o = row.request->options;
  row.forked = true;
  for (int choice = 1; choice < row.request->choices; ++choice) {
    auto other = std::make_unique<Row>(
        Row{row.id, row.request, row.on_piece, choice, row.tokens, Sampler(of_choice(o.sampling, choice)),
            TextStream(tokenizer_.tokenizer, row.request->prompt.back(), o.stop), o.mask ? o.mask() : nullptr});
    for (const Token t : row.tokens) other->sampler.accept(t);
    other->sequence = row.sequence->fork();
    draw(*other, logits);
    if (!other->ended) forks_.push_back(std::move(other));
  }
}

void Generator::draw(Row& row, std::span<const float> logits) {
  try {
    draw_one(row, logits);
  } catch (const Error& e) {  // of its mask
    end(row, EndReason::failed, {.error = e.what()});
  }
}

void Generator::draw_one(Row& row, std::span<const float> logits) {
  std::span<const float> seen = logits;
  if (row.mask) {
    masked_.assign(logits.begin(), logits.end());
    row.mask->apply(masked_);
    seen = masked_;
  }
  const GenerationRequest& request = *row.request;
  const Token token = row.sampler.draw(seen);
  ++counts_.drawn_tokens;
  Piece piece;
  const auto& ends = tokenizer_.ends;
  if (!request.options.to_the_end && std::find(ends.begin(), ends.end(), token) != ends.end())
    return end(row, EndReason::end, std::move(piece));
  if (row.mask) row.mask->accept(token);
  row.sampler.accept(token);
  row.tokens.push_back(token);
  piece.tokens.push_back(request.likeliest < 0 ? DrawnToken{{token, 0}, {}}
                                               : chances(logits, token, request.likeliest));
  piece.text = row.text.add(token);
  piece.choice = row.choice;
  if (row.text.stopped()) return end(row, EndReason::stop, std::move(piece));
  if (row.mask && row.mask->complete()) return end(row, EndReason::end, std::move(piece));
  const std::size_t drawn = row.tokens.size() - request.prompt.size();
  if (drawn >= static_cast<std::size_t>(request.options.max_tokens) ||
      row.tokens.size() >= static_cast<std::size_t>(model_.positions()))
    return end(row, EndReason::length, std::move(piece));
  if (!(*row.on_piece)(piece)) end(row, EndReason::cancelled, {});
}

/// The last piece, with the text that was held back; what was computed goes to the tree.
void Generator::end(Row& row, EndReason reason, Piece piece) {
  row.ended = true;
  piece.choice = row.choice;
  piece.end = reason;
  piece.cached_tokens = row.cached;
  if (reason == EndReason::length || reason == EndReason::end) {
    piece.text += row.text.finish();
    if (row.text.stopped()) piece.end = EndReason::stop;
  }
  if (row.sequence && reason != EndReason::failed) {
    const auto past = std::span(row.tokens).first(row.known());
    tree_.insert(past, std::move(*row.sequence));
  }
  row.sequence.reset();
  (void)(*row.on_piece)(piece);
  if (row.choice > 0 || row.forked) return;
  for (int choice = 1; choice < row.request->choices; ++choice)  // never begun
    (void)(*row.on_piece)({.choice = choice, .end = reason, .error = piece.error});
}

void Generator::fail_all(const std::string& why) {
  for (const RowPtr& row : running_)
    if (!row->ended) end(*row, EndReason::failed, {.error = why});
}

}  // namespace monza::llm
