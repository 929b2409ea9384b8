// Every kernel in every layout that its ports admit, against the reference: on whole blocks of channels, and with tails
// where padded blocks are admitted. A kernel for blocks whose operator has no case here fails the test.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/cpu.h"
#include "ir/op.h"
#include "ir/text.h"
#include "kernel/ports.h"
#include "kernel/registry.h"
#include "ops/elementwise/elementwise.def.h"
#include "support/kernel_check.h"
#include "support/kernel_suite.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

using test::Tensor;

/// Inputs and a node of each operator that has kernels for blocks. Constants stand for themselves, weights are inputs
/// named w: constant, of any numbers.
const std::multimap<std::string, std::string>& nodes() {
  static const std::multimap<std::string, std::string> list = [] {
    std::multimap<std::string, std::string> all{
        {"Conv",
         "%x: f32[2,20,7,9], %w: f32[37,20,3,3], %b: f32[37] | "
         R"(%y = Conv(%x, %w, %b) {pads=[1,1,1,1], activation="sigmoid"})"},
        {"Conv",
         "%x: f32[1,32,6,5], %w: f32[16,32,1,1], %b: f32[16], %r: f32[1,16,6,5] | "
         R"(%y = Conv(%x, %w, %b, %r) {activation="relu"})"},
        {"Conv", "%x: f32[1,13,12], %w: f32[5,13,3] | %y = Conv(%x, %w) {strides=[2]}"},
        {"Conv", "%x: f32[2,32,7,9], %w: f32[48,16,3,3] | %y = Conv(%x, %w) {group=2, dilations=[2,1]}"},
        {"Conv",
         "%x: f32[1,3,11,12], %w: f32[21,3,3,3], %b: f32[21] | "
         "%y = Conv(%x, %w, %b) {pads=[1,1,1,1], strides=[2,2]}"},
        {"Conv",
         "%x: f32[2,21,7,8], %w: f32[21,1,3,3], %b: f32[21] | "
         R"(%y = Conv(%x, %w, %b) {group=21, pads=[1,1,1,1], activation="silu"})"},
        {"MaxPool", "%x: f32[2,21,7,8] | %y = MaxPool(%x) {kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]}"},
        {"MaxPool", "%x: f32[1,16,9] | %y = MaxPool(%x) {kernel_shape=[2], strides=[2]}"},
        {"AveragePool", "%x: f32[2,21,7,8] | %y = AveragePool(%x) {kernel_shape=[3,3], pads=[1,1,1,1]}"},
        {"AveragePool", "%x: f32[1,16,5,4] | %y = AveragePool(%x) {global=1}"},
        {"QuantizeLinear", "%x: f32[2,48,3,5], %s: f32[], %z: u8[] | %y = QuantizeLinear(%x, %s, %z)"},
        {"QuantizeLinear", "%x: f32[1,16,2,7], %s: f32[], %z: i8[] | %y = QuantizeLinear(%x, %s, %z)"},
        {"DequantizeLinear", "%x: u8[2,48,3,5], %s: f32[], %z: u8[] | %y = DequantizeLinear(%x, %s, %z)"},
        {"DynamicQuantizeLinear", "%x: f32[2,16,3,5] | %y, %s, %z = DynamicQuantizeLinear(%x)"},
        {"QAdd", "%a: u8[2,16,3,5], %s: f32[], %z: u8[], %b: u8[2,16,3,5] | %y = QAdd(%a, %s, %z, %b, %s, %z, %s, %z)"},
    };
    for (const ir::OpDef* op : ir::all_ops()) {
      const std::string name = op->name;
      if (ops::find_unary(name)) all.emplace(name, "%x: f32[2,48,3,5] | %y = " + name + "(%x)");
      if (ops::find_binary(name)) all.emplace(name, "%a: f32[2,48,3,5], %b: f32[2,48,3,5] | %y = " + name + "(%a, %b)");
    }
    return all;
  }();
  return list;
}

bool blocked(Port port) { return block_of(layout_of(port)) > 1; }

/// The forms of uniform operands that the kernel is to be tried in; one of no meaning where it has none.
std::vector<Port> forms_of(const Kernel& kernel) {
  for (const Ports* ports : {&kernel.in, &kernel.out})
    for (int i = 0; i < ports->count; ++i)
      if ((*ports)[i] == Port::uniform)
        return {Port::dense, Port::channels_last, Port::uniform, Port::blocked8, Port::blocked16};
  return {Port::uniform};
}

bool takes_blocks(const Kernel& kernel) {
  if (forms_of(kernel).size() > 1) return true;
  for (const Ports* ports : {&kernel.in, &kernel.out})
    for (int i = 0; i < ports->count; ++i)
      if (blocked((*ports)[i])) return true;
  return false;
}

/// One case: a node's parameters, operands and results' types.
struct Case {
  std::unique_ptr<ir::Graph> graph;
  std::vector<std::byte> params;
  std::vector<Tensor> in;
  std::vector<std::pair<DType, Shape>> out;
};

Shape shape_of(const ir::Type& type) {
  Shape shape;
  for (const ir::Expr& e : type.shape) shape[shape.rank++] = e.constant();
  return shape;
}

Case make_case(const std::string& text, std::mt19937& rng) {
  const std::size_t bar = text.find('|');
  Case c;
  c.graph = ir::parse("graph \"g\" (" + text.substr(0, bar) + ") {\n" + text.substr(bar + 1) + "\nreturn (y: %y)\n}");
  const ir::Graph& g = *c.graph;
  const ir::Node& node = g.node(g.order()[0]);
  if (node.op->params != nullptr) {
    ir::ParamsBlob blob;
    node.op->params({g, node}, blob);
    c.params = blob.bytes();
  }
  for (const ir::ValueId v : node.inputs) {
    const ir::Type& type = g.value(v).type;
    Tensor t = test::make_tensor(type.dtype, shape_of(type));
    // Scales and what Log and Sqrt take are above zero.
    if (type.dtype == DType::f32) t = test::random_f32(t.shape, rng, 0.01F, 2);
    else
      for (std::byte& b : t.bytes) b = static_cast<std::byte>(rng());
    t.constant = g.value(v).name == "w";
    c.in.push_back(std::move(t));
  }
  for (const ir::ValueId v : node.outputs) c.out.emplace_back(g.value(v).type.dtype, shape_of(g.value(v).type));
  return c;
}

class BlockKernels : public testing::TestWithParam<const Kernel*> {};
MONZA_MAY_LACK_KERNELS(BlockKernels);

TEST_P(BlockKernels, AgreeWithTheReferenceInEveryLayout) {
  const Kernel& kernel = *GetParam();
  if (const std::string lacks = test::lacking(kernel); !lacks.empty()) GTEST_SKIP() << lacks;
  const Kernel& reference = *kernels_of(kernel.op).back();
  std::mt19937 rng(3);
  std::set<Port> ran;
  const auto [first, last] = nodes().equal_range(kernel.op);
  for (auto it = first; it != last; ++it) {
    const Case c = make_case(it->second, rng);
    const auto want = test::run_kernel(reference, c.params.data(), c.in, c.out);
    ASSERT_EQ(want.problem, "") << it->second;
    for (const Port form : forms_of(kernel))
      for (const std::uint32_t seed : {1u, 2u, 3u}) {
        const auto got = test::run_kernel(kernel, c.params.data(), c.in, c.out,
                                          {.threads = seed == 3 ? 2 : 1, .seed = seed, .uniform = form});
        if (!got.refusal.empty()) continue;
        ran.insert(form);
        ASSERT_EQ(got.problem, "") << it->second << ", form " << static_cast<int>(form);
        for (std::size_t o = 0; o < c.out.size(); ++o)
          EXPECT_LE(test::relative_error(got.outputs[o], want.outputs[o]), dtype_bits(c.out[o].first) == 8 ? 0 : 1e-5)
              << it->second << ", output " << o << ", form " << static_cast<int>(form);
      }
  }
  for (const Port form : forms_of(kernel))
    EXPECT_TRUE(ran.contains(form)) << "no case for " << kernel.op << " that this kernel takes: add one to nodes()";
}

std::vector<const Kernel*> block_kernels() {
  std::vector<const Kernel*> list;
  for (const Kernel* k : all_kernels())
    if (takes_blocks(*k)) list.push_back(k);
  return list;
}
INSTANTIATE_TEST_SUITE_P(Kernels, BlockKernels, testing::ValuesIn(block_kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

TEST(Ports, AdmitLayouts) {
  EXPECT_TRUE(admits(Port::uniform, Layout::blocked8) && admits(Port::uniform, Layout::strided));
  EXPECT_FALSE(admits(Port::uniform, Layout::packed));
  for (const Port port : {Port::dense, Port::strided, Port::rows, Port::channels_last}) {
    EXPECT_TRUE(admits(port, Layout::strided));
    EXPECT_FALSE(admits(port, Layout::blocked8) || admits(port, Layout::blocked16) || admits(port, Layout::packed));
  }
  EXPECT_TRUE(admits(Port::blocked16, Layout::blocked16));
  EXPECT_FALSE(admits(Port::blocked16, Layout::blocked8) || admits(Port::blocked16, Layout::strided));
}

}  // namespace
}  // namespace monza
