// Matrix products by cuBLASLt, where it is installed. Its interface is declared here as far as it is used (version 13):
// its header is a part of a package of 400 MB that nobody else needs to build Monza.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/library.h"
#include "monza/status.h"
#include "tensor/dtype.h"

struct CUstream_st;

namespace monza::backend {

/// A matrix in memory, column by column: element (row, column) lies at row + column * pitch.
struct LtMatrix {
  const void* data = nullptr;  ///< null: absent
  std::int64_t rows = 0, columns = 0, pitch = 0;
  std::int64_t batch = 0;  ///< elements from one matrix of a batch to the next

  /// Of `rows` x `columns` elements that lie `row` and `column` apart: as it lies, or its transpose, of which
  /// `transposed` tells; data is null where it is neither.
  static LtMatrix of(const void* data, std::int64_t rows, std::int64_t columns, std::int64_t row, std::int64_t column,
                     bool& transposed);
};

enum class LtEpilogue : std::uint8_t { none, relu, gelu_tanh };

/// d [m, n] = epilogue(alpha a [m, k] b [k, n] + c + bias), of each of a batch; factors may lie transposed. Elements
/// are f16, bf16 or f32, sums f32.
struct LtProduct {
  DType dtype = DType::invalid;
  std::int64_t m = 0, n = 0, k = 0, batches = 1;
  LtMatrix a, b, c, d;  ///< c may be absent
  bool a_transposed = false, b_transposed = false;
  const void* bias = nullptr;  ///< [m], for all columns
  LtEpilogue epilogue = LtEpilogue::none;
  float alpha = 1;
  int choice = 0;  ///< which of the algorithms that the library proposes, the best first; its last where it has fewer
  void* workspace = nullptr;
  std::size_t workspace_bytes = 0;
};

/// Whether it can be used, and why not. The first call opens it. Thread-safe.
const LibraryFacts& cublaslt_facts();
/// Puts the product into the stream; `done` is false, and nothing was put there, where the library has no algorithm for
/// it. Only where the facts name nothing that is missing. Which algorithms it proposes is asked once for each product.
/// Thread-safe.
Status cublaslt_multiply(const LtProduct& product, CUstream_st* stream, bool& done) noexcept;

}  // namespace monza::backend
