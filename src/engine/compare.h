// How far one tensor is from another.
#pragma once

#include <limits>
#include <map>
#include <string>
#include <string_view>

#include "monza/engine.h"

namespace monza {

struct Comparison {
  double max_abs_error = 0;  ///< NaN when shapes or types differ
  double max_rel_error = 0;  ///< over elements whose reference is not 0
  double cosine = 1;         ///< of both seen as vectors; for empty or zero ones 1 if equal, else 0
  double signal_to_noise = std::numeric_limits<double>::infinity();  ///< decibels: squares of the reference over those
                                                                     ///< of the errors; NaN with NaN among them
  double largest = 0;                                                ///< greatest finite magnitude of the reference
  bool ok = true;
  std::string reason;  ///< why not ok: the worst element, or the types and shapes
};

/// `ok` is |a - b| <= atol + rtol * |b| for every element of `got` a and `want` b; NaN equals NaN, and infinities
/// equal themselves. Shapes and types must be equal.
Comparison compare(const TensorRef& got, const TensorRef& want, double rtol, double atol);

/// The same with a tolerance that is a share of the reference's largest magnitude: what tensors inside a network are
/// held to, where an element near zero is the sum of large ones. Integers and booleans may differ by the same share.
Comparison compare_to_largest(const TensorRef& got, const TensorRef& want, double tolerance);

/// What tensors of a network are held to.
struct Criterion {
  Criterion(double share = 1e-3) : tolerance(share) {}  // NOLINT(google-explicit-constructor)

  double tolerance;  ///< share of the reference's largest magnitude
  /// Tensors of a network that quantises are held to their cosine alone: an input that differs in its last bit may move
  /// an element by a step, and the largest of many such errors says nothing.
  bool by_cosine = false;
  double least_cosine = 0.999;
  std::map<std::string, double, std::less<>> least_of;  ///< of tensors that are noisier by themselves

  double least(std::string_view name) const {
    const auto it = least_of.find(name);
    return it != least_of.end() ? it->second : least_cosine;
  }
};

/// compare_to_largest, or by the cosine. One element has no direction, and is held to `tolerance` in any case.
Comparison judge(const TensorRef& got, const TensorRef& want, const Criterion& criterion, std::string_view name = "");

/// The limits of ONNX's own runner: rtol 1e-3 and atol 1e-7 for floats of 16 bits and more (bf16: rtol 2^-6),
/// equality for all other types.
Comparison compare_as_onnx(const TensorRef& got, const TensorRef& want);

}  // namespace monza
