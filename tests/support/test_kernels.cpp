#include "support/test_kernels.h"

#include <cstring>

namespace monza::test {
namespace {

template <typename F>
void each(const Shape& shape, int axis, std::int64_t* index, F& f) {
  if (axis == shape.rank) {
    f(index);
    return;
  }
  for (index[axis] = 0; index[axis] < shape[axis]; ++index[axis]) each(shape, axis + 1, index, f);
}
std::int64_t offset(const TensorView& v, const std::int64_t* index) {
  std::int64_t at = 0;
  for (int a = 0; a < v.shape.rank; ++a) at += index[a] * v.stride[a];
  return at;
}

Status run_add(const KernelContext& c) noexcept {
  const TensorView &a = c.in[0], &b = c.in[1], &out = c.out[0];
  const std::int64_t rows = out.shape.rank > 0 ? out.shape[0] : 1;
  parallel_for(*c.parallel, rows, [&](std::int64_t row, int) {
    std::int64_t index[kMaxRank] = {row};
    auto f = [&](const std::int64_t* i) {
      out.as<float>()[offset(out, i)] = a.as<float>()[offset(a, i)] + b.as<float>()[offset(b, i)];
    };
    if (out.shape.rank == 0) {
      f(index);
    } else {
      each(out.shape, 1, index, f);
    }
  });
  return {};
}

Status run_scale(const KernelContext& c) noexcept {
  const float factor = c.params_as<float>();
  std::int64_t index[kMaxRank] = {};
  auto f = [&](const std::int64_t* i) {
    c.out[0].as<float>()[offset(c.out[0], i)] = factor * c.in[0].as<float>()[offset(c.in[0], i)];
  };
  each(c.out[0].shape, 0, index, f);
  return {};
}

Status run_compress(const KernelContext& c) noexcept {
  std::int64_t n = 0;
  for (std::int64_t i = 0; i < c.in[0].shape[0]; ++i)
    if (const float v = c.in[0].as<float>()[i * c.in[0].stride[0]]; v > 0) c.out[0].as<float>()[n++] = v;
  c.extents[0] = n;
  return {};
}

Status run_copy(const KernelContext& c) noexcept {
  std::int64_t index[kMaxRank] = {};
  auto f = [&](const std::int64_t* i) {
    c.out[0].as<float>()[offset(c.out[0], i)] = c.in[0].as<float>()[offset(c.in[0], i)];
  };
  each(c.out[0].shape, 0, index, f);
  return {};
}

Status run_fail(const KernelContext&) noexcept {
  return {StatusCode::resource_exhausted, "the kernel was asked to fail"};
}

Status run_less(const KernelContext& c) noexcept {
  *c.out[0].as<bool>() = *c.in[0].as<float>() < *c.in[1].as<float>();
  return {};
}

std::size_t scratch(const KernelQuery& q) noexcept { return static_cast<std::size_t>(q.input(0).shape.numel()) * 64; }
Status run_scratchy(const KernelContext& c) noexcept {
  std::memset(c.scratch, 1, static_cast<std::size_t>(c.in[0].shape.numel()) * 64);
  return run_copy(c);
}

Status run_nothing(const KernelContext& c) noexcept {
  std::memset(c.out[0].data, 0, 1);
  return {};
}

}  // namespace

const Kernel kAdd{.name = "test_add", .op = "TestAdd", .in = {Port::strided}, .out = {Port::strided}, .run = run_add};
const Kernel kScale{
    .name = "test_scale", .op = "TestScale", .in = {Port::strided}, .out = {Port::strided}, .run = run_scale};
const Kernel kCompress{.name = "test_compress", .op = "TestCompress", .run = run_compress};
const Kernel kCopy{.name = "test_copy",
                   .op = "TestCopy",
                   .reference = true,
                   .in = {Port::strided},
                   .out = {Port::strided},
                   .run = run_copy,
                   .in_place_inputs = 1};
const Kernel kFail{.name = "test_fail", .op = "TestFail", .run = run_fail, .in_place_inputs = 1};
const Kernel kLess{.name = "test_less", .op = "TestLess", .run = run_less};
const Kernel kScratchy{.name = "test_scratchy", .op = "TestScratchy", .scratch_bytes = scratch, .run = run_scratchy};
const Kernel kSigmoidDense{.name = "test_sigmoid_dense", .op = "Sigmoid", .run = run_nothing};
const Kernel kSigmoidBlocked{.name = "test_sigmoid_blocked",
                             .op = "Sigmoid",
                             .in = {Port::blocked16},
                             .out = {Port::blocked16},
                             .run = run_nothing};
const Kernel kSigmoidFromBlocked{.name = "test_sigmoid_from_blocked",
                                 .op = "Sigmoid",
                                 .in = {Port::blocked16},
                                 .out = {Port::dense},
                                 .run = run_nothing};
const Kernel kReluUniform{
    .name = "test_relu_uniform", .op = "Relu", .in = {Port::uniform}, .out = {Port::uniform}, .run = run_nothing};

}  // namespace monza::test
