// Gathering, scattering and selecting against plain loops, and the statuses of indices that lie outside.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/index/index.params.h"
#include "support/kernel_check.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza {
namespace {

using test::Tensor;

Tensor integers(const Shape& shape, const std::vector<std::int64_t>& values) {
  Tensor t = test::make_tensor(DType::i64, shape);
  std::copy(values.begin(), values.end(), t.as<std::int64_t>());
  return t;
}

struct Serial final : Parallel {
  int threads() const noexcept override { return 1; }
  void run(std::int64_t tasks, Body body, void* context) noexcept override {
    for (std::int64_t t = 0; t < tasks; ++t) body(context, t, 0);
  }
};

/// Runs a kernel on dense tensors, whether it accepts their shapes or not, with the extents that it reports in
/// `extents`.
Status run_dense(const Kernel& kernel, const void* params, std::vector<Tensor>& in, std::vector<Tensor>& out,
                 std::vector<std::int64_t>& extents) {
  std::vector<TensorView> from, to;
  for (Tensor& t : in)
    from.push_back(t.dtype == DType::invalid ? TensorView{} : dense_view(t.bytes.data(), t.dtype, t.shape));
  for (Tensor& t : out) to.push_back(dense_view(t.bytes.data(), t.dtype, t.shape));
  std::vector<std::byte> scratch(1 << 16);
  Serial serial;
  KernelContext c;
  c.params = params;
  c.in = from.data();
  c.in_count = static_cast<int>(from.size());
  c.out = to.data();
  c.out_count = static_cast<int>(to.size());
  c.scratch = scratch.data();
  c.parallel = &serial;
  c.extents = extents.data();
  return kernel.run(c);
}

TEST(Index, GatherOfRandomAxes) {
  for (const Kernel* kernel : kernels_of("Gather"))
    for (std::uint32_t seed = 1; seed <= 150; ++seed) {
      if (!test::lacking(*kernel).empty()) continue;
      std::mt19937 rng(seed);
      const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
      const Shape x{pick({1, 2, 5}), pick({1, 3, 7}), pick({1, 4, 33})};
      GatherParams p;
      p.axis = pick({0, 1, 2});
      const std::int64_t picks = pick({0, 1, 2, 9}), extent = x[p.axis];
      Tensor indices = test::make_tensor(DType::i64, Shape{picks});
      for (std::int64_t i = 0; i < picks; ++i)
        indices.as<std::int64_t>()[i] =
            static_cast<std::int64_t>(rng() % static_cast<std::uint32_t>(2 * extent)) - extent;
      Shape y = x;
      y[p.axis] = picks;
      const Tensor in = test::random_f32(x, rng);
      const auto run = test::run_kernel(*kernel, &p, {in, indices}, {{DType::f32, y}},
                                        {.threads = 1 + static_cast<int>(seed % 2), .seed = seed});
      ASSERT_EQ(run.problem, "") << kernel->name << " seed " << seed;
      for (std::int64_t i = 0; i < y.numel(); ++i) {
        std::int64_t at[3] = {i / (y[1] * y[2]), i / y[2] % y[1], i % y[2]};
        std::int64_t index = indices.as<std::int64_t>()[at[p.axis]];
        at[p.axis] = index < 0 ? index + extent : index;
        ASSERT_EQ(run.outputs[0].as<float>()[i], in.as<float>()[(at[0] * x[1] + at[1]) * x[2] + at[2]])
            << "seed " << seed;
      }
    }
}

TEST(Index, IndicesOutsideEndTheRun) {
  std::mt19937 rng(1);
  GatherParams p;
  std::vector<std::int64_t> extents(1);
  for (const char* op : {"Gather", "GatherElements"})
    for (std::int64_t bad : {3, -4}) {
      std::vector<Tensor> in{test::random_f32(Shape{3}, rng), integers(Shape{1}, {bad})},
          out{test::make_tensor(DType::f32, Shape{1})};
      EXPECT_EQ(run_dense(*kernels_of(op).back(), &p, in, out, extents).code(), StatusCode::out_of_range)
          << op << " " << bad;
    }
}

TEST(Index, NonZeroFindsWhatTheReferenceFinds) {
  for (const Kernel* kernel : kernels_of("NonZero")) {
    if (kernel->reference || kernel->device != DeviceKind::cpu || !test::lacking(*kernel).empty()) continue;
    for (const DType type : {DType::boolean, DType::u8, DType::i32, DType::i64, DType::f32})
      for (std::uint32_t seed = 0; seed < 60; ++seed) {
        std::mt19937 rng(seed);
        Shape shape;
        const int rank = static_cast<int>(seed % 4);
        for (int a = 0; a < rank; ++a)
          shape[shape.rank++] = rng() % (seed % 10 == 9 ? 2 : 6) + (seed % 10 == 9 ? 0 : 1);
        Tensor x = test::make_tensor(type, shape);
        const ElementAccess& access = element_access(type);
        // All, none, or some; -0 is 0, and NaN is not.
        for (std::int64_t i = 0; i < shape.numel(); ++i)
          access.store(x.bytes.data(), i,
                       rng() % 3 < seed % 4 ? (type == DType::f32 && rng() % 4 == 0 ? NAN : 1) : -0.0);
        std::vector<Tensor> in{x}, got{test::make_tensor(DType::i64, Shape{rank, shape.numel()})}, want = got;
        std::vector<std::int64_t> found(1, -1), expected(1, -1);
        ASSERT_TRUE(run_dense(*kernel, nullptr, in, got, found).ok());
        ASSERT_TRUE(run_dense(*kernels_of("NonZero").back(), nullptr, in, want, expected).ok());
        ASSERT_EQ(found, expected) << "seed " << seed;
        for (std::int64_t i = 0; i < rank * found[0]; ++i)
          ASSERT_EQ(got[0].as<std::int64_t>()[i], want[0].as<std::int64_t>()[i])
              << dtype_name(type) << " seed " << seed;
      }
  }
}

TEST(Index, TopKSortsWithTiesByIndex) {
  for (std::uint32_t seed = 1; seed <= 60; ++seed) {
    std::mt19937 rng(seed);
    const std::int64_t n = 1 + rng() % 40, k = rng() % static_cast<std::uint32_t>(n + 1);
    TopKParams p;
    p.axis = 0;
    p.largest = rng() % 2;
    Tensor x = test::make_tensor(DType::i64, Shape{n});
    for (std::int64_t i = 0; i < n; ++i) x.as<std::int64_t>()[i] = static_cast<std::int64_t>(rng() % 10) - 5;
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
      const std::int64_t u = x.as<std::int64_t>()[a], v = x.as<std::int64_t>()[b];
      return p.largest ? u > v : u < v;
    });
    const auto run = test::run_kernel(*kernels_of("TopK").back(), &p, {x},
                                      {{DType::i64, Shape{k}}, {DType::i64, Shape{k}}}, {.seed = seed});
    ASSERT_EQ(run.problem, "") << "seed " << seed;
    for (std::int64_t i = 0; i < k; ++i) {
      ASSERT_EQ(run.outputs[1].as<std::int64_t>()[i], order[static_cast<std::size_t>(i)]) << "seed " << seed;
      ASSERT_EQ(run.outputs[0].as<std::int64_t>()[i], x.as<std::int64_t>()[order[static_cast<std::size_t>(i)]])
          << "seed " << seed;
    }
  }
}

TEST(Index, TopKOfFloatsAgreesWithTheReference) {
  for (const Kernel* kernel : kernels_of("TopK")) {
    if (kernel->reference || kernel->device != DeviceKind::cpu || !test::lacking(*kernel).empty()) continue;
    for (std::uint32_t seed = 1; seed <= 120; ++seed) {
      std::mt19937 rng(seed);
      TopKParams p;
      Shape shape;
      const int rank = 1 + static_cast<int>(rng() % 3);
      for (int a = 0; a < rank; ++a) shape[shape.rank++] = 1 + rng() % (a == rank - 1 ? 300 : 5);
      p.axis = static_cast<int>(rng() % static_cast<std::uint32_t>(rank));
      p.largest = rng() % 2;
      Shape out = shape;
      out[p.axis] = rng() % static_cast<std::uint32_t>(shape[p.axis] + 1);
      Tensor x = test::random_f32(shape, rng);
      if (seed % 3 == 0)  // ties, and zeros of both signs
        for (std::int64_t i = 0; i < shape.numel(); ++i) x.as<float>()[i] = std::round(x.as<float>()[i] * 2);
      if (seed % 4 == 0) test::sprinkle(x, rng, 20, true);
      const std::vector<std::pair<DType, Shape>> outputs = {{DType::f32, out}, {DType::i64, out}};
      const auto got =
          test::run_kernel(*kernel, &p, {x}, outputs, {.threads = 1 + static_cast<int>(seed % 2), .seed = seed});
      const auto want = test::run_kernel(*kernels_of("TopK").back(), &p, {x}, outputs);
      ASSERT_EQ(got.refusal, "");
      ASSERT_EQ(got.problem, "") << "seed " << seed;
      for (int o = 0; o < 2; ++o)
        ASSERT_EQ(got.outputs[static_cast<std::size_t>(o)].bytes, want.outputs[static_cast<std::size_t>(o)].bytes)
            << kernel->name << " seed " << seed << " output " << o;
    }
  }
}

TEST(Index, UniqueKeepsOrderOfFirstOccurrence) {
  SelectParams p;
  p.flat = 1;
  p.sorted = 0;
  std::vector<std::int64_t> extents(1);
  std::vector<Tensor> in{integers(Shape{7}, {5, 2, 5, 9, 2, 2, 1})}, out;
  for (int i = 0; i < 4; ++i) out.push_back(test::make_tensor(DType::i64, Shape{7}));
  ASSERT_TRUE(run_dense(*kernels_of("Unique").back(), &p, in, out, extents).ok());
  ASSERT_EQ(extents[0], 4);
  const auto list = [&](int i, int n) {
    return std::vector<std::int64_t>(out[static_cast<std::size_t>(i)].as<std::int64_t>(),
                                     out[static_cast<std::size_t>(i)].as<std::int64_t>() + n);
  };
  EXPECT_EQ(list(0, 4), (std::vector<std::int64_t>{5, 2, 9, 1}));
  EXPECT_EQ(list(1, 4), (std::vector<std::int64_t>{0, 1, 3, 6}));
  EXPECT_EQ(list(2, 7), (std::vector<std::int64_t>{0, 1, 0, 2, 1, 1, 3}));
  EXPECT_EQ(list(3, 4), (std::vector<std::int64_t>{2, 3, 1, 1}));
}

TEST(Index, ScatterAddsDuplicates) {
  ScatterParams p;
  p.reduction = ScatterParams::Reduction::add;
  const auto run = test::run_kernel(
      *kernels_of("ScatterElements").back(), &p,
      {integers(Shape{4}, {10, 20, 30, 40}), integers(Shape{3}, {1, -1, 1}), integers(Shape{3}, {1, 2, 3})},
      {{DType::i64, Shape{4}}});
  ASSERT_EQ(run.problem, "");
  const std::int64_t expected[] = {10, 24, 30, 42};
  EXPECT_EQ(std::memcmp(run.outputs[0].bytes.data(), expected, sizeof(expected)), 0);
}

TEST(Index, SuppressionDropsOverlaps) {
  NonMaxSuppressionParams p;
  Tensor boxes = test::make_tensor(DType::f32, Shape{1, 3, 4}), scores = test::make_tensor(DType::f32, Shape{1, 1, 3});
  const float corners[] = {0, 0, 1, 1, 0, 0.1F, 1, 1.1F, 0, 5, 1, 6}, values[] = {0.5F, 0.9F, 0.3F};
  std::memcpy(boxes.bytes.data(), corners, sizeof(corners));
  std::memcpy(scores.bytes.data(), values, sizeof(values));
  Tensor most = integers(Shape{1}, {3}), iou = test::make_tensor(DType::f32, Shape{1});
  iou.as<float>()[0] = 0.5F;
  std::vector<Tensor> in{boxes, scores, most, iou}, out{test::make_tensor(DType::i64, Shape{3, 3})};
  std::vector<std::int64_t> extents(1);
  ASSERT_TRUE(run_dense(*kernels_of("NonMaxSuppression").back(), &p, in, out, extents).ok());
  ASSERT_EQ(extents[0], 2);
  const std::int64_t expected[] = {0, 0, 1, 0, 0, 2};
  EXPECT_EQ(std::memcmp(out[0].bytes.data(), expected, sizeof(expected)), 0);
}

/// Indices of [-extent, extent), now and then one beyond.
Tensor random_indices(const Shape& shape, std::int64_t extent, bool wide, std::mt19937& rng) {
  Tensor t = test::make_tensor(wide ? DType::i64 : DType::i32, shape);
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    std::int64_t v =
        extent == 0 ? 0 : static_cast<std::int64_t>(rng() % static_cast<std::uint32_t>(2 * extent)) - extent;
    if (rng() % 4000 == 0) v = extent;
    if (wide) t.as<std::int64_t>()[i] = v;
    else t.as<std::int32_t>()[i] = static_cast<std::int32_t>(v);
  }
  return t;
}

/// Every kernel but the reference against it: results to the bit, and the same runs end with an error.
TEST(Index, RowKernelsAgreeWithTheReferences) {
  for (const char* op : {"GatherElements", "GatherND", "ScatterElements", "ScatterND"})
    for (const Kernel* kernel : kernels_of(op)) {
      if (kernel->reference || !test::lacking(*kernel).empty()) continue;
      int ran = 0;
      for (std::uint32_t seed = 1; seed <= 300; ++seed) {
        std::mt19937 rng(seed);
        const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
        const bool gathers = op[0] == 'G', tuples = std::string_view(op).ends_with("ND"), wide = rng() % 2;
        Shape x;
        x.rank = pick({1, 2, 3, 4});
        for (int a = 0; a < x.rank; ++a) x[a] = pick({1, 2, 3, 7, seed % 20 == 0 ? 0 : 9});
        GatherParams gather;
        ScatterParams scatter;
        const bool adds = !gathers && rng() % 3 == 0;
        if (adds) scatter.reduction = ScatterParams::Reduction::add;
        Shape indices = x, moved;
        std::int64_t reach = 0;
        if (!tuples) {
          gather.axis = scatter.axis = static_cast<int>(rng() % static_cast<std::uint32_t>(x.rank));
          indices[gather.axis] = pick({0, 1, 3, 12});
          if (rng() % 8 == 0 && indices[0] > 0) indices[0] -= 1;  // a part of an axis
          moved = indices;
          reach = x[gather.axis];
        } else {
          const int batch = gathers ? static_cast<int>(rng() % static_cast<std::uint32_t>(x.rank)) : 0;
          gather.batch_dims = batch;
          const int used = 1 + static_cast<int>(rng() % static_cast<std::uint32_t>(x.rank - batch));
          indices.rank = batch;
          indices[indices.rank++] = pick({0, 1, 5, 20});
          moved = indices;
          indices[indices.rank++] = used;
          for (int a = batch + used; a < x.rank; ++a) moved[moved.rank++] = x[a];
          reach = 1 << 20;
          for (int a = batch; a < batch + used; ++a) reach = std::min(reach, x[a]);
        }
        const DType type =
            adds ? DType::f32
                 : std::initializer_list<DType>{DType::u8, DType::f16, DType::f32, DType::i64}.begin()[rng() % 4];
        const auto bits = [&](const Shape& shape) {
          Tensor t = test::make_tensor(type, shape);
          for (auto& b : t.bytes) b = std::byte(rng());
          return adds ? test::random_f32(shape, rng) : t;
        };
        std::vector<Tensor> in{bits(x), random_indices(indices, reach, wide, rng)};
        if (!gathers) in.push_back(bits(moved));
        const void* params = gathers ? static_cast<const void*>(&gather) : &scatter;
        const Shape& y = gathers ? moved : x;
        const auto got = test::run_kernel(*kernel, params, in, {{type, y}}, {.threads = 2, .seed = seed});
        if (!got.refusal.empty()) continue;
        ++ran;
        const auto want = test::run_kernel(*kernels_of(op).back(), params, in, {{type, y}}, {.seed = seed + 1});
        ASSERT_EQ(got.problem, want.problem) << kernel->name << " seed " << seed;
        if (!want.problem.empty()) continue;
        if (adds) ASSERT_LE(test::relative_error(got.outputs[0], want.outputs[0]), 1e-6) << op << " seed " << seed;
        else ASSERT_EQ(got.outputs[0].bytes, want.outputs[0].bytes) << kernel->name << " seed " << seed;
      }
      EXPECT_GT(ran, 100) << kernel->name << " took almost none of the cases";
    }
}

// A plan for a range of shapes asks a kernel about some of them; those of a run may differ in what was equal there.
TEST(Index, RowKernelsTakeShapesThatTheyWereNotAskedAbout) {
  for (const char* op : {"GatherElements", "GatherND", "ScatterElements"})
    for (const Kernel* kernel : kernels_of(op)) {
      if (kernel->reference || !test::lacking(*kernel).empty()) continue;
      for (std::uint32_t seed = 1; seed <= 60; ++seed) {
        std::mt19937 rng(seed);
        const auto less = [&](std::int64_t n) {
          return 1 + static_cast<std::int64_t>(rng() % static_cast<std::uint32_t>(n));
        };
        const Shape x{3, 4, 5};
        GatherParams gather;
        ScatterParams scatter;
        Shape indices, moved;
        if (std::string_view(op) == "GatherND") {
          gather.batch_dims = 2;
          indices = Shape{less(3), less(4), 6, 1};
          moved = Shape{indices[0], indices[1], 6};
        } else {
          gather.axis = scatter.axis = static_cast<int>(rng() % 3);
          moved = indices = Shape{less(3), less(4), less(5)};
          if (op[0] == 'S')
            for (int a = 0; a < 3; ++a) moved[a] += static_cast<std::int64_t>(rng() % 2);  // updates may be longer
        }
        const std::int64_t extent = std::string_view(op) == "GatherND" ? 5 : x[gather.axis];
        Tensor list = test::make_tensor(DType::i64, indices);
        for (std::int64_t i = 0; i < indices.numel(); ++i)
          list.as<std::int64_t>()[i] = static_cast<std::int64_t>(rng() % static_cast<std::uint32_t>(extent));
        std::vector<Tensor> in{test::random_f32(x, rng), list};
        if (op[0] == 'S') in.push_back(test::random_f32(moved, rng));
        const Shape y = op[0] == 'S' ? x : moved;
        const void* params = op[0] == 'S' ? static_cast<const void*>(&scatter) : &gather;
        std::vector<std::int64_t> extents(1);
        std::vector<Tensor> got{test::make_tensor(DType::f32, y)}, want{test::make_tensor(DType::f32, y)};
        ASSERT_TRUE(run_dense(*kernel, params, in, got, extents)) << op << " seed " << seed;
        ASSERT_TRUE(run_dense(*kernels_of(op).back(), params, in, want, extents));
        ASSERT_EQ(got[0].bytes, want[0].bytes) << op << " seed " << seed;
      }
    }
}

}  // namespace
}  // namespace monza
