// A served model that takes tokens, with its tokenizer: texts in, vectors or scores out.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "serve/service.h"
#include "text/tokenizer.h"

namespace monza::pipelines {

enum class Pooling : std::uint8_t { mean, cls };

/// How the vectors of tokens become that of a text.
struct PoolingOptions {
  Pooling pooling = Pooling::mean;
  bool normalize = true;
  std::size_t max_tokens = 0;  ///< of a text; further ones are left out; 0: what the model takes
};

/// What the files of sentence-transformers beside a model say (modules.json, 1_Pooling/config.json,
/// sentence_bert_config.json); the defaults where they are missing. Throws Error for a pooling that is not supported.
PoolingOptions pooling_beside(const std::filesystem::path& folder);

/// Safe from any thread.
class TextModel {
 public:
  /// Throws Error when the model's inputs are none of BERT's (input_ids, attention_mask, token_type_ids), or it has no
  /// output of floats [rows, tokens, size] or [rows, size].
  TextModel(serve::Service& service, std::string name, text::Tokenizer tokenizer, PoolingOptions options);

  const std::string& name() const { return name_; }
  const text::Tokenizer& tokenizer() const { return tokenizer_; }
  /// Elements of a vector.
  std::size_t size() const { return size_; }
  /// Whether it gives a score for a pair of texts, not vectors: [rows, 1].
  bool scores_pairs() const { return size_ == 1; }

  /// A text as it enters the model. Throws RequestError 400 for one that the tokenizer refuses.
  text::Encoding encode(std::string_view text) const;
  text::Encoding encode_pair(std::string_view first, std::string_view second) const;
  /// Throws RequestError 400 for tokens that the model does not know, or that are too many.
  text::Encoding take(std::vector<text::Token> tokens) const;

  /// A vector of size() for each text. Texts of about the same length share runs. Throws RequestError.
  std::vector<std::vector<float>> run(const std::vector<text::Encoding>& texts) const;

 private:
  struct Input {
    std::size_t index;
    enum class What : std::uint8_t { tokens, mask, types } what;
  };
  void find_inputs();
  void find_output();
  void fill(const serve::Slot& slot, const std::vector<text::Encoding>& texts, std::span<const std::size_t> rows,
            std::size_t length) const;
  void pool(const serve::Slot& slot, const std::vector<text::Encoding>& texts, std::span<const std::size_t> rows,
            std::size_t length, std::vector<std::vector<float>>& vectors) const;

  serve::Service& service_;
  serve::ModelQueue& queue_;
  const std::string name_;
  const text::Tokenizer tokenizer_;
  const PoolingOptions options_;
  std::vector<Input> inputs_;  ///< by the model's input
  std::size_t output_ = 0, size_ = 0, least_tokens_ = 1, most_tokens_ = 0;
  bool by_token_ = false;  ///< the output has a vector for each token
};

}  // namespace monza::pipelines
