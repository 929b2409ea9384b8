// The shape of a matrix product with numpy's batches: what the kernels of every product rely on.
#pragma once

#include "kernel/check_rules.h"

namespace monza::ops {

/// Rows, columns and depth of a product; set by refuse_product.
struct ProductExtents {
  std::int64_t m = 1, n = 1, k = 0;
};

/// a [..., M, K] (or [K]) times b [..., K, N] (or [K]) gives out [..., M, N]; `trans_*` swap the last two axes.
inline Refusal refuse_product(const Shape& a, const Shape& b, const Shape& out, bool trans_a, bool trans_b,
                              ProductExtents& e) {
  MONZA_REQUIRE(a.rank >= 1 && b.rank >= 1, "a factor is a scalar");
  const bool vector_a = a.rank == 1, vector_b = b.rank == 1;
  const std::int64_t ka = vector_a ? a[0] : a[a.rank - (trans_a ? 2 : 1)];
  const std::int64_t kb = vector_b ? b[0] : b[b.rank - (trans_b ? 1 : 2)];
  MONZA_REQUIRE(ka == kb, "the factors' inner extents differ");
  e.k = ka;
  e.m = vector_a ? 1 : a[a.rank - (trans_a ? 1 : 2)];
  e.n = vector_b ? 1 : b[b.rank - (trans_b ? 2 : 1)];
  const int batch = out.rank - (vector_a ? 0 : 1) - (vector_b ? 0 : 1);
  const int batch_a = vector_a ? 0 : a.rank - 2, batch_b = vector_b ? 0 : b.rank - 2;
  MONZA_REQUIRE(batch >= 0 && batch == (batch_a > batch_b ? batch_a : batch_b),
                "the product has another rank than its factors give");
  MONZA_REQUIRE((vector_a || out[batch] == e.m) && (vector_b || out[out.rank - 1] == e.n),
                "factors and product do not fit each other");
  for (int i = 0; i < batch; ++i) {
    const int ia = i - (batch - batch_a), ib = i - (batch - batch_b);
    MONZA_REQUIRE((ia < 0 || a[ia] == 1 || a[ia] == out[i]) && (ib < 0 || b[ib] == 1 || b[ib] == out[i]),
                  "a batch does not broadcast to the product");
  }
  return nullptr;
}

}  // namespace monza::ops
