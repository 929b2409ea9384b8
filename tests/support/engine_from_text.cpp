#include "support/engine_from_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "engine/file/image.h"
#include "engine/run/engine_impl.h"
#include "ir/text.h"
#include "passes/evaluate.h"
#include "passes/pass.h"
#include "plan/weights.h"

namespace monza::test {

Engine engine_from_graph(ir::Graph& graph, const plan::PlanScope& scope, BuildOptions options) {
  if (options.threads == 0) options.threads = 1;
  plan::WeightStore weights;
  plan::PlannedModel planned = plan::make_plan(graph, options, scope, weights);
  engine_file::Parts parts;
  parts.plan = std::move(planned.plan);
  weights.settle(parts.plan);
  parts.stored = weights.assemble();
  return make_engine(engine_file::make_image(std::move(parts)), {});
}

TextEngine engine_from_text(const std::string& text, const plan::PlanScope& scope, bool optimized,
                            const BuildOptions& options) {
  auto graph = ir::parse(text);
  if (optimized) optimize(*graph, {.strict_rewrites = true});
  Engine engine = engine_from_graph(*graph, scope, options);
  return {std::move(engine), std::move(graph)};
}

void expect_same_as_reference(const std::string& text, const std::vector<std::vector<std::int64_t>>& shapes,
                              const plan::PlanScope& scope, bool optimized, const BuildOptions& options) {
  TextEngine made = engine_from_text(text, scope, optimized, options);
  const auto reference = ir::parse(text);
  Context context = made.engine.create_context();
  std::mt19937 random(7);
  std::vector<Tensor> inputs;
  std::vector<ConstantPtr> constants;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const DType dtype = reference->value(reference->inputs()[i]).type.dtype;
    Tensor tensor(dtype, shapes[i]);
    for (std::int64_t k = 0; k < tensor.numel(); ++k) {
      if (dtype == DType::f32) tensor.as<float>()[k] = std::uniform_real_distribution<float>(-1, 1)(random);
      if (dtype == DType::i64) tensor.as<std::int64_t>()[k] = std::int64_t(random() % 3);
      if (dtype == DType::boolean) tensor.as<bool>()[k] = random() % 2 == 0;
    }
    Shape shape;
    shape.rank = int(shapes[i].size());
    for (int a = 0; a < shape.rank; ++a) shape[a] = shapes[i][std::size_t(a)];
    constants.push_back(
        ir::make_constant(dtype, shape, {static_cast<const std::byte*>(tensor.ref().data), tensor.bytes()}));
    inputs.push_back(std::move(tensor));
  }
  const std::vector<ConstantPtr> expected = run_reference(*reference, constants);
  for (std::size_t i = 0; i < inputs.size(); ++i) ASSERT_TRUE(context.bind_input(i, inputs[i]).ok()) << "input " << i;
  std::vector<Tensor> outputs;
  for (std::size_t o = 0; o < expected.size(); ++o) {
    std::vector<std::int64_t> shape(expected[o]->shape.dim, expected[o]->shape.dim + expected[o]->shape.rank);
    outputs.emplace_back(expected[o]->dtype, shape);
    ASSERT_TRUE(context.bind_output(made.engine.outputs()[o].name, outputs.back()).ok());
  }
  // Twice: a second run must not depend on what the first left in the arena.
  for (int run = 0; run < 2; ++run) {
    const Status status = context.run();
    ASSERT_TRUE(status.ok()) << context.describe(status) << "\n" << text;
    for (std::size_t o = 0; o < expected.size(); ++o) {
      const TensorRef got = context.output(o);
      ASSERT_EQ(got.shape, outputs[o].shape()) << "output " << o << "\n" << text;
      EXPECT_EQ(got.data, outputs[o].ref().data);
      for (std::int64_t k = 0; k < got.numel(); ++k) {
        if (got.dtype == DType::f32) {
          const float want = expected[o]->as<float>()[k];
          ASSERT_NEAR(got.as<float>()[k], want, 1e-5 + 1e-5 * std::fabs(want))
              << "output " << o << " element " << k << "\n"
              << text;
        } else {
          ASSERT_EQ(std::memcmp(got.data, expected[o]->bytes.data(), got.bytes), 0) << "output " << o << "\n" << text;
        }
      }
    }
  }
}

}  // namespace monza::test
