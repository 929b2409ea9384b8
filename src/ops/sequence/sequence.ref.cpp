// Sequences and optionals. One thread makes lists; elements are copied by all.
#include "kernel/copy.h"
#include "kernel/kernel.h"
#include "kernel/value_pool.h"
#include "ops/sequence/sequence.params.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::ops {
namespace {

constexpr Status kBroken{StatusCode::internal, "a kernel of sequences was given other operands"};
constexpr Status kAbsent{StatusCode::invalid_argument, "an optional holds nothing where its value is needed"};

bool is_handle(const TensorView& v) { return v.dtype == DType::handle && v.shape.rank == 0; }
Handle& handle(const TensorView& v) { return *v.as<Handle>(); }
/// Operands of every kernel here: a pool, and handles where the operator has lists.
bool takes(const KernelContext& c, int least, bool list_in, bool list_out) {
  return c.pool != nullptr && c.in_count >= least && c.out_count >= 1 && (!list_in || is_handle(c.in[0])) &&
         is_handle(c.out[0]) == list_out;
}

/// Position in [0, length], counted from the end where it is negative; -1 when it lies outside.
std::int64_t position(const TensorView& v, std::int64_t length) {
  const ElementAccess& access = element_access(v.dtype);
  if (access.load_int == nullptr || v.shape.numel() != 1) return -1;
  const std::int64_t i = access.load_int(v.data, 0);
  return i < 0 ? i + length : i;
}
std::int64_t length_of(const Handle& h) { return static_cast<std::int64_t>(h.size); }

Status run_construct(const KernelContext& c) noexcept {
  if (!takes(c, 0, false, true)) return kBroken;
  Handle list;
  for (int i = 0; i < c.in_count; ++i)
    if (Status s = c.pool->insert(list, i, c.in[i], *c.parallel, &list); !s) return s;
  handle(c.out[0]) = list;
  return {};
}

Status run_insert(const KernelContext& c) noexcept {
  if (!takes(c, 2, true, true)) return kBroken;
  const Handle list = handle(c.in[0]);
  const std::int64_t at = c.has_input(2) ? position(c.in[2], length_of(list)) : length_of(list);
  return c.pool->insert(list, at, c.in[1], *c.parallel, &handle(c.out[0]));
}

Status run_erase(const KernelContext& c) noexcept {
  if (!takes(c, 1, true, true)) return kBroken;
  const Handle list = handle(c.in[0]);
  const std::int64_t at = c.has_input(1) ? position(c.in[1], length_of(list)) : length_of(list) - 1;
  return c.pool->erase(list, at, &handle(c.out[0]));
}

Status run_length(const KernelContext& c) noexcept {
  if (!takes(c, 1, true, false) || c.out[0].dtype != DType::i64) return kBroken;
  const Handle list = handle(c.in[0]);
  if (ValuePool::is_absent(list)) return kAbsent;
  *c.out[0].as<std::int64_t>() = length_of(list);
  return {};
}

/// Copies an element out, and reports its extents.
Status copy_out(const KernelContext& c, const Handle& list, std::int64_t at) {
  TensorView from, to = c.out[0];
  if (Status s = c.pool->element(list, at, &from); !s) return s;
  const std::uint32_t varying = c.params_as<SequenceAtParams>().varying;
  if (from.dtype != to.dtype || from.shape.rank != to.shape.rank)
    return {StatusCode::invalid_argument,
            "a tensor of a sequence has another type or rank than the engine was built for"};
  for (int a = 0, slot = 0; a < from.shape.rank; ++a) {
    const bool free = (varying >> a & 1) != 0;
    if (free ? from.shape[a] > to.shape[a] : from.shape[a] != to.shape[a])
      return {StatusCode::invalid_argument, "a tensor of a sequence has other extents than the engine was built for"};
    if (free && c.extents == nullptr) return kBroken;
    if (free) c.extents[slot++] = from.shape[a];
  }
  if (varying != 0) {
    to.shape = from.shape;
    to.set_dense();
  }
  return copy_view(from, to, *c.parallel);
}

Status run_at(const KernelContext& c) noexcept {
  if (!takes(c, 2, true, false)) return kBroken;
  const Handle list = handle(c.in[0]);
  return copy_out(c, list, position(c.in[1], length_of(list)));
}

Status run_get(const KernelContext& c) noexcept {
  if (!takes(c, 1, true, false)) return kBroken;
  return ValuePool::is_absent(handle(c.in[0])) ? kAbsent : copy_out(c, handle(c.in[0]), 0);
}

Status run_get_sequence(const KernelContext& c) noexcept {
  if (!takes(c, 1, true, true)) return kBroken;
  if (ValuePool::is_absent(handle(c.in[0]))) return kAbsent;
  handle(c.out[0]) = handle(c.in[0]);
  return {};
}

Status run_has(const KernelContext& c) noexcept {
  if (!takes(c, 1, true, false) || c.out[0].dtype != DType::boolean) return kBroken;
  *c.out[0].as<bool>() = !ValuePool::is_absent(handle(c.in[0]));
  return {};
}

Status run_optional_of(const KernelContext& c) noexcept {
  if (!takes(c, 1, true, true)) return kBroken;
  handle(c.out[0]) = handle(c.in[0]);
  return {};
}

Status run_none(const KernelContext& c) noexcept {
  if (!takes(c, 0, false, true)) return kBroken;
  handle(c.out[0]) = ValuePool::absent();
  return {};
}

Status run_split(const KernelContext& c) noexcept {
  if (!takes(c, 1, false, true)) return kBroken;
  const auto& p = c.params_as<SplitToSequenceParams>();
  const TensorView& x = c.in[0];
  if (p.axis < 0 || p.axis >= x.shape.rank) return kBroken;
  const std::int64_t whole = x.shape[p.axis];
  const bool sizes = c.has_input(1), list = sizes && c.in[1].shape.rank == 1;
  const ElementAccess* access = sizes ? &element_access(c.in[1].dtype) : nullptr;
  if (sizes && (access->load_int == nullptr || c.in[1].shape.rank > 1)) return kBroken;
  Handle made;
  std::int64_t begin = 0;
  for (std::int64_t i = 0; list ? i < c.in[1].shape[0] : begin < whole; ++i) {
    std::int64_t size = !sizes ? 1 : access->load_int(c.in[1].data, list ? i * c.in[1].stride[0] : 0);
    if (sizes && !list && size > whole - begin) size = whole - begin;
    if (size < (list ? 0 : 1) || size > whole - begin)
      return {StatusCode::invalid_argument, "the sizes to split into do not fit the extent that is split"};
    TensorView piece = x;
    piece.data = element_address(x.data, dtype_bits(x.dtype), begin * x.stride[p.axis]);
    piece.shape[p.axis] = size;
    if (p.keep == 0) {
      --piece.shape.rank;
      for (int a = p.axis; a < piece.shape.rank; ++a) {
        piece.shape[a] = x.shape[a + 1];
        piece.stride[a] = x.stride[a + 1];
      }
    }
    if (Status s = c.pool->insert(made, i, piece, *c.parallel, &made); !s) return s;
    begin += size;
  }
  if (begin != whole)
    return {StatusCode::invalid_argument, "the sizes to split into do not sum up to the extent that is split"};
  handle(c.out[0]) = made;
  return {};
}

Status run_concat(const KernelContext& c) noexcept {
  if (!takes(c, 1, true, false) || c.extents == nullptr) return kBroken;
  const auto& p = c.params_as<ConcatFromSequenceParams>();
  const Handle list = handle(c.in[0]);
  TensorView out = c.out[0];
  if (p.axis < 0 || p.axis >= out.shape.rank) return kBroken;
  if (list.size == 0) return {StatusCode::invalid_argument, "an empty sequence cannot be concatenated"};
  // Once for the extents, once to copy.
  Shape total;
  for (const bool copies : {false, true}) {
    std::int64_t begin = 0;
    for (std::int64_t i = 0; i < length_of(list); ++i) {
      TensorView part;
      if (Status s = c.pool->element(list, i, &part); !s) return s;
      if (part.dtype != out.dtype || part.shape.rank + (p.stacks != 0 ? 1 : 0) != out.shape.rank)
        return {StatusCode::invalid_argument,
                "a tensor of a sequence has another type or rank than the engine was built for"};
      if (p.stacks != 0) {
        for (int a = part.shape.rank++; a > p.axis; --a) {
          part.shape[a] = part.shape[a - 1];
          part.stride[a] = part.stride[a - 1];
        }
        part.shape[p.axis] = 1;
        part.stride[p.axis] = 0;
      }
      const std::int64_t size = part.shape[p.axis];
      if (!copies) {
        if (i == 0) total = part.shape;
        for (int a = 0; a < total.rank; ++a)
          if (a != p.axis && part.shape[a] != total[a])
            return {StatusCode::invalid_argument, "tensors of a sequence that is concatenated differ in an extent"};
      } else {
        TensorView to = out;
        to.shape = part.shape;
        to.data = element_address(out.data, dtype_bits(out.dtype), begin * out.stride[p.axis]);
        if (Status s = copy_view(part, to, *c.parallel); !s) return s;
      }
      begin += size;
    }
    if (copies) break;
    total[p.axis] = begin;
    for (int a = 0, slot = 0; a < total.rank; ++a) {
      const bool free = (p.varying >> a & 1) != 0;
      if (free ? total[a] > out.shape[a] : total[a] != out.shape[a])
        return {StatusCode::resource_exhausted, "a concatenated sequence is larger than the engine was built for"};
      if (free) c.extents[slot++] = total[a];
    }
    out.shape = total;
    out.set_dense();
  }
  return {};
}

consteval Kernel list_kernel(const char* name, const char* op, Status (*run)(const KernelContext&) noexcept, Port in) {
  return {.name = name, .op = op, .reference = true, .in{in}, .out{Port::dense}, .run = run};
}

}  // namespace

extern const Kernel sequence_construct_ref =
    list_kernel("sequence_construct_ref", "SequenceConstruct", run_construct, Port::strided);
extern const Kernel sequence_insert_ref =
    list_kernel("sequence_insert_ref", "SequenceInsert", run_insert, Port::strided);
extern const Kernel sequence_erase_ref = list_kernel("sequence_erase_ref", "SequenceErase", run_erase, Port::dense);
extern const Kernel sequence_length_ref = list_kernel("sequence_length_ref", "SequenceLength", run_length, Port::dense);
extern const Kernel sequence_at_ref = list_kernel("sequence_at_ref", "SequenceAt", run_at, Port::dense);
extern const Kernel split_to_sequence_ref =
    list_kernel("split_to_sequence_ref", "SplitToSequence", run_split, Port::strided);
extern const Kernel concat_from_sequence_ref =
    list_kernel("concat_from_sequence_ref", "ConcatFromSequence", run_concat, Port::dense);
extern const Kernel optional_get_ref = list_kernel("optional_get_ref", "OptionalGet", run_get, Port::dense);
extern const Kernel optional_get_sequence_ref =
    list_kernel("optional_get_sequence_ref", "OptionalGetSequence", run_get_sequence, Port::dense);
extern const Kernel optional_has_ref = list_kernel("optional_has_ref", "OptionalHas", run_has, Port::dense);
extern const Kernel optional_of_ref = list_kernel("optional_of_ref", "OptionalOf", run_optional_of, Port::dense);
extern const Kernel optional_none_ref = list_kernel("optional_none_ref", "OptionalNone", run_none, Port::dense);

}  // namespace monza::ops
