#include "support/quantized_cases.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "ops/shared/requantize.params.h"
#include "tensor/shape.h"

namespace monza::test {
namespace {

Tensor random_scale(const Shape& shape, std::mt19937& rng, float low = 0.01F, float high = 0.03F) {
  return random_f32(shape, rng, low, high);
}

/// The largest |a - b| over the largest |b|, or over 1 where that is larger: GELU of very negative sums is all but 0.
double error_against_one(const Tensor& a, const Tensor& b) {
  double error = 0, largest = 1;
  for (std::int64_t i = 0; i < b.shape.numel(); ++i) {
    error = std::max(error, std::abs(static_cast<double>(a.as<float>()[i]) - b.as<float>()[i]));
    largest = std::max(largest, std::abs(static_cast<double>(b.as<float>()[i])));
  }
  return error / largest;
}

}  // namespace

Tensor random_bytes(DType type, const Shape& shape, std::mt19937& rng) {
  Tensor t = make_tensor(type, shape);
  // Mostly any bytes; of some tensors all are near one end or near either: sums of such products are the largest.
  const auto kind = rng() % 6;
  const std::uint32_t end = type == DType::u8 ? 0xff
                            : rng() % 2       ? 0x7f
                                              : 0x80,
                      other = type == DType::u8 ? 0 : end ^ 0xff;
  for (auto& b : t.bytes) {
    const std::uint32_t near = kind == 5 && rng() % 2 ? other : end;
    b = static_cast<std::byte>(kind < 4 ? rng() : near - (rng() % 8 == 0 ? rng() % 3 : 0));
  }
  return t;
}

void add_quantization(QuantizedCase& c, Activation& act, std::int32_t& residual_after, std::int64_t channels,
                      std::int64_t depth, std::mt19937& rng) {
  const auto pick = [&](std::initializer_list<int> list) { return *(list.begin() + rng() % list.size()); };
  const float w_scale = 1.0F / (60.0F * std::sqrt(static_cast<float>(depth)));
  std::vector<Tensor> operands = std::exchange(c.in, std::vector<Tensor>(14));
  c.in[QInput::x] = std::move(operands[0]);
  c.in[QInput::x_scale] = random_scale(rng() % 2 ? Shape{} : Shape{1}, rng);
  c.in[QInput::x_zero] = std::move(operands[2]);
  c.in[QInput::w] = std::move(operands[1]);
  c.in[QInput::w_scale] = random_scale(rng() % 2 ? Shape{channels} : Shape{1}, rng, w_scale, 2 * w_scale);
  c.in[QInput::w_zero] = std::move(operands[3]);
  const int bias = pick({0, 1, 2});
  if (bias == 1) c.in[QInput::bias] = random_f32(Shape{channels}, rng);
  if (bias == 2) {
    c.in[QInput::bias] = make_tensor(DType::i32, Shape{channels});
    for (std::int64_t i = 0; i < channels; ++i)
      c.in[QInput::bias].as<std::int32_t>()[i] = static_cast<std::int32_t>(rng() % 20001) - 10000;
  }
  const bool residual = rng() % 3 == 0, f32 = rng() % 3 == 0;
  c.out_type = DType::f32;
  if (f32) {
    act.kind = static_cast<ActivationKind>(pick({0, 1, 2, 3, 4, 5, 7}));
    if (residual) {
      c.in[QInput::residual] = random_f32(c.out, rng);
      residual_after = static_cast<std::int32_t>(rng() % 2);
    }
  } else {
    act.kind = residual ? static_cast<ActivationKind>(pick({0, 1, 2}))
                        : static_cast<ActivationKind>(pick({0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14}));
    c.most_steps = only_bounds(act) ? 0 : 1;
    c.out_type = rng() % 2 ? DType::u8 : DType::i8;
    c.in[QInput::y_scale] = random_scale(Shape{}, rng);
    c.in[QInput::y_zero] = random_bytes(c.out_type, Shape{}, rng);
    if (residual) {
      const DType r_type = rng() % 2 ? DType::u8 : DType::i8;
      c.in[QInput::residual] = random_bytes(r_type, c.out, rng);
      c.in[QInput::r_scale] = random_scale(Shape{}, rng);
      c.in[QInput::r_zero] = random_bytes(r_type, Shape{1}, rng);
      if (rng() % 2) {
        c.in[QInput::mid_scale] = random_scale(Shape{}, rng);
        if (rng() % 2) c.in[QInput::mid_zero] = random_bytes(rng() % 2 ? DType::u8 : DType::i8, Shape{}, rng);
      }
    }
  }
  const bool sloped = act.kind == ActivationKind::leaky_relu || act.kind == ActivationKind::elu ||
                      act.kind == ActivationKind::hard_sigmoid;
  act.alpha = act.kind == ActivationKind::clip ? -0.5F : sloped ? 0.3F : 0.0F;
  act.beta = act.kind == ActivationKind::clip ? 0.9F : 0.0F;
  c.text += " activation " + std::to_string(static_cast<int>(act.kind));
}

namespace {

/// Integers that are `most` apart at most.
void expect_steps(const Tensor& got, const Tensor& want, int most) {
  if (most == 0) {
    ASSERT_EQ(got.bytes, want.bytes);
    return;
  }
  ASSERT_EQ(got.bytes.size(), want.bytes.size());
  for (std::size_t i = 0; i < got.bytes.size(); ++i) {
    const auto value = [&](const Tensor& t) {
      return t.dtype == DType::u8 ? static_cast<int>(t.bytes[i])
                                  : static_cast<int>(static_cast<std::int8_t>(t.bytes[i]));
    };
    ASSERT_LE(std::abs(value(got) - value(want)), most) << "element " << i;
  }
}

}  // namespace

void expect_agreement(const Kernel& kernel, const Kernel& reference,
                      const std::function<QuantizedCase(std::uint32_t seed)>& cases) {
  int ran = 0;
  for (std::uint32_t seed = 0; seed < 600; ++seed) {
    const QuantizedCase c = cases(seed);
    const std::vector<std::pair<DType, Shape>> out{{c.out_type, c.out}};
    const auto got = run_kernel(kernel, c.params.get(), c.in, out, {.threads = 1, .seed = seed});
    if (!got.refusal.empty()) continue;
    ++ran;
    const auto want = run_kernel(reference, c.params.get(), c.in, out, {.threads = 1, .seed = seed + 1});
    ASSERT_EQ(want.problem, "") << c.text;
    ASSERT_EQ(got.problem, "") << c.text;
    if (c.out_type == DType::f32) {
      ASSERT_LE(error_against_one(got.outputs[0], want.outputs[0]), 2e-5) << c.text;
    } else {
      expect_steps(got.outputs[0], want.outputs[0], c.most_steps);
      ASSERT_FALSE(::testing::Test::HasFatalFailure()) << c.text;
    }
    const auto again = run_kernel(kernel, c.params.get(), c.in, out, {.threads = 2, .seed = seed});
    ASSERT_EQ(got.outputs[0].bytes, again.outputs[0].bytes) << "one and two threads differ, " << c.text;
  }
  EXPECT_GT(ran, 10) << "the kernel took almost none of the cases";
}

}  // namespace monza::test
