// The extent program: integer arithmetic on registers, checked for overflow, between kernels.
#include <algorithm>

#include "runtime/executor.h"
#include "tensor/dtype.h"

namespace monza::runtime {
namespace {

using plan::ScalarOp;

constexpr Status kOverflow{StatusCode::out_of_range, "the arithmetic on extents overflows or divides by zero"};

bool compute(ScalarOp op, std::int64_t a, std::int64_t b, std::int64_t* r) noexcept {
  const bool divides = op == ScalarOp::floor_div || op == ScalarOp::ceil_div || op == ScalarOp::mod;
  if (divides && (b == 0 || (b == -1 && a == INT64_MIN))) return false;
  switch (op) {
    case ScalarOp::add: return !__builtin_add_overflow(a, b, r);
    case ScalarOp::sub: return !__builtin_sub_overflow(a, b, r);
    case ScalarOp::mul: return !__builtin_mul_overflow(a, b, r);
    case ScalarOp::floor_div: *r = a / b - (a % b != 0 && (a < 0) != (b < 0)); return true;
    case ScalarOp::ceil_div: *r = a / b + (a % b != 0 && (a < 0) == (b < 0)); return true;
    case ScalarOp::mod: *r = a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0); return true;  // sign of the divisor
    case ScalarOp::min: *r = std::min(a, b); return true;
    case ScalarOp::max: *r = std::max(a, b); return true;
    default: return false;
  }
}

/// Element `i` of an integer or boolean buffer.
bool load_integer(DType dtype, const void* data, std::int64_t i, std::int64_t* value) noexcept {
  switch (dtype) {
    case DType::i8: *value = static_cast<const std::int8_t*>(data)[i]; return true;
    case DType::boolean:
    case DType::u8: *value = static_cast<const std::uint8_t*>(data)[i]; return true;
    case DType::i16: *value = static_cast<const std::int16_t*>(data)[i]; return true;
    case DType::u16: *value = static_cast<const std::uint16_t*>(data)[i]; return true;
    case DType::i32: *value = static_cast<const std::int32_t*>(data)[i]; return true;
    case DType::u32: *value = static_cast<const std::uint32_t*>(data)[i]; return true;
    case DType::i64:
    case DType::u64: *value = static_cast<const std::int64_t*>(data)[i]; return true;
    default: return false;
  }
}

}  // namespace

Status Executor::run_program(plan::Range range) noexcept {
  for (std::uint32_t i = range.begin; i < range.begin + range.count; ++i) {
    const plan::ScalarInstruction& in = plan_.program[i];
    const auto at = [&](std::int32_t r) { return registers_[static_cast<std::size_t>(r)]; };
    switch (in.op) {
      case ScalarOp::input_extent:
        registers_[static_cast<std::size_t>(in.dst)] = inputs_[static_cast<std::size_t>(in.a)].shape[in.b];
        break;
      case ScalarOp::load_element: {
        if (!plan_.operands[static_cast<std::size_t>(in.a)].is_static)
          if (Status s = resolve(in.a); !s) return s;
        std::int64_t value;
        if (Status s = load_element(in.a, in.b, &value); !s) return s;
        registers_[static_cast<std::size_t>(in.dst)] = value;
        break;
      }
      case ScalarOp::check_range: {
        const plan::Check& check = plan_.checks[static_cast<std::size_t>(in.b)];
        if (at(in.a) >= check.low && at(in.a) <= check.high) break;
        failure_ = {.check = in.b, .value = at(in.a), .low = check.low, .high = check.high};
        return {StatusCode::out_of_range, "an extent leaves the bounds that the engine was built for"};
      }
      case ScalarOp::check_equal:
        if (at(in.a) == at(in.b)) break;
        failure_ = {.check = in.dst, .value = at(in.a), .low = at(in.b), .high = at(in.b)};
        return {StatusCode::invalid_argument, "extents that must be equal differ"};
      default:
        if (!compute(in.op, at(in.a), at(in.b), &registers_[static_cast<std::size_t>(in.dst)])) return kOverflow;
    }
  }
  return {};
}

Status Executor::load_element(std::int32_t operand, std::int64_t element, std::int64_t* value) noexcept {
  const TensorView& v = views_[static_cast<std::size_t>(operand)];
  std::int64_t rest = element, at = 0;
  for (int a = v.shape.rank - 1; a >= 0; --a) {
    if (v.shape[a] <= 0)
      return {StatusCode::out_of_range, "an integer that shapes depend on is missing: its tensor is empty"};
    at += rest % v.shape[a] * v.stride[a];
    rest /= v.shape[a];
  }
  if (rest != 0)
    return {StatusCode::out_of_range, "an integer that shapes depend on is missing: its tensor is too short"};
  if (!load_integer(v.dtype, v.data, at, value))
    return {StatusCode::internal, "an extent is read from a tensor that holds no integers"};
  return {};
}

}  // namespace monza::runtime
