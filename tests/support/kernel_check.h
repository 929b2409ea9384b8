// Runs a kernel on dense operands, laid out as its ports ask: with gaps where a port allows them, packed where it
// packs. For tests that hold every kernel of a list against the reference.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "kernel/kernel.h"

namespace monza::test {

/// A dense tensor; DType::invalid is an absent operand.
struct Tensor {
  DType dtype = DType::invalid;
  Shape shape;
  std::vector<std::byte> bytes;
  bool constant = false;

  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(bytes.data());
  }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(bytes.data());
  }
};

Tensor make_tensor(DType dtype, const Shape& shape);
/// f32 values uniform in [low, high).
Tensor random_f32(const Shape& shape, std::mt19937& rng, float low = -1, float high = 1);

/// The elements of `t` in another type; of integers, the nearest.
Tensor converted(const Tensor& t, DType dtype);
/// A constant of rows of blocks of random bits; what they decode to, numbers below 1000, is added to `dense`.
Tensor random_blocks(DType dtype, std::int64_t rows, std::int64_t k, std::mt19937& rng, std::vector<float>& dense);

/// Puts values where formulas break in the place of one element in `one_in`: NaN, infinities, zeros of both signs and
/// subnormal numbers; where `extremes`, also the largest and smallest finite numbers, whose sums overflow.
void sprinkle(Tensor& t, std::mt19937& rng, int one_in, bool extremes = true);

struct KernelRun {
  std::string refusal;  ///< not empty: the kernel does not take it, or this machine lacks what it needs; nothing ran
  std::string problem;  ///< not empty: it broke a promise (status, packing's inverse, bytes outside of its output)
  std::vector<Tensor> outputs;
};

struct KernelRunOptions {
  int threads = 1;
  bool whole = false;      ///< strided operands lie densely, from multiples of 64 bytes on: what copies of boxes take
  std::uint32_t seed = 1;  ///< of the gaps between elements and of the operands' offsets
  /// How uniform operands lie: dense, channels_last, blocked8 or blocked16. uniform: in an order drawn from the seed,
  /// in blocks where the channels are whole ones.
  Port uniform = Port::uniform;
};

/// Why this machine cannot run the kernel: an instruction set or a device that it lacks. Empty if it can.
std::string lacking(const Kernel& kernel);

/// Lays the operands out, packs, runs, and gives the outputs back densely. Every constant that the kernel packs is
/// unpacked again and compared. Bytes around and between the elements of the outputs must stay as they were, and the
/// padding of their blocks must be zero; that of the inputs' is NaN, which no kernel may read.
KernelRun run_kernel(const Kernel& kernel, const void* params, const std::vector<Tensor>& inputs,
                     const std::vector<std::pair<DType, Shape>>& outputs, const KernelRunOptions& options = {});

/// The largest |a - b| over the largest |b|; NaN must meet NaN and infinity the same infinity, else infinity is
/// returned.
double relative_error(const Tensor& a, const Tensor& b);

/// Where f32 `a` is first not what `b` is: NaN for NaN, the same infinity, else within relative * |b| + absolute. Empty
/// if nowhere.
std::string difference(const Tensor& a, const Tensor& b, double relative, double absolute);

}  // namespace monza::test
