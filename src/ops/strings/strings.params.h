// Operators on tensors of strings: parameters.
#pragma once

#include <cstdint>

namespace monza {

/// StringSplit(x, delimiter, limit): the delimiter is a string constant; empty: runs of white space.
struct StringSplitParams {
  static constexpr std::int64_t kMostPieces = 1024;  ///< of one string; more end the run with resource_exhausted
  std::int64_t most_splits = INT64_MAX;
};

/// StringNormalizer(x [C] or [1, C], stopwords [n]): drops stopwords, then changes case.
struct StringNormalizerParams {
  enum class Case : std::int32_t { keep = 0, lower, upper };
  Case change = Case::keep;
  std::int32_t case_sensitive = 0;  ///< how words are compared with stopwords
};

}  // namespace monza
