#include "pipelines/text_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "pipelines/row_runs.h"
#include "serve/request_error.h"

namespace monza::pipelines {
namespace {

/// Lengths are rounded up to a multiple of this, so that texts of several clients meet in one run.
constexpr std::size_t kLengthStep = 8;

void put(std::byte* at, DType dtype, std::size_t index, std::int64_t value) {
  if (dtype == DType::i64) {
    std::memcpy(at + index * sizeof value, &value, sizeof value);
  } else {
    const auto narrow = static_cast<std::int32_t>(value);
    std::memcpy(at + index * sizeof narrow, &narrow, sizeof narrow);
  }
}

}  // namespace

TextModel::TextModel(serve::Service& service, std::string name, text::Tokenizer tokenizer, PoolingOptions options)
    : service_(service),
      queue_(*service.model(name)),
      name_(std::move(name)),
      tokenizer_(std::move(tokenizer)),
      options_(options) {
  find_inputs();
  find_output();
}

void TextModel::find_inputs() {
  const auto& ports = queue_.model().inputs();
  const std::pair<std::string_view, Input::What> known[] = {{"input_ids", Input::What::tokens},
                                                            {"attention_mask", Input::What::mask},
                                                            {"token_type_ids", Input::What::types}};
  for (std::size_t k = 0; k < ports.size(); ++k) {
    const auto found =
        std::find_if(std::begin(known), std::end(known), [&](const auto& x) { return x.first == ports[k].name; });
    if (found == std::end(known) || ports[k].max.size() != 2 ||
        (ports[k].dtype != DType::i64 && ports[k].dtype != DType::i32))
      fail_hint("a model that takes input_ids, attention_mask and token_type_ids",
                "'{}' has a tokenizer beside it, and an input '{}' that is none of BERT's", name_, ports[k].name);
    inputs_.push_back({k, found->second});
  }
  const bool tokens =
      std::any_of(inputs_.begin(), inputs_.end(), [](const Input& i) { return i.what == Input::What::tokens; });
  if (!tokens) fail("'{}' has a tokenizer beside it, and no input 'input_ids'", name_);
  least_tokens_ = static_cast<std::size_t>(ports[0].min[1]);
  most_tokens_ = static_cast<std::size_t>(ports[0].max[1]);
  if (options_.max_tokens > 0) most_tokens_ = std::max(least_tokens_, std::min(most_tokens_, options_.max_tokens));
}

void TextModel::find_output() {
  const auto& ports = queue_.model().outputs();
  // What pools by itself is preferred to what is to be pooled.
  for (const std::size_t rank : {std::size_t{2}, std::size_t{3}})
    for (std::size_t k = 0; k < ports.size(); ++k) {
      const serve::Port& port = ports[k];
      if (port.dtype != DType::f32 || port.max.size() != rank || port.min.back() != port.max.back()) continue;
      if (rank == 2 && ports.size() > 1 && port.name != "sentence_embedding" && port.name != "logits") continue;
      output_ = k;
      size_ = static_cast<std::size_t>(port.max.back());
      by_token_ = rank == 3;
      return;
    }
  fail("'{}' has a tokenizer beside it, and no output of floats for tokens or texts", name_);
}

text::Encoding TextModel::encode(std::string_view text) const {
  try {
    return tokenizer_.encode(text, true, most_tokens_);
  } catch (const Error& e) {
    serve::fail_with(400, "{}", e.fact());
  }
}

text::Encoding TextModel::encode_pair(std::string_view first, std::string_view second) const {
  try {
    return tokenizer_.encode_pair(first, second, most_tokens_);
  } catch (const Error& e) {
    serve::fail_with(400, "{}", e.fact());
  }
}

text::Encoding TextModel::take(std::vector<text::Token> tokens) const {
  if (tokens.empty() || tokens.size() > most_tokens_)
    serve::fail_with(400, "an input has {} tokens: the model takes 1 to {}", tokens.size(), most_tokens_);
  for (const text::Token token : tokens)
    if (!tokenizer_.contains(token)) serve::fail_with(400, "{} is no token of the model", token);
  std::vector<std::uint8_t> types(tokens.size());
  return {std::move(tokens), std::move(types)};
}

void TextModel::fill(const serve::Slot& slot, const std::vector<text::Encoding>& texts,
                     std::span<const std::size_t> rows, std::size_t length) const {
  for (const Input& input : inputs_) {
    const std::span<std::byte> place = slot.input(input.index);
    const DType dtype = queue_.model().inputs()[input.index].dtype;
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const text::Encoding& one = texts[rows[r]];
      for (std::size_t i = 0; i < length; ++i) {
        const bool in = i < one.tokens.size();
        const std::int64_t value = !in                                 ? 0
                                   : input.what == Input::What::tokens ? one.tokens[i]
                                   : input.what == Input::What::types  ? one.types[i]
                                                                       : 1;
        put(place.data(), dtype, r * length + i, value);
      }
    }
  }
}

void TextModel::pool(const serve::Slot& slot, const std::vector<text::Encoding>& texts,
                     std::span<const std::size_t> rows, std::size_t length,
                     std::vector<std::vector<float>>& vectors) const {
  const auto* values = reinterpret_cast<const float*>(slot.outputs[output_].data);
  const std::size_t stride = by_token_ ? length * size_ : size_;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const float* row = values + r * stride;
    std::vector<float>& vector = vectors[rows[r]];
    const std::size_t tokens = by_token_ && options_.pooling == Pooling::mean ? texts[rows[r]].tokens.size() : 1;
    std::vector<double> sum(size_);
    for (std::size_t t = 0; t < tokens; ++t)
      for (std::size_t i = 0; i < size_; ++i) sum[i] += static_cast<double>(row[t * size_ + i]);
    double squares = 0;
    for (double& x : sum) {
      x /= static_cast<double>(tokens);
      squares += x * x;
    }
    const double scale = options_.normalize && !scores_pairs() ? 1 / std::max(std::sqrt(squares), 1e-12) : 1;
    for (const double x : sum) vector.push_back(static_cast<float>(x * scale));
  }
}

std::vector<std::vector<float>> TextModel::run(const std::vector<text::Encoding>& texts) const {
  std::vector<std::size_t> order(texts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return texts[a].tokens.size() < texts[b].tokens.size(); });
  std::vector<std::vector<float>> vectors(texts.size());
  std::vector<RowGroup> groups;
  const auto most_rows = static_cast<std::size_t>(queue_.model().max_rows());
  for (std::size_t at = 0; at < order.size(); at += most_rows) {
    const std::span<const std::size_t> rows = std::span(order).subspan(at, std::min(most_rows, order.size() - at));
    const std::size_t longest = texts[rows.back()].tokens.size();
    const std::size_t rounded = (longest + kLengthStep - 1) / kLengthStep * kLengthStep;
    const std::size_t length = std::max(least_tokens_, std::max(longest, std::min(rounded, most_tokens_)));
    RowGroup group;
    for (const serve::Port& port : queue_.model().inputs())
      group.request.inputs.push_back(
          row_input(port, static_cast<std::int64_t>(rows.size()), {static_cast<std::int64_t>(length)}));
    group.fill = [this, &texts, rows, length](const serve::Slot& slot) { fill(slot, texts, rows, length); };
    group.use = [this, &texts, &vectors, rows, length](const serve::Slot& slot) {
      pool(slot, texts, rows, length, vectors);
    };
    groups.push_back(std::move(group));
  }
  run_groups(service_.scheduler, queue_, groups);
  return vectors;
}

}  // namespace monza::pipelines
