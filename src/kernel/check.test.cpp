// Every operator that has a kernel says what its kernels rely on, and views that share bytes are found.
#include "kernel/check.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/cpu.h"
#include "kernel/registry.h"

namespace monza {
namespace {

TEST(Check, EveryKernelsOperatorHasARule) {
  for (const Kernel* k : all_kernels())
    EXPECT_NE(find_check(k->op), nullptr) << k->op << ": add its rule to src/ops/<family>/<family>.check.cpp";
}

TensorView view(std::byte* data, Shape shape, std::initializer_list<std::int64_t> stride) {
  TensorView v;
  v.data = data;
  v.dtype = DType::f32;
  v.shape = shape;
  std::copy(stride.begin(), stride.end(), v.stride);
  return v;
}

TEST(Check, ViewsThatShareBytes) {
  alignas(64) std::byte memory[1024];
  const TensorView a = view(memory, {4, 6}, {8, 1});
  EXPECT_TRUE(may_overlap(a, a));
  EXPECT_TRUE(may_overlap(a, view(memory + 4 * 5, {4, 2}, {8, 1})));
  // Columns beside each other, and rows after each other.
  EXPECT_FALSE(may_overlap(a, view(memory + 4 * 6, {4, 2}, {8, 1})));
  EXPECT_TRUE(may_overlap(a, view(memory + 4 * 6, {4, 3}, {8, 1})));
  EXPECT_FALSE(may_overlap(a, view(memory + 4 * 32, {4, 6}, {8, 1})));
  EXPECT_FALSE(may_overlap(a, view(memory, {0, 6}, {8, 1})));
  // Backwards.
  EXPECT_TRUE(may_overlap(a, view(memory + 4 * 40, {6, 8}, {-8, 1})));
  EXPECT_FALSE(may_overlap(a, view(memory + 4 * 72, {5, 8}, {-8, 1})));
}

/// What a kernel whose first input and output are of this port says of a step with these operands.
struct Step {
  Kernel kernel{.name = "test", .op = "Test"};
  std::vector<TensorView> in, out;
  std::vector<OperandDesc> descs = std::vector<OperandDesc>(8);
  std::int64_t bytes[8] = {};
  int extents = 0;
  CheckContext operands() const {
    return {nullptr, in.data(), static_cast<int>(in.size()), out.data(), static_cast<int>(out.size()), extents};
  }
  std::string refused(const OperatorCheck* check = nullptr) {
    const StepQuery query{operands(), descs.data(), descs.data() + 4, bytes};
    const Refusal r = refuse_step(kernel, check, query);
    return r == nullptr ? "" : r;
  }
};

std::string port_says(Port port, const TensorView& a, const TensorView* b = nullptr) {
  Step step;
  step.kernel.in = {port, port};
  step.in = {a};
  if (b != nullptr) step.in.push_back(*b);
  return step.refused();
}

/// Kernels that report extents write densely, whatever strides an output has.
TEST(Check, AStepThatReportsExtentsHasDenseOutputs) {
  std::byte memory[4096];
  const TensorView dense = view(memory, {2, 3}, {3, 1}), rows = view(memory, {2, 3}, {8, 1}),
                   one_place = view(memory, {2, 3}, {0, 0});
  for (const int extents : {0, 1})
    for (const TensorView& out : {dense, rows, one_place}) {
      Step step;
      step.kernel.out = {Port::strided};
      step.out = {out};
      step.extents = extents;
      EXPECT_EQ(step.refused(),
                extents > 0 && out.stride[0] != 3 ? "an output has gaps, and the step reports its extents" : "");
    }
}

TEST(Check, PortsSayWhatLayoutTheyTake) {
  std::byte memory[4096];
  const TensorView rows = view(memory, {2, 3}, {8, 1}), columns = view(memory, {2, 3}, {1, 2}),
                   apart = view(memory, {2, 3}, {8, 2}), dense = view(memory, {2, 3}, {3, 1});
  EXPECT_EQ(port_says(Port::dense, dense), "");
  EXPECT_EQ(port_says(Port::dense, rows), "an operand has gaps that its kernel does not know of");
  EXPECT_EQ(port_says(Port::rows, apart), "an operand's rows have gaps that its kernel does not know of");
  EXPECT_EQ(port_says(Port::uniform, rows), "an operand has gaps that its kernel does not know of");
  EXPECT_EQ(port_says(Port::uniform, dense, &columns), "operands that lie alike differ in their strides");
  EXPECT_EQ(port_says(Port::blocked8, dense), "an operand has another layout than its kernel takes");
  EXPECT_EQ(port_says(Port::channels_last, view(memory, {1, 2, 2, 2}, {8, 4, 2, 1})),
            "an operand's pixels do not lie channels last");
  TensorView blocks = view(memory, {1, 16, 2, 2}, {64, 32, 16, 8});
  blocks.layout = Layout::blocked8;
  EXPECT_EQ(port_says(Port::blocked8, blocks), "");
  EXPECT_EQ(port_says(Port::uniform, blocks), "");
  TensorView padded = blocks, gaps = blocks, far = blocks;
  padded.shape[1] = 15;
  gaps.stride[3] = 16;
  far.stride[1] = 64;
  EXPECT_EQ(port_says(Port::uniform, padded), "an operand's blocks are padded");
  EXPECT_EQ(port_says(Port::blocked8, gaps), "an operand's blocks have gaps that its kernel does not know of");
  EXPECT_EQ(port_says(Port::uniform, far), "an operand's blocks have gaps that its kernel does not know of");
  EXPECT_EQ(port_says(Port::uniform, blocks, &padded), "an operand's blocks are padded");
}

TEST(Check, StepsSayWhatTheirKernelLacks) {
  std::byte memory[64];
  Step step;
  step.in = step.out = {view(memory, {2}, {1})};
  EXPECT_EQ(step.refused(), "");
  constexpr OperatorCheck state{"Test", [](const CheckContext&) noexcept -> Refusal { return nullptr; }, 1u, 0u};
  EXPECT_EQ(step.refused(&state), "a sequence's state is given where tensors are taken, or the other way round");
  step.kernel.scratch_bytes = [](const KernelQuery&) noexcept -> std::size_t { return 1; };
  EXPECT_EQ(step.refused(), "the kernel needs more scratch memory at this shape than was planned");
  step.kernel.scratch_bytes = nullptr;
  step.kernel.in = {Port::packed};
  step.in[0].layout = Layout::packed;
  EXPECT_EQ(step.refused(), "an input is packed, but not as its kernel packs it");
}

TEST(Check, CopiesSayWhatTheyCopy) {
  std::byte memory[64];
  const OperatorCheck* copy = find_check("Copy");
  ASSERT_NE(copy, nullptr);
  Step step;
  step.in = {view(memory, {2}, {1})};
  step.out = {view(memory, {3}, {1})};
  EXPECT_STREQ(copy->check(step.operands()), "a copy of another type or shape");
  step.in[0].dtype = DType::i4;
  step.out = step.in;
  step.out[0].stride[0] = 2;
  EXPECT_STREQ(copy->check(step.operands()), "a part of a tensor of small elements");

  const Kernel* fast = find_kernel("copy_avx2");
  if (fast == nullptr || !covers(cpu_info().isa, fast->needs)) GTEST_SKIP() << "this CPU has no AVX2";
  OperandDesc in, out;
  const auto says = [&](DType dtype, Layout from, Layout to, int rank) {
    in.dtype = out.dtype = dtype;
    in.layout = from;
    out.layout = to;
    in.shape.rank = out.shape.rank = rank;
    const Refusal r = fast->accepts({.in = &in, .in_count = 1, .out = &out, .out_count = 1});
    return std::string(r == nullptr ? "" : r);
  };
  EXPECT_EQ(says(DType::f32, Layout::strided, Layout::blocked8, 4), "");
  EXPECT_EQ(says(DType::c128, Layout::strided, Layout::strided, 2), "moves elements of 1, 2, 4 and 8 bytes");
  EXPECT_EQ(says(DType::f32, Layout::blocked8, Layout::blocked16, 4), "blocks of 8 against blocks of 16");
  EXPECT_EQ(says(DType::f32, Layout::strided, Layout::blocked8, kMaxRank),
            "the shape has no room for an axis inside of blocks");
}

}  // namespace
}  // namespace monza
