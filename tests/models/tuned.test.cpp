// Tuned plans of the shared models beside plans that take the first kernel that fits: the same results, whatever the
// times say.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include <gtest/gtest.h>

#include "models/cases.h"
#include "monza/engine.h"
#include "support/data.h"
#include "support/temporary.h"

namespace monza {
namespace {

/// Random inputs that mean something to the models that ask for it.
Tensor input_of(const TensorInfo& info, float largest, std::mt19937& random) {
  Tensor tensor(info.dtype, info.max);
  const auto fill = [&](auto* data, auto&& value) {
    for (std::int64_t i = 0; i < tensor.numel(); ++i) data[i] = value(i);
  };
  const float config[] = {100, 0.45f, 0.3f};
  std::uniform_real_distribution<float> unit(0, largest);
  if (info.name == "config") fill(tensor.as<float>(), [&](std::int64_t i) { return config[i % 3]; });
  else if (info.name == "sr") fill(tensor.as<std::int64_t>(), [](std::int64_t) { return 16000; });
  else if (info.dtype == DType::f32) fill(tensor.as<float>(), [&](std::int64_t) { return unit(random); });
  else if (info.dtype == DType::i64) fill(tensor.as<std::int64_t>(), [&](std::int64_t) { return random() % 1000; });
  else if (info.dtype == DType::u8) fill(tensor.as<std::uint8_t>(), [&](std::int64_t) { return random() % 256; });
  return tensor;  // flags are false
}

/// Outputs of one run, copied.
std::vector<Tensor> run(const Engine& engine, float largest) {
  std::mt19937 random(5);
  Context context = engine.create_context();
  std::vector<Tensor> inputs;
  for (const TensorInfo& info : engine.inputs()) inputs.push_back(input_of(info, largest, random));
  for (std::size_t i = 0; i < inputs.size(); ++i) EXPECT_TRUE(context.bind_input(i, inputs[i]).ok());
  const Status status = context.run();
  EXPECT_TRUE(status.ok()) << context.describe(status);
  std::vector<Tensor> outputs;
  for (std::size_t o = 0; o < engine.outputs().size(); ++o) outputs.push_back(Tensor::copy_of(context.output(o)));
  return outputs;
}

double cosine(const Tensor& a, const Tensor& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const double x = a.as<float>()[i], y = b.as<float>()[i];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : aa == bb ? 1 : 0;
}

/// FP32: |error| <= 1e-4 of the largest value + 1e-5. Models that quantise: cosine at least 0.999. Others: equal.
void expect_close(const std::vector<Tensor>& got, const std::vector<Tensor>& expected, bool integer) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t o = 0; o < got.size(); ++o) {
    ASSERT_EQ(got[o].shape(), expected[o].shape()) << "output " << o;
    if (got[o].dtype() != DType::f32) {
      EXPECT_EQ(std::memcmp(got[o].ref().data, expected[o].ref().data, got[o].bytes()), 0) << "output " << o;
      continue;
    }
    if (integer) {
      EXPECT_GE(cosine(got[o], expected[o]), 0.999) << "output " << o;
      continue;
    }
    double largest = 0, error = 0;
    for (std::int64_t i = 0; i < got[o].numel(); ++i) {
      largest = std::max(largest, std::fabs(static_cast<double>(expected[o].as<float>()[i])));
      const double difference =
          std::fabs(static_cast<double>(got[o].as<float>()[i]) - static_cast<double>(expected[o].as<float>()[i]));
      error = std::isnan(difference) ? 1e30 : std::max(error, difference);
    }
    EXPECT_LE(error, 1e-4 * largest + 1e-5) << "output " << o;
  }
}

BuildOptions options_of(const test::ModelCase& c) {
  BuildOptions options;
  options.threads = 2;
  options.strict_rewrites = true;
  for (const auto& [name, shape] : c.shapes) options.shapes[name] = {shape, shape, shape};
  return options;
}

/// Gives what is blocked or copies 1 us in the cache, and all else a thousand.
void prefer_blocks(const std::string& cache) {
  std::ifstream in(cache);
  if (!in) return;  // nothing was timed
  std::ostringstream out;
  std::string line;
  std::getline(in, line);
  out << line << "\n";
  while (std::getline(in, line)) {
    const bool preferred = line.find("_blocked") != std::string::npos || line.find(" copy_") != std::string::npos;
    out << (preferred ? 1 : 1000) << line.substr(line.find(' ')) << "\n";
  }
  in.close();
  std::ofstream(cache) << out.str();
}

std::vector<test::ModelCase> small_models() {
  std::vector<test::ModelCase> list = test::model_cases();
  // Encoder and decoder of whisper take seconds a run in a plan of any kernels.
  std::erase_if(list, [](const test::ModelCase& c) { return c.file.starts_with("whisper"); });
  return list;
}

class Tuned : public testing::TestWithParam<test::ModelCase> {};

TEST_P(Tuned, AgreesWithThePlanOfFirstKernels) {
  MONZA_NEED_SHARED(model, "models/onnx/" + GetParam().file);
  const test::TemporaryFolder folder;
  BuildOptions options = options_of(GetParam());
  options.tune = false;
  options.strip = false;
  const Engine first = Engine::build(model, options);
  const std::vector<Tensor> expected = run(first, GetParam().largest);
  const bool integer = first.graph_text().find("QuantizeLinear(") != std::string::npos;
  options.strip = true;

  options.tune = true;
  options.timing_cache = folder / "timings";
  options.max_build_seconds = 1;
  expect_close(run(Engine::build(model, options), GetParam().largest), expected, integer);

  // Other times choose other kernels and layouts: what no machine would choose is right, too.
  options.max_build_seconds = 1e-9;
  prefer_blocks(options.timing_cache);
  expect_close(run(Engine::build(model, options), GetParam().largest), expected, integer);
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    SCOPED_TRACE("times of seed " + std::to_string(seed));
    options.tactic_seed = seed;
    expect_close(run(Engine::build(model, options), GetParam().largest), expected, integer);
  }
}

INSTANTIATE_TEST_SUITE_P(SharedModels, Tuned, testing::ValuesIn(small_models()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace monza
