// Every copy kernel against the reference: permuted, sliced and padded tensors of every element width.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "support/kernel_check.h"
#include "tensor/storage.h"

namespace monza {
namespace {

struct Serial final : Parallel {
  int threads() const noexcept override { return 3; }
  void run(std::int64_t tasks, Body body, void* context) noexcept override {
    // Backwards: the order of tasks must not matter.
    for (std::int64_t t = tasks - 1; t >= 0; --t) body(context, t, static_cast<int>(t % 3));
  }
};

/// Strides of a random permutation of the axes, with gaps between runs; returns elements spanned.
std::int64_t random_strides(std::mt19937& rng, TensorView& v) {
  int order[kMaxRank];
  for (int i = 0; i < v.shape.rank; ++i) order[i] = i;
  std::shuffle(order, order + v.shape.rank, rng);
  std::int64_t stride = 1;
  for (int i = 0; i < v.shape.rank; ++i) {
    v.stride[order[i]] = stride;
    stride *= std::max<std::int64_t>(1, v.shape[order[i]]);
    if (rng() % 4 == 0) stride += rng() % 5;
  }
  return stride;
}

TEST(Copy, PicturesOfThreePlanes) {
  for (const Kernel* kernel : kernels_of("Copy")) {
    if (kernel->device != DeviceKind::cpu || !covers(cpu_info().isa, kernel->needs)) continue;  // memory of the host
    for (std::int64_t pixels : {1, 15, 16, 17, 47, 48, 1000, 40000}) {
      TensorView in, out;
      in.dtype = out.dtype = DType::u8;
      in.shape = out.shape = Shape{2, 3, pixels};
      in.set_dense();
      out.stride[0] = 3 * pixels, out.stride[1] = 1, out.stride[2] = 3;
      std::vector<std::uint8_t> from(static_cast<std::size_t>(6 * pixels)), to(from.size() + 32, 0xcd);
      for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
      in.data = from.data();
      out.data = to.data();
      Serial serial;
      KernelContext c;
      c.in = &in;
      c.out = &out;
      c.in_count = c.out_count = 1;
      c.parallel = &serial;
      ASSERT_TRUE(kernel->run(c).ok()) << kernel->name;
      for (std::int64_t n = 0; n < 2; ++n)
        for (std::int64_t i = 0; i < pixels; ++i)
          for (std::int64_t k = 0; k < 3; ++k)
            ASSERT_EQ(to[static_cast<std::size_t>((n * pixels + i) * 3 + k)],
                      from[static_cast<std::size_t>((n * 3 + k) * pixels + i)])
                << kernel->name << " pixel " << i << " of " << pixels;
      for (std::size_t i = from.size(); i < to.size(); ++i) ASSERT_EQ(to[i], 0xcd);
    }
  }
}

TEST(Copy, KernelsMoveEveryElementAndNothingElse) {
  for (const Kernel* kernel : kernels_of("Copy")) {
    if (kernel->device != DeviceKind::cpu || !covers(cpu_info().isa, kernel->needs)) continue;  // memory of the host
    for (std::uint32_t seed = 1; seed <= 400; ++seed) {
      std::mt19937 rng(seed);
      const DType type = std::initializer_list<DType>{DType::u8, DType::f16, DType::f32, DType::f64}.begin()[rng() % 4];
      const std::int64_t size = storage_bytes(type, Shape{1});
      TensorView in, out;
      in.dtype = out.dtype = type;
      in.shape.rank = 1 + static_cast<int>(rng() % 4);
      for (int i = 0; i < in.shape.rank; ++i)
        in.shape[i] = std::initializer_list<int>{1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 40}
                          .begin()[rng() % (in.shape.rank > 3 ? 6 : 11)];
      if (rng() % 20 == 0) in.shape[0] = 0;
      out.shape = in.shape;
      std::vector<std::uint8_t> from(static_cast<std::size_t>(random_strides(rng, in) * size + 64));
      std::vector<std::uint8_t> to(static_cast<std::size_t>(random_strides(rng, out) * size + 64), 0xcd);
      for (std::uint8_t& b : from) b = static_cast<std::uint8_t>(rng());
      std::vector<std::uint8_t> expected = to;
      std::int64_t at[kMaxRank] = {};
      for (std::int64_t i = 0; i < in.shape.numel(); ++i) {
        std::int64_t rest = i, f = 0, t = 0;
        for (int a = in.shape.rank - 1; a >= 0; --a) {
          at[a] = rest % in.shape[a];
          rest /= in.shape[a];
          f += at[a] * in.stride[a];
          t += at[a] * out.stride[a];
        }
        for (std::int64_t b = 0; b < size; ++b)
          expected[static_cast<std::size_t>(t * size + b)] = from[static_cast<std::size_t>(f * size + b)];
      }
      in.data = from.data();
      out.data = to.data();
      Serial serial;
      KernelContext c;
      c.in = &in;
      c.out = &out;
      c.in_count = c.out_count = 1;
      c.parallel = &serial;
      ASSERT_TRUE(kernel->run(c).ok()) << kernel->name << " seed " << seed;
      ASSERT_EQ(to, expected) << kernel->name << " seed " << seed;
    }
  }
}

/// Where a logical index lies.
std::int64_t place_of(const TensorView& v, const std::int64_t* at) {
  const std::int64_t block = v.layout == Layout::blocked8 ? 8 : v.layout == Layout::blocked16 ? 16 : 0;
  std::int64_t place = 0;
  for (int a = 0; a < v.shape.rank; ++a)
    place += a == 1 && block != 0 ? at[a] / block * v.stride[a] + at[a] % block : at[a] * v.stride[a];
  return place;
}

/// Blocks of channels; sometimes a part of a wider tensor. Returns elements spanned.
std::int64_t block_strides(std::mt19937& rng, TensorView& v, Layout layout) {
  const std::int64_t block = layout == Layout::blocked8 ? 8 : 16;
  v.layout = layout;
  std::int64_t stride = block;
  for (int a = v.shape.rank - 1; a >= 2; --a) {
    v.stride[a] = stride;
    stride *= v.shape[a];
  }
  v.stride[1] = stride;
  v.stride[0] = stride * ((v.shape[1] + block - 1) / block + static_cast<std::int64_t>(rng() % 3));
  return v.stride[0] * v.shape[0];
}

TEST(Copy, OnEveryDevice) {
  for (const Kernel* kernel : kernels_of("Copy")) {
    if (!test::lacking(*kernel).empty()) continue;
    for (std::uint32_t seed = 1; seed <= 100; ++seed) {
      std::mt19937 rng(seed);
      const DType type = std::initializer_list<DType>{DType::u8, DType::f16, DType::f32, DType::f64}.begin()[rng() % 4];
      Shape shape;
      for (int i = static_cast<int>(rng() % 5); i > 0; --i)
        shape[shape.rank++] =
            std::initializer_list<int>{0, 1, 2, 3, 7, 16, 33}.begin()[rng() % 16 == 0 ? 0 : 1 + rng() % 6];
      test::Tensor x = test::make_tensor(type, shape);
      for (std::byte& b : x.bytes) b = static_cast<std::byte>(rng());
      const auto run = test::run_kernel(*kernel, nullptr, {x}, {{type, shape}}, {.threads = 1, .seed = seed});
      if (!run.refusal.empty()) continue;
      ASSERT_EQ(run.problem, "") << kernel->name << " " << to_string(shape);
      ASSERT_EQ(run.outputs[0].bytes, x.bytes) << kernel->name << " " << to_string(shape);
    }
  }
}

/// To and from blocks of channels; their padding becomes zero.
TEST(Copy, BlocksOfChannels) {
  for (const Kernel* kernel : kernels_of("Copy")) {
    if (kernel->device != DeviceKind::cpu || !covers(cpu_info().isa, kernel->needs)) continue;  // memory of the host
    int ran = 0;
    for (std::uint32_t seed = 1; seed <= 400; ++seed) {
      std::mt19937 rng(seed);
      const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
      const DType type = std::initializer_list<DType>{DType::u8, DType::f16, DType::f32, DType::f64}.begin()[rng() % 4];
      const std::int64_t size = storage_bytes(type, Shape{1});
      TensorView v[2];
      Shape shape{pick({0, 1, 1, 2}), pick({1, 3, 7, 8, 9, 15, 16, 17, 24, 32, 40, 67})};
      for (int i = pick({0, 1, 2, 2, 3}); i > 0; --i) shape[shape.rank++] = pick({1, 2, 3, 5, 9, 17});
      const Layout layout = rng() % 2 ? Layout::blocked8 : Layout::blocked16;
      const int side = static_cast<int>(rng() % 3);  // which one is blocked; 2: both
      std::vector<std::uint8_t> bytes[2];
      OperandDesc desc[2];
      for (int k = 0; k < 2; ++k) {
        v[k].dtype = desc[k].dtype = type;
        v[k].shape = desc[k].shape = shape;
        const std::int64_t span = side == k || side == 2 ? block_strides(rng, v[k], layout) : random_strides(rng, v[k]);
        desc[k].layout = v[k].layout;
        bytes[k].assign(static_cast<std::size_t>(span * size + 64), 0xcd);
        v[k].data = bytes[k].data();
      }
      KernelQuery query;
      query.in = &desc[0];
      query.out = &desc[1];
      query.in_count = query.out_count = 1;
      if (kernel->accepts != nullptr && kernel->accepts(query) != nullptr) continue;
      ++ran;
      for (std::uint8_t& b : bytes[0]) b = static_cast<std::uint8_t>(rng());
      std::vector<std::uint8_t> expected = bytes[1];
      Shape padded = shape;
      const std::int64_t block = v[1].layout == Layout::strided ? 1 : v[1].layout == Layout::blocked8 ? 8 : 16;
      padded[1] = (shape[1] + block - 1) / block * block;
      for (std::int64_t i = 0; i < padded.numel(); ++i) {
        std::int64_t at[kMaxRank], rest = i;
        for (int a = padded.rank - 1; a >= 0; --a) {
          at[a] = rest % padded[a];
          rest /= padded[a];
        }
        for (std::int64_t b = 0; b < size; ++b)
          expected[static_cast<std::size_t>(place_of(v[1], at) * size + b)] =
              at[1] < shape[1] ? bytes[0][static_cast<std::size_t>(place_of(v[0], at) * size + b)] : 0;
      }
      Serial serial;
      KernelContext c;
      c.in = &v[0];
      c.out = &v[1];
      c.in_count = c.out_count = 1;
      c.parallel = &serial;
      ASSERT_TRUE(kernel->run(c).ok()) << kernel->name << " seed " << seed;
      ASSERT_EQ(bytes[1], expected) << kernel->name << " seed " << seed << ": " << to_string(shape);
    }
    EXPECT_GT(ran, 100) << kernel->name;
  }
}

}  // namespace
}  // namespace monza
