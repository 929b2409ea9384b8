// Token sequences: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// TfIdfVectorizer(x [C] or [N, C], pool, indexes, weights?): counts of the pool's n-grams.
struct TfIdfParams {
  enum class Mode : std::int64_t { tf = 0, idf, tfidf };
  static constexpr int kMaxLengths = 16;
  Mode mode = Mode::tf;
  std::int64_t shortest = 1, longest = 1;    ///< lengths of n-grams counted
  std::int64_t most_skipped = 0;             ///< tokens left out between those of an n-gram
  std::int64_t lengths = 0;                  ///< lengths in the pool
  std::int64_t begin[kMaxLengths + 1] = {};  ///< where n-grams of length i + 1 begin in the pool; then its end
};

}  // namespace monza
