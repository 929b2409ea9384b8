// Shapes and contents of operators that move elements, as expressions; copies on random strides against plain loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "base/cpu.h"
#include "ir/text.h"
#include "kernel/registry.h"
#include "kernel/serial.h"
#include "monza/error.h"
#include "ops/move/move.params.h"
#include "support/kernel_check.h"
#include "tensor/element.h"

namespace monza {
namespace {

using test::Tensor;

/// Type of the last value of a graph whose inputs and nodes are given as text; its last line defines %y.
std::string type_of(const std::string& inputs, const std::string& nodes) {
  const auto g = ir::parse("graph \"t\" (" + inputs + ") {\n" + nodes + "\n  return (y: %y)\n}\n");
  return ir::to_string(g->value(g->outputs()[0].value).type);
}

TEST(MoveShapes, ExportersReshapeStaysSymbolic) {
  // Shape -> Gather -> Unsqueeze -> Concat -> Reshape, as exporters split heads.
  EXPECT_EQ(type_of("%x: f32[batch,seq,768]", R"(
    %s = Shape(%x)
    %i = constant i64[] [0]
    %b = Gather(%s, %i) {axis=0}
    %u = Unsqueeze(%b) {axes=[0]}
    %t = constant i64[3] [-1, 12, 64]
    %c = Concat(%u, %t) {axis=0}
    %y = Reshape(%x, %c))"),
            "f32[batch,seq,12,64]");
}

TEST(MoveShapes, ReshapeInfersAndCopies) {
  EXPECT_EQ(type_of("%x: f32[n,4,6]", "%y = Reshape(%x) {shape=[0, -1]}"), "f32[n,24]");
  EXPECT_EQ(type_of("%x: f32[n,4,6]", "%y = Reshape(%x) {shape=[-1, 3]}"), "f32[8*n,3]");
  EXPECT_EQ(type_of("%x: f32[0,4]", "%y = Reshape(%x) {shape=[4, 0], allowzero=1}"), "f32[4,0]");
  EXPECT_THROW(type_of("%x: f32[2,3]", "%y = Reshape(%x) {shape=[4, -1]}"), Error);
  EXPECT_THROW(type_of("%x: f32[2,3]", "%y = Reshape(%x) {shape=[-1, -1]}"), Error);
  EXPECT_THROW(type_of("%x: f32[2,3]", "%y = Reshape(%x) {shape=[5]}"), Error);
}

TEST(MoveShapes, SlicesClampAndReverse) {
  EXPECT_EQ(type_of("%x: f32[10,n]", "%y = Slice(%x) {starts=[-3], ends=[9223372036854775807], axes=[0]}"), "f32[3,n]");
  EXPECT_EQ(type_of("%x: f32[10,n]", "%y = Slice(%x) {starts=[0], ends=[9223372036854775807], axes=[1]}"), "f32[10,n]");
  EXPECT_EQ(type_of("%x: f32[10,n]", "%y = Slice(%x) {starts=[9], ends=[-9223372036854775807], axes=[0], steps=[-2]}"),
            "f32[5,n]");
  EXPECT_EQ(type_of("%x: f32[10,n]", "%y = Slice(%x) {starts=[7], ends=[3], axes=[0]}"), "f32[0,n]");
  EXPECT_THROW(type_of("%x: f32[10]", "%y = Slice(%x) {starts=[0], ends=[1], axes=[0], steps=[0]}"), Error);
  EXPECT_THROW(type_of("%x: f32[10]", "%y = Slice(%x) {starts=[0], ends=[1], axes=[1]}"), Error);
}

TEST(MoveShapes, ContentFollowsIntegers) {
  EXPECT_EQ(type_of("%x: f32[a,b,7]", R"(
    %s = Shape(%x)
    %t = Slice(%s) {starts=[1], ends=[3], axes=[0]}
    %y = ConstantOfShape(%t))"),
            "f32[b,7]");
  EXPECT_EQ(type_of("%x: f32[a,b]", R"(
    %s = Shape(%x)
    %p, %q = Split(%s) {axis=0}
    %c = Concat(%q, %p, %q) {axis=0}
    %z = constant f32[1] [0]
    %y = Expand(%z, %c))"),
            "f32[b,a,b]");
  EXPECT_EQ(type_of("%x: f32[n,2]", R"(
    %s = Size(%x)
    %zero = constant i64[] [0]
    %one = constant i64[] [1]
    %y = Range(%zero, %s, %one))"),
            "i64[2*n]");
}

TEST(MoveShapes, SqueezeAndPad) {
  EXPECT_EQ(type_of("%x: f32[1,n,1,3]", "%y = Squeeze(%x) {axes=[0, -2]}"), "f32[n,3]");
  EXPECT_EQ(type_of("%x: f32[1,2,1,3]", "%y = Squeeze(%x)"), "f32[2,3]");
  EXPECT_THROW(type_of("%x: f32[1,n]", "%y = Squeeze(%x)"), Error);
  EXPECT_THROW(type_of("%x: f32[2,3]", "%y = Squeeze(%x) {axes=[0]}"), Error);
  EXPECT_EQ(type_of("%x: f32[n,3]", "%y = Unsqueeze(%x) {axes=[-1, 0]}"), "f32[1,n,3,1]");
  EXPECT_EQ(type_of("%x: f32[n,8]", "%y = Pad(%x) {pads=[1, 0, 2, -3]}"), "f32[n + 3,5]");
  EXPECT_EQ(type_of("%x: f32[n,8]", "%y = Transpose(%x) {perm=[1, 0]}"), "f32[8,n]");
  EXPECT_THROW(type_of("%x: f32[n,8]", "%y = Transpose(%x) {perm=[0, 0]}"), Error);
}

TEST(MoveShapes, AxesReadAtRunTimeKeepTheCount) {
  // The axis is an input: every extent is an expression of it, so the product must come out at n whatever it is.
  const auto g = ir::parse("graph \"t\" (%x: f32[5,7], %a: i64[1]) {\n%y = Unsqueeze(%x, %a)\nreturn (y: %y)\n}\n");
  const ir::SymShape shape = g->value(g->outputs()[0].value).type.shape;
  ASSERT_EQ(shape.size(), 3u);
  for (std::int64_t axis = -3; axis < 3; ++axis) {
    std::vector<std::int64_t> got;
    for (const ir::Expr& e : shape) got.push_back(ir::evaluate(e, [&](const ir::Atom&) { return axis; }));
    std::vector<std::int64_t> expected{5, 7};
    expected.insert(expected.begin() + (axis < 0 ? axis + 3 : axis), 1);
    EXPECT_EQ(got, expected) << "axis " << axis;
  }
}

/// The elements' numbers, so that where each went can be told.
Tensor numbered(DType type, const Shape& shape) {
  Tensor t = test::make_tensor(type, shape);
  for (std::int64_t i = 0; i < shape.numel(); ++i) {
    if (type == DType::u8) t.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(i);
    if (type == DType::f32) t.as<float>()[i] = static_cast<float>(i);
    if (type == DType::i64) t.as<std::int64_t>()[i] = i;
  }
  return t;
}

TEST(MoveKernels, TransposeOfAnyPermutation) {
  for (const Kernel* kernel : kernels_of("Transpose"))
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
      if (!test::lacking(*kernel).empty()) continue;
      std::mt19937 rng(seed);
      TransposeParams p;
      p.rank = 1 + static_cast<int>(rng() % 5);
      Shape x, y;
      x.rank = y.rank = p.rank;
      for (int i = 0; i < p.rank; ++i) {
        x[i] = std::initializer_list<int>{0, 1, 2, 3, 5, 8, 17}.begin()[rng() % 16 == 0 ? 0 : 1 + rng() % 6];
        p.perm[i] = i;
      }
      std::shuffle(p.perm, p.perm + p.rank, rng);
      for (int i = 0; i < p.rank; ++i) y[i] = x[p.perm[i]];
      const DType type = std::initializer_list<DType>{DType::u8, DType::f32, DType::i64}.begin()[rng() % 3];
      const Tensor in = numbered(type, x);
      const auto run =
          test::run_kernel(*kernel, &p, {in}, {{type, y}}, {.threads = 1 + static_cast<int>(seed % 3), .seed = seed});
      if (!run.refusal.empty()) continue;
      ASSERT_EQ(run.problem, "") << kernel->name << " seed " << seed;
      const std::size_t size = in.bytes.size() / static_cast<std::size_t>(std::max<std::int64_t>(1, x.numel()));
      std::int64_t at[kMaxRank] = {};
      for (std::int64_t i = 0; i < y.numel(); ++i) {
        std::int64_t rest = i, from = 0, source[kMaxRank];
        for (int a = y.rank - 1; a >= 0; --a) {
          at[a] = rest % y[a];
          rest /= y[a];
          source[p.perm[a]] = at[a];
        }
        for (int a = 0; a < x.rank; ++a) from = from * x[a] + source[a];
        ASSERT_EQ(std::memcmp(run.outputs[0].bytes.data() + static_cast<std::size_t>(i) * size,
                              in.bytes.data() + static_cast<std::size_t>(from) * size, size),
                  0)
            << kernel->name << " seed " << seed << " element " << i;
      }
    }
}

/// Element (n, c, at...) of the wide side lies in the deep one at channel c and the place in its block, and at the
/// block.
TEST(MoveKernels, BlocksBetweenDepthAndSpace) {
  for (const char* op : {"DepthToSpace", "SpaceToDepth"})
    for (const Kernel* kernel : kernels_of(op))
      for (std::uint32_t seed = 1; seed <= 150; ++seed) {
        std::mt19937 rng(seed);
        const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
        BlockParams p;
        p.spatial = pick({1, 2, 2, 3});
        p.channels_first = pick({0, 1});
        Shape deep{pick({1, 2}), 0}, wide{deep[0], pick({1, 3, 8, 17})};
        std::int64_t blocks = 1;
        for (int i = 0; i < p.spatial; ++i) {
          p.block[i] = pick({1, 2, 2, 3});
          blocks *= p.block[i];
          deep.dim[deep.rank++] = pick({0, 1, 2, 5, 9, 9});
          wide.dim[wide.rank++] = deep[2 + i] * p.block[i];
        }
        deep[1] = wide[1] * blocks;
        const bool to_space = std::string_view(op) == "DepthToSpace";
        const DType type = std::initializer_list<DType>{DType::u8, DType::f32, DType::i64}.begin()[rng() % 3];
        const Tensor in = numbered(type, to_space ? deep : wide);
        const auto run = test::run_kernel(*kernel, &p, {in}, {{type, to_space ? wide : deep}},
                                          {.threads = 1 + static_cast<int>(seed % 3), .seed = seed});
        if (!run.refusal.empty()) continue;
        ASSERT_EQ(run.problem, "") << kernel->name << " seed " << seed;
        const std::size_t size = in.bytes.size() / static_cast<std::size_t>(std::max<std::int64_t>(1, wide.numel()));
        for (std::int64_t i = 0; i < wide.numel(); ++i) {
          std::int64_t at[kMaxRank], rest = i;
          for (int a = wide.rank - 1; a >= 0; --a) {
            at[a] = rest % wide[a];
            rest /= wide[a];
          }
          std::int64_t within = 0;
          for (int a = 0; a < p.spatial; ++a) within = within * p.block[a] + at[2 + a] % p.block[a];
          std::int64_t j = at[0] * deep[1] + (p.channels_first ? at[1] * blocks + within : within * wide[1] + at[1]);
          for (int a = 0; a < p.spatial; ++a) j = j * deep[2 + a] + at[2 + a] / p.block[a];
          const auto from = static_cast<std::size_t>(to_space ? j : i) * size,
                     to = static_cast<std::size_t>(to_space ? i : j) * size;
          ASSERT_EQ(std::memcmp(run.outputs[0].bytes.data() + to, in.bytes.data() + from, size), 0)
              << kernel->name << " seed " << seed << " element " << i;
        }
      }
}

TEST(MoveKernels, PadModesRepeatTheRightElements) {
  const auto run = [](PadParams::Mode mode, std::int64_t begin, std::int64_t extent) {
    PadParams p;
    p.mode = mode;
    p.known = 1;
    p.begin[0] = begin;
    const auto r = test::run_kernel(*kernels_of("Pad").back(), &p, {numbered(DType::i64, Shape{4})},
                                    {{DType::i64, Shape{extent}}});
    EXPECT_EQ(r.problem, "");
    return std::vector<std::int64_t>(r.outputs[0].as<std::int64_t>(), r.outputs[0].as<std::int64_t>() + extent);
  };
  using M = PadParams::Mode;
  EXPECT_EQ(run(M::constant, 2, 8), (std::vector<std::int64_t>{0, 0, 0, 1, 2, 3, 0, 0}));
  EXPECT_EQ(run(M::reflect, 2, 9), (std::vector<std::int64_t>{2, 1, 0, 1, 2, 3, 2, 1, 0}));
  EXPECT_EQ(run(M::edge, 2, 8), (std::vector<std::int64_t>{0, 0, 0, 1, 2, 3, 3, 3}));
  EXPECT_EQ(run(M::wrap, 2, 8), (std::vector<std::int64_t>{2, 3, 0, 1, 2, 3, 0, 1}));
  EXPECT_EQ(run(M::constant, -1, 2), (std::vector<std::int64_t>{1, 2}));
}

TEST(MoveKernels, SubByteElementsMove) {
  Tensor in = test::make_tensor(DType::u4, Shape{3, 3});
  const std::uint8_t bytes[] = {0x10, 0x32, 0x54, 0x76, 0x08};  // 0 to 8, the first in the low half
  std::memcpy(in.bytes.data(), bytes, sizeof(bytes));
  TransposeParams p;
  p.rank = 2;
  p.perm[0] = 1;
  KernelContext c;
  std::uint8_t out[5] = {};
  TensorView from = dense_view(in.bytes.data(), DType::u4, Shape{3, 3}), to = dense_view(out, DType::u4, Shape{3, 3});
  Serial serial;
  c.params = &p;
  c.in = &from;
  c.out = &to;
  c.in_count = c.out_count = 1;
  c.parallel = &serial;
  ASSERT_TRUE(kernels_of("Transpose").back()->run(c).ok());
  const std::uint8_t expected[] = {0x30, 0x16, 0x74, 0x52, 0x08};  // 0 3 6 1 4 7 2 5 8
  EXPECT_EQ(std::memcmp(out, expected, sizeof(out)), 0);
}

/// What Slice says of x[start:end] of four elements, for an output of `room`.
std::string slice_status(std::int64_t start, std::int64_t end, std::int64_t room, bool reports) {
  SliceParams p;
  p.count = reports ? -1 : 1;
  p.start[0] = start;
  p.step[0] = 1;
  p.reports = reports ? 1 : 0;
  float from[4] = {}, to[8] = {};
  const TensorView in[] = {dense_view(from, DType::f32, Shape{4}), dense_view(&start, DType::i64, Shape{1}),
                           dense_view(&end, DType::i64, Shape{1})};
  const TensorView out = dense_view(to, DType::f32, Shape{room});
  std::int64_t extent = 0;
  Serial serial;
  KernelContext c;
  c.params = &p;
  c.in = in;
  c.in_count = 3;
  c.out = &out;
  c.out_count = 1;
  c.parallel = &serial;
  c.extents = &extent;
  const Status status = kernels_of("Slice").back()->run(c);
  return status.ok() ? "" : status.message();
}

TEST(MoveKernels, SliceKeepsWithinItsOperands) {
  EXPECT_EQ(slice_status(1, 4, 3, false), "");
  EXPECT_EQ(slice_status(2, 4, 3, false), "Slice: the output reaches over the input");
  EXPECT_EQ(slice_status(1, 4, 3, true), "");
  EXPECT_EQ(slice_status(1, 4, 2, true), "Slice: more elements than the bound set at build");
}

/// Kernels of `op` but the references.
std::vector<const Kernel*> fast_kernels(const char* op) {
  std::vector<const Kernel*> list;
  for (const Kernel* k : kernels_of(op))
    if (!k->reference && test::lacking(*k).empty()) list.push_back(k);
  return list;
}

Shape random_shape(std::mt19937& rng, int least_rank) {
  Shape shape;
  shape.rank = least_rank + static_cast<int>(rng() % static_cast<std::uint32_t>(5 - least_rank));
  for (int i = 0; i < shape.rank; ++i)
    shape[i] = std::initializer_list<int>{0, 1, 2, 3, 5, 8, 33}.begin()[rng() % 16 == 0 ? 0 : 1 + rng() % 6];
  return shape;
}

void expect_as_reference(const Kernel& kernel, const void* params, const std::vector<Tensor>& in, DType type,
                         const Shape& out, std::uint32_t seed) {
  const auto got =
      test::run_kernel(kernel, params, in, {{type, out}}, {.threads = 1 + static_cast<int>(seed % 3), .seed = seed});
  if (!got.refusal.empty()) return;
  const auto want = test::run_kernel(*kernels_of(kernel.op).back(), params, in, {{type, out}}, {.seed = seed + 1});
  ASSERT_EQ(got.problem, want.problem) << kernel.name << " seed " << seed;
  if (!want.problem.empty()) return;
  ASSERT_EQ(got.outputs[0].bytes, want.outputs[0].bytes) << kernel.name << " seed " << seed << " " << to_string(out);
}

TEST(MoveKernels, PadsInEveryMode) {
  for (const Kernel* kernel : fast_kernels("Pad"))
    for (std::uint32_t seed = 1; seed <= 600; ++seed) {
      std::mt19937 rng(seed);
      const Shape x = random_shape(rng, 1);
      PadParams p;
      p.mode = static_cast<PadParams::Mode>(rng() % 4);
      p.known = 1;
      Shape y = x;
      for (int i = 0; i < x.rank; ++i) {
        if (rng() % 3 == 0) continue;
        p.begin[i] = static_cast<std::int64_t>(rng() % 9) - 3;
        y[i] = std::max<std::int64_t>(0, x[i] + p.begin[i] + static_cast<std::int64_t>(rng() % 9) - 3);
      }
      const DType type = std::initializer_list<DType>{DType::u8, DType::f16, DType::f32, DType::i64}.begin()[rng() % 4];
      std::vector<Tensor> in{numbered(type, x)};
      if (rng() % 2) {
        in.resize(2);
        Tensor value = test::make_tensor(type, Shape{});
        for (auto& b : value.bytes) b = std::byte(rng());
        in.push_back(value);
      }
      expect_as_reference(*kernel, &p, in, type, y, seed);
    }
}

TEST(MoveKernels, TrianglesAnywhere) {
  for (const Kernel* kernel : fast_kernels("Trilu"))
    for (std::uint32_t seed = 1; seed <= 200; ++seed) {
      std::mt19937 rng(seed);
      const Shape x = random_shape(rng, 2);
      TriluParams p;
      p.upper = rng() % 2;
      const DType type = std::initializer_list<DType>{DType::u8, DType::f32, DType::i64}.begin()[rng() % 3];
      std::vector<Tensor> in{numbered(type, x)};
      if (rng() % 2) {
        in.push_back(test::make_tensor(DType::i64, Shape{}));
        in[1].as<std::int64_t>()[0] =
            rng() % 10 == 0 ? std::int64_t{1} << 62 : static_cast<std::int64_t>(rng() % 20) - 10;
      }
      expect_as_reference(*kernel, &p, in, type, x, seed);
    }
}

TEST(OneHot, FastKernelsAgreeWithTheReference) {
  for (const Kernel* kernel : kernels_of("OneHot")) {
    if (kernel->reference || kernel->device != DeviceKind::cpu || !test::lacking(*kernel).empty()) continue;
    for (std::uint32_t seed = 1; seed <= 120; ++seed) {
      std::mt19937 rng(seed);
      Shape indices;
      const int rank = static_cast<int>(rng() % 4);
      for (int a = 0; a < rank; ++a) indices[indices.rank++] = rng() % 6 + (seed % 10 == 0 ? 0 : 1);
      OneHotParams p;
      p.axis = static_cast<std::int64_t>(rng() % static_cast<unsigned>(rank + 1));
      const std::int64_t depth = rng() % 40;
      Shape out;
      for (int a = 0, i = 0; a <= rank; ++a) out[out.rank++] = a == p.axis ? depth : indices[i++];
      const DType type = std::initializer_list<DType>{DType::f32, DType::u8, DType::i64, DType::f16}.begin()[rng() % 4];
      Tensor at = test::make_tensor(rng() % 2 ? DType::i64 : DType::i32, indices);
      for (std::int64_t i = 0; i < indices.numel(); ++i)  // some from the end, some outside
        element_access(at.dtype).store_int(at.bytes.data(), i, static_cast<std::int64_t>(rng() % 100) - 50);
      Tensor values = test::make_tensor(type, Shape{2}), count = test::make_tensor(DType::i64, Shape{});
      element_access(type).store(values.bytes.data(), 0, 2);
      element_access(type).store(values.bytes.data(), 1, 7);
      count.as<std::int64_t>()[0] = depth;
      const std::vector<std::pair<DType, Shape>> outputs{{type, out}};
      const auto got = test::run_kernel(*kernel, &p, {at, count, values}, outputs,
                                        {.threads = 1 + static_cast<int>(seed % 2), .seed = seed});
      const auto want = test::run_kernel(*kernels_of("OneHot").back(), &p, {at, count, values}, outputs);
      ASSERT_EQ(got.refusal + got.problem + want.problem, "") << "seed " << seed;
      ASSERT_EQ(got.outputs[0].bytes, want.outputs[0].bytes) << kernel->name << " seed " << seed;
    }
  }
}

}  // namespace
}  // namespace monza
