// Every kernel against the reference; the reference on a cell worked out by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/rnn/rnn.params.h"
#include "support/kernel_check.h"
#include "support/quantized_cases.h"

namespace monza {
namespace {

using test::Tensor;

TEST(Rnn, KernelsOfConstantWeightsMatchTheReference) {
  constexpr const char* kOps[] = {"RNN", "GRU", "LSTM"};
  for (int op = 0; op < 3; ++op) {
    const auto kernels = kernels_of(kOps[op]);
    const Kernel& reference = *kernels.back();
    ASSERT_TRUE(reference.reference);
    for (const Kernel* kernel : kernels) {
      if (!test::lacking(*kernel).empty()) continue;
      int ran = 0;
      for (std::uint32_t seed = 1; seed <= 60; ++seed) {
        std::mt19937 rng(seed);
        const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
        RnnParams p;
        p.kind = static_cast<RnnParams::Kind>(op);
        p.direction = static_cast<RnnParams::Direction>(rng() % 3);
        p.batch_first = pick({0, 1});
        p.linear_before_reset = pick({0, 1});
        p.hidden = pick({1, 3, 8, 16, 17, 32, 40, 64, 128});
        for (int d = 0; d < 2; ++d)
          p.activation[3 * d].function = op > 0              ? RnnParams::Function::sigmoid
                                         : pick({0, 1}) == 0 ? RnnParams::Function::tanh
                                                             : RnnParams::Function::relu;
        const std::int64_t time = pick({1, 1, 2, 5, 20, 0}), batch = pick({1, 1, 2, 5, 17}),
                           inputs = pick({1, 4, 19, 64});
        const std::int64_t hidden = p.hidden, directions = p.directions(), rows = p.gates() * hidden;
        const Shape state = p.batch_first ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden};
        std::vector<Tensor> in(op == 2 ? 7 : 6);
        in[0] = test::random_f32(p.batch_first ? Shape{batch, time, inputs} : Shape{time, batch, inputs}, rng);
        if (seed % 5 == 4) test::sprinkle(in[0], rng, 100, false);
        in[1] = test::random_f32(Shape{directions, rows, inputs}, rng, -0.5F, 0.5F);
        // A state that only grows tells nothing after some steps.
        const float most = op == 0 ? 0.5F / static_cast<float>(hidden) : 0.3F;
        in[2] = test::random_f32(Shape{directions, rows, hidden}, rng, -most, most);
        in[1].constant = in[2].constant = true;
        if (rng() % 4) in[3] = test::random_f32(Shape{directions, 2 * rows}, rng);
        if (rng() % 2) in[5] = test::random_f32(state, rng);
        if (op == 2 && rng() % 2) in[6] = test::random_f32(state, rng);
        if (rng() % 2) {
          in[4] = test::make_tensor(DType::i32, Shape{batch});
          for (std::int64_t n = 0; n < batch; ++n)
            in[4].as<std::int32_t>()[n] = static_cast<std::int32_t>(rng() % static_cast<unsigned>(time + 1));
        }
        const Shape y = p.batch_first ? Shape{batch, time, directions, hidden} : Shape{time, directions, batch, hidden};
        std::vector<std::pair<DType, Shape>> out{{DType::f32, y}, {DType::f32, state}};
        if (op == 2) out.emplace_back(DType::f32, state);
        const auto expected = test::run_kernel(reference, &p, in, out);
        ASSERT_EQ(expected.problem, "") << "seed " << seed;
        const auto got =
            test::run_kernel(*kernel, &p, in, out, {.threads = 1 + static_cast<int>(seed % 3), .seed = seed});
        if (!got.refusal.empty()) continue;
        ASSERT_EQ(got.problem, "") << kernel->name << " seed " << seed;
        ++ran;
        for (std::size_t i = 0; i < out.size(); ++i)
          ASSERT_LE(test::relative_error(got.outputs[i], expected.outputs[i]), 5e-6)
              << kernel->name << " output " << i << " seed " << seed;
      }
      EXPECT_GT(ran, 0) << kernel->name << " took no case";
    }
  }
}

/// A number that lies beside the middle of two bytes is rounded to either by neighbouring orders of summation: then a
/// state differs by a 255th of the range.
TEST(Rnn, KernelsOfBytesMatchTheReference) {
  const auto kernels = kernels_of("QLSTM");
  for (const Kernel* kernel : kernels) {
    if (!test::lacking(*kernel).empty()) continue;
    int ran = 0;
    double sum = 0;
    for (std::uint32_t seed = 1; seed <= 60; ++seed) {
      std::mt19937 rng(seed);
      const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
      RnnParams p;
      p.direction = static_cast<RnnParams::Direction>(rng() % 3);
      p.batch_first = pick({0, 1});
      p.hidden = pick({1, 3, 8, 17, 32, 64});
      for (int d = 0; d < 2; ++d) p.activation[3 * d].function = RnnParams::Function::sigmoid;
      const std::int64_t time = pick({1, 2, 5, 20, 0}), batch = pick({1, 1, 2, 17, 33}), inputs = pick({1, 4, 19, 64});
      const std::int64_t hidden = p.hidden, directions = p.directions(), rows = 4 * hidden;
      const DType type = pick({0, 1}) == 0 ? DType::i8 : DType::u8;
      const Shape state = p.batch_first ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden};
      const Shape lists[] = {{directions}, {directions, rows}};
      std::vector<Tensor> in(12);
      in[0] = test::random_f32(p.batch_first ? Shape{batch, time, inputs} : Shape{time, batch, inputs}, rng);
      if (seed % 5 == 4) test::sprinkle(in[0], rng, 100, false);
      for (int i = 1; i < 3; ++i) {
        in[i] = test::random_bytes(type, Shape{directions, i == 1 ? inputs : hidden, rows}, rng);
        in[i].constant = true;
        in[6 + 2 * i] = test::random_f32(lists[rng() % 2], rng, 0.001F, 0.004F);
        if (type == DType::u8 || pick({0, 1}) == 1) in[7 + 2 * i] = test::random_bytes(type, lists[rng() % 2], rng);
      }
      if (rng() % 4) in[3] = test::random_f32(Shape{directions, 2 * rows}, rng);
      if (rng() % 2) in[5] = test::random_f32(state, rng);
      if (rng() % 2) in[6] = test::random_f32(state, rng);
      if (rng() % 2) {
        in[4] = test::make_tensor(DType::i32, Shape{batch});
        for (std::int64_t n = 0; n < batch; ++n)
          in[4].as<std::int32_t>()[n] = static_cast<std::int32_t>(rng() % static_cast<unsigned>(time + 1));
      }
      const Shape y = p.batch_first ? Shape{batch, time, directions, hidden} : Shape{time, directions, batch, hidden};
      const std::vector<std::pair<DType, Shape>> out{{DType::f32, y}, {DType::f32, state}, {DType::f32, state}};
      const auto expected = test::run_kernel(*kernels.back(), &p, in, out);
      ASSERT_EQ(expected.problem, "") << "seed " << seed;
      const auto got =
          test::run_kernel(*kernel, &p, in, out, {.threads = 1 + static_cast<int>(seed % 3), .seed = seed});
      ASSERT_EQ(got.refusal + got.problem, "") << kernel->name << " seed " << seed;
      ++ran;
      for (std::size_t i = 0; i < out.size(); ++i) {
        const double error = test::relative_error(got.outputs[i], expected.outputs[i]);
        ASSERT_LE(error, 2e-2) << kernel->name << " output " << i << " seed " << seed;
        sum += error;
      }
    }
    EXPECT_LE(sum / (3 * ran), 1e-3) << kernel->name;
  }
}

/// All three layers, with lengths, in each type that the kernels of other devices take.
TEST(Rnn, DeviceKernelsMatchTheReference) {
  constexpr std::pair<DType, double> kAccuracies[] = {
      {DType::f32, 5e-6}, {DType::f16, 4e-3}, {DType::bf16, 3e-2}, {DType::f64, 1e-11}};
  constexpr const char* kOps[] = {"RNN", "GRU", "LSTM"};
  for (int op = 0; op < 3; ++op) {
    const auto kernels = kernels_of(kOps[op]);
    for (const Kernel* kernel : kernels) {
      if (kernel->device == DeviceKind::cpu || !test::lacking(*kernel).empty()) continue;
      for (const auto& [dtype, error] : kAccuracies)
        for (std::uint32_t seed = 1; seed <= 20; ++seed) {
          std::mt19937 rng(seed);
          const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
          RnnParams p;
          p.kind = static_cast<RnnParams::Kind>(op);
          p.direction = static_cast<RnnParams::Direction>(rng() % 3);
          p.batch_first = pick({0, 1});
          p.linear_before_reset = pick({0, 1});
          p.input_forget = pick({0, 1});
          if (rng() % 4 == 0) p.clip = 0.4F;
          p.hidden = pick({1, 3, 16, 33, 40});
          for (int d = 0; d < 2 && op > 0; ++d) p.activation[3 * d].function = RnnParams::Function::sigmoid;
          const std::int64_t time = pick({1, 2, 5, 12, 0}), batch = pick({1, 2, 5}), inputs = pick({1, 4, 19, 64});
          const std::int64_t hidden = p.hidden, directions = p.directions(), rows = p.gates() * hidden;
          const Shape state = p.batch_first ? Shape{batch, directions, hidden} : Shape{directions, batch, hidden};
          std::vector<Tensor> in(8);
          in[0] = test::random_f32(p.batch_first ? Shape{batch, time, inputs} : Shape{time, batch, inputs}, rng);
          in[1] = test::random_f32(Shape{directions, rows, inputs}, rng, -0.5F, 0.5F);
          in[2] = test::random_f32(Shape{directions, rows, hidden}, rng, -0.3F, 0.3F);
          if (rng() % 4) in[3] = test::random_f32(Shape{directions, 2 * rows}, rng);
          if (rng() % 2) in[5] = test::random_f32(state, rng);
          if (op == 2 && rng() % 2) in[6] = test::random_f32(state, rng);
          if (op == 2 && rng() % 2) in[7] = test::random_f32(Shape{directions, 3 * hidden}, rng);
          for (Tensor& t : in)
            if (t.dtype != DType::invalid) t = test::converted(t, dtype);
          if (rng() % 2) {
            in[4] = test::make_tensor(DType::i32, Shape{batch});
            for (std::int64_t n = 0; n < batch; ++n)
              in[4].as<std::int32_t>()[n] = static_cast<std::int32_t>(rng() % static_cast<unsigned>(time + 1));
          }
          const Shape y =
              p.batch_first ? Shape{batch, time, directions, hidden} : Shape{time, directions, batch, hidden};
          std::vector<std::pair<DType, Shape>> out{{dtype, y}, {dtype, state}};
          if (op == 2) out.emplace_back(dtype, state);
          const auto expected = test::run_kernel(*kernels.back(), &p, in, out);
          ASSERT_EQ(expected.problem, "") << "seed " << seed;
          const auto got = test::run_kernel(*kernel, &p, in, out, {.seed = seed});
          ASSERT_EQ(got.refusal + got.problem, "") << kernel->name << " seed " << seed;
          for (std::size_t i = 0; i < out.size(); ++i)
            ASSERT_LE(test::relative_error(got.outputs[i], expected.outputs[i]), error)
                << kernel->name << " output " << i << " seed " << seed;
        }
    }
  }
}

/// One unit, one step: i = o = f = sigmoid(x), candidate tanh(x), from a cell of 1.
TEST(Rnn, ReferenceOfOneCell) {
  RnnParams p;
  p.hidden = 1;
  p.activation[0].function = RnnParams::Function::sigmoid;
  std::mt19937 rng(1);
  std::vector<Tensor> in(7);
  for (int i : {0, 5, 6}) in[static_cast<std::size_t>(i)] = test::random_f32(Shape{1, 1, 1}, rng);
  in[1] = test::random_f32(Shape{1, 4, 1}, rng);
  in[2] = test::random_f32(Shape{1, 4, 1}, rng);
  for (int i = 0; i < 4; ++i) {
    in[1].as<float>()[i] = 1;
    in[2].as<float>()[i] = 0;
  }
  in[0].as<float>()[0] = 0.5F;
  in[6].as<float>()[0] = 1;
  const Shape one{1, 1, 1}, y{1, 1, 1, 1};
  const auto run =
      test::run_kernel(*kernels_of("LSTM").back(), &p, in, {{DType::f32, y}, {DType::f32, one}, {DType::f32, one}});
  ASSERT_EQ(run.problem, "");
  const double gate = 1 / (1 + std::exp(-0.5)), cell = gate + gate * std::tanh(0.5);
  EXPECT_NEAR(run.outputs[2].as<float>()[0], cell, 1e-6);
  EXPECT_NEAR(run.outputs[0].as<float>()[0], gate * std::tanh(cell), 1e-6);
}

}  // namespace
}  // namespace monza
