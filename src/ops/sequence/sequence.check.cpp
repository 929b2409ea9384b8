// What the kernels of this family rely on: handles where lists are, and a reported extent for each that varies; the
// pool checks the handles.
#include "kernel/check_rules.h"
#include "ops/sequence/sequence.params.h"

namespace monza::ops {
namespace {

bool is_list(const TensorView& v) { return v.dtype == DType::handle && v.shape.rank == 0; }
/// Tensors that the pool takes in and gives out.
bool is_tensor(const TensorView& v) { return v.present() && !is_block_encoding(v.dtype); }

/// How many of the axes below `rank` vary; -1 when others are said to.
int varying_axes(std::uint32_t mask, int rank) {
  if ((mask >> rank) != 0) return -1;
  int count = 0;
  for (int a = 0; a < rank; ++a) count += static_cast<int>(mask >> a & 1u);
  return count;
}

Refusal check_construct(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 0, .most_in = 1 << 30})) return r;
  for (int i = 0; i < c.in_count; ++i) MONZA_REQUIRE(is_tensor(c.in[i]), kTypes);
  MONZA_REQUIRE(is_list(c.out[0]), kTypes);
  return nullptr;
}

Refusal check_insert(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 2, .most_in = 3})) return r;
  MONZA_REQUIRE(is_list(c.in[0]) && is_tensor(c.in[1]) && is_list(c.out[0]), kTypes);
  MONZA_REQUIRE(!c.has_input(2) || (integral(c.in[2]) && one_element(c.in[2])), kTypes);
  return nullptr;
}

Refusal check_erase(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 2})) return r;
  MONZA_REQUIRE(is_list(c.in[0]) && is_list(c.out[0]), kTypes);
  MONZA_REQUIRE(!c.has_input(1) || (integral(c.in[1]) && one_element(c.in[1])), kTypes);
  return nullptr;
}

template <DType kOut>
Refusal check_question(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  MONZA_REQUIRE(is_list(c.in[0]) && c.out[0].dtype == kOut && one_element(c.out[0]), kTypes);
  return nullptr;
}

/// SequenceAt and OptionalGet.
template <int kInputs>
Refusal check_element(const CheckContext& c) noexcept {
  MONZA_REQUIRE(c.out_count == 1, kTypes);
  const int extents = varying_axes(c.params_as<SequenceAtParams>().varying, c.out[0].shape.rank);
  if (const Refusal r = refuse_arity(c, {.least_in = kInputs, .most_in = kInputs, .extents = extents})) return r;
  MONZA_REQUIRE(is_list(c.in[0]) && is_tensor(c.out[0]), kTypes);
  MONZA_REQUIRE(kInputs == 1 || (integral(c.in[1]) && one_element(c.in[1])), kTypes);
  return nullptr;
}

Refusal check_list(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {})) return r;
  MONZA_REQUIRE(is_list(c.in[0]) && is_list(c.out[0]), kTypes);
  return nullptr;
}

Refusal check_none(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.least_in = 0, .most_in = 0})) return r;
  MONZA_REQUIRE(is_list(c.out[0]), kTypes);
  return nullptr;
}

Refusal check_split(const CheckContext& c) noexcept {
  if (const Refusal r = refuse_arity(c, {.most_in = 2})) return r;
  MONZA_REQUIRE(is_tensor(c.in[0]) && dtype_bits(c.in[0].dtype) >= 8 && is_list(c.out[0]), kTypes);
  MONZA_REQUIRE(is_axis(c.params_as<SplitToSequenceParams>().axis, c.in[0].shape.rank),
                "the axis lies outside the rank");
  MONZA_REQUIRE(!c.has_input(1) || (integral(c.in[1]) && (c.in[1].shape.rank == 1 || one_element(c.in[1]))), kTypes);
  return nullptr;
}

Refusal check_concat(const CheckContext& c) noexcept {
  MONZA_REQUIRE(c.out_count == 1, kTypes);
  const auto& p = c.params_as<ConcatFromSequenceParams>();
  const int extents = varying_axes(p.varying, c.out[0].shape.rank);
  if (const Refusal r = refuse_arity(c, {.extents = extents})) return r;
  MONZA_REQUIRE(is_list(c.in[0]) && is_tensor(c.out[0]) && dtype_bits(c.out[0].dtype) >= 8, kTypes);
  MONZA_REQUIRE(is_axis(p.axis, c.out[0].shape.rank), "the axis lies outside the rank");
  return nullptr;
}

constexpr OperatorCheck kSequenceChecks[] = {
    {"SequenceConstruct", check_construct},
    {"SequenceInsert", check_insert},
    {"SequenceErase", check_erase},
    {"SequenceLength", check_question<DType::i64>},
    {"SequenceAt", check_element<2>},
    {"SplitToSequence", check_split},
    {"ConcatFromSequence", check_concat},
    {"OptionalGet", check_element<1>},
    {"OptionalGetSequence", check_list},
    {"OptionalHas", check_question<DType::boolean>},
    {"OptionalOf", check_list},
    {"OptionalNone", check_none},
};

}  // namespace

extern const CheckList sequence_checks{kSequenceChecks};

}  // namespace monza::ops
