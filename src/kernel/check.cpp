#include "kernel/check.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <string_view>

#include "kernel/ports.h"
#include "kernel/register.h"
#include "tensor/dtype.h"

namespace monza {
namespace ops {
extern const CheckList* const check_table[];  // generated: one for each src/ops/<family>/<name>.check.cpp
extern const int check_table_count;
}  // namespace ops

namespace {

const std::map<std::string_view, const OperatorCheck*>& checks_by_op() {
  static const auto built = [] {
    std::map<std::string_view, const OperatorCheck*> map;
    for (int i = 0; i < ops::check_table_count; ++i)
      for (const OperatorCheck& check : ops::check_table[i]->checks) map.emplace(check.op, &check);
    return map;
  }();
  return built;
}

/// Rules of loaded plugins' operators.
struct AddedChecks {
  std::mutex mutex;
  std::map<std::string_view, const OperatorCheck*> by_op;
};

AddedChecks& added_checks() {
  static AddedChecks* const checks = new AddedChecks;  // threads may ask until the process ends
  return *checks;
}

bool empty(const TensorView& v) {
  return std::any_of(v.shape.dim, v.shape.dim + v.shape.rank, [](std::int64_t e) { return e == 0; });
}

/// Pixels evenly spaced, channels innermost (see Port::channels_last).
bool channels_last(const TensorView& v) {
  if (v.shape.rank < 2 || (v.shape[1] != 1 && v.stride[1] != 1)) return false;
  std::int64_t expected = -1;
  for (int k = 0; k + 1 < v.shape.rank; ++k) {
    const int axis = k + 2 < v.shape.rank ? v.shape.rank - 1 - k : 0;
    if (v.shape[axis] == 1) continue;
    if (expected < 0 ? v.stride[axis] < v.shape[1] : v.stride[axis] != expected) return false;
    expected = v.stride[axis] * v.shape[axis];
  }
  return true;
}

/// A permutation of a dense layout.
bool gap_free(const TensorView& v) {
  bool placed[kMaxRank] = {};
  std::int64_t expected = 1;
  for (int round = 0; round < v.shape.rank; ++round) {
    int next = -1;
    for (int a = 0; a < v.shape.rank; ++a)
      if (!placed[a] && (v.shape[a] == 1 || v.stride[a] == expected)) {
        next = a;
        if (v.shape[a] != 1) break;
      }
    if (next < 0) return false;
    placed[next] = true;
    expected *= v.shape[next];
  }
  return true;
}

std::int64_t block_size(const TensorView& v) { return block_of(v.layout); }

std::int64_t blocks_of(const TensorView& v) { return (v.shape[1] + block_size(v) - 1) / block_size(v); }

/// Pixels in row-major order within a block, blocks apart by any stride that keeps them apart: what blocked kernels
/// know. A slice of some blocks of a wider tensor is of this form.
bool block_rows(const TensorView& v) {
  if (v.shape.rank < 2) return false;
  std::int64_t plane = block_size(v);
  for (int a = v.shape.rank - 1; a >= 2; --a) {
    if (v.shape[a] != 1 && v.stride[a] != plane) return false;
    plane *= v.shape[a];
  }
  const std::int64_t blocks = blocks_of(v);
  return (blocks == 1 || v.stride[1] >= plane) &&
         (v.shape[0] == 1 || v.stride[0] >= (blocks - 1) * v.stride[1] + plane);
}

/// The same without gaps: every number between the first and the last is an element.
bool block_dense(const TensorView& v) {
  const std::int64_t blocks = blocks_of(v), plane = block_size(v) * v.shape.count(2, v.shape.rank);
  return (blocks == 1 || v.stride[1] == plane) && (v.shape[0] == 1 || v.stride[0] == blocks * plane);
}

bool same_form(const TensorView& a, const TensorView& b) {
  if (!(a.shape == b.shape) || a.layout != b.layout) return false;
  for (int i = 0; i < a.shape.rank; ++i)
    if (a.shape[i] > 1 && a.stride[i] != b.stride[i]) return false;
  return true;
}

Refusal refuse_port(const Kernel& kernel, Port port, const TensorView& v, const TensorView*& uniform) {
  if (!v.present()) return nullptr;
  const bool blocks = block_size(v) > 1;
  if (blocks && !empty(v) && !block_rows(v)) return "an operand's blocks have gaps that its kernel does not know of";
  // Copy makes the layouts.
  if (!admits(port, v.layout) && !(blocks && port == Port::strided && std::string_view(kernel.op) == "Copy"))
    return "an operand has another layout than its kernel takes";
  if (empty(v)) return nullptr;
  switch (port) {
    case Port::dense: return v.dense() ? nullptr : "an operand has gaps that its kernel does not know of";
    case Port::rows:
      return v.shape.rank == 0 || v.shape[v.shape.rank - 1] == 1 || v.stride[v.shape.rank - 1] == 1
                 ? nullptr
                 : "an operand's rows have gaps that its kernel does not know of";
    case Port::channels_last: return channels_last(v) ? nullptr : "an operand's pixels do not lie channels last";
    case Port::uniform:
      // Without padding a block is like any other order of the elements.
      if (blocks && v.shape[1] % block_size(v) != 0) return "an operand's blocks are padded";
      if (blocks && !block_dense(v)) return "an operand's blocks have gaps that its kernel does not know of";
      if (!blocks && !gap_free(v)) return "an operand has gaps that its kernel does not know of";
      if (uniform == nullptr) uniform = &v;
      return same_form(*uniform, v) ? nullptr : "operands that lie alike differ in their strides";
    default: return nullptr;
  }
}

}  // namespace

void add_check(const OperatorCheck& check) {
  AddedChecks& a = added_checks();
  const std::lock_guard lock(a.mutex);
  a.by_op.emplace(check.op, &check);
}

const OperatorCheck* find_check(const char* op) {
  if (const auto it = checks_by_op().find(op); it != checks_by_op().end()) return it->second;
  AddedChecks& a = added_checks();
  const std::lock_guard lock(a.mutex);
  const auto it = a.by_op.find(op);
  return it == a.by_op.end() ? nullptr : it->second;
}

Refusal refuse_operands(const char* op, CheckContext operands) noexcept {
  const OperatorCheck* check = find_check(op);
  if (check == nullptr || check->state_inputs != 0 || check->state_outputs != 0) return nullptr;
  Refusal reason = nullptr;
  for (operands.extents = 0; operands.extents <= 2 * kMaxRank; ++operands.extents) {
    const Refusal r = check->check(operands);
    if (r == nullptr) return nullptr;
    if (reason == nullptr || std::string_view(reason) == kOtherExtents) reason = r;
  }
  return reason;
}

Refusal refuse_step(const Kernel& kernel, const OperatorCheck* check, const StepQuery& query) noexcept {
  const CheckContext& c = query.operands;
  if (check != nullptr) {
    if (c.state_inputs != check->state_inputs || c.state_outputs != check->state_outputs)
      return "a sequence's state is given where tensors are taken, or the other way round";
    if (const Refusal r = check->check(c)) return r;
  }
  // Such kernels write densely for the extents that they report, and so within what is dense for the bounds.
  for (int i = 0; i < c.out_count && c.extents > 0; ++i)
    if (c.out[i].present() && !c.out[i].dense()) return "an output has gaps, and the step reports its extents";
  const TensorView* uniform = nullptr;
  for (int i = 0; i < c.in_count; ++i)
    if (const Refusal r = refuse_port(kernel, kernel.in[i], c.in[i], uniform)) return r;
  for (int i = 0; i < c.out_count; ++i)
    if (const Refusal r = refuse_port(kernel, kernel.out[i], c.out[i], uniform)) return r;

  KernelQuery q;
  q.params = c.params;
  q.in = query.in;
  q.in_count = c.in_count;
  q.out = query.out;
  q.out_count = c.out_count;
  q.threads = query.threads;
  if (kernel.accepts != nullptr)
    if (const Refusal r = kernel.accepts(q)) return r;
  for (int i = 0; i < c.in_count; ++i) {
    if (c.in[i].layout != Layout::packed) continue;
    bool fits = false;
    for (int k = 0; k < kernel.packing_count; ++k)
      fits |=
          kernel.packings[k].input == i && kernel.packings[k].bytes(q) <= static_cast<std::size_t>(query.in_bytes[i]);
    if (!fits) return "an input is packed, but not as its kernel packs it";
  }
  if (kernel.scratch_bytes != nullptr && kernel.scratch_bytes(q) > static_cast<std::size_t>(query.scratch_bytes))
    return "the kernel needs more scratch memory at this shape than was planned";
  return nullptr;
}

bool may_overlap(const TensorView& a, const TensorView& b) noexcept {
  if (empty(a) || empty(b) || a.data == nullptr || b.data == nullptr) return false;
  // Bytes [low, high) of each, and its axes from the longest stride to the shortest.
  struct Reach {
    std::int64_t low = 0, high = 0;
    int rank = 0;
    std::int64_t step[kMaxRank + 1], extent[kMaxRank + 1];
  };
  const auto reach = [](const TensorView& v) {
    const std::int64_t bits = dtype_bits(v.dtype);
    Reach r;
    const auto axis = [&](std::int64_t extent, std::int64_t stride) {
      if (extent == 1) return;  // its stride is never taken, and may be any number
      const std::int64_t step = stride * bits / 8, span = (extent - 1) * stride * bits / 8;
      (span < 0 ? r.low : r.high) += span;
      if (step == 0) return;
      r.step[r.rank] = step < 0 ? -step : step;
      r.extent[r.rank++] = extent;
    };
    const std::int64_t block = block_size(v);
    for (int i = 0; i < v.shape.rank; ++i)
      axis(i == 1 && block > 1 ? (v.shape[i] + block - 1) / block : v.shape[i], v.stride[i]);
    if (block > 1) axis(block, 1);
    r.high += (bits + 7) / 8 + (bits < 8 ? 1 : 0);
    return r;
  };
  const Reach x = reach(a), y = reach(b);
  // Addresses of different mappings may be compared as integers only.
  const auto at_a = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(a.data)),
             at_b = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(b.data));
  const std::int64_t low_x = at_a + x.low, high_x = at_a + x.high, low_y = at_b + y.low, high_y = at_b + y.high;
  if (high_x <= low_y || high_y <= low_x) return false;
  // Interleaved parts of one tensor: with a period that all longer strides of both are multiples of, each occupies a
  // fixed part of the period.
  const auto part = [](const Reach& r, std::int64_t period) {
    std::int64_t span = 0;  // of the axes shorter than the period; -1: an axis does not fit it
    for (int i = 0; i < r.rank; ++i) {
      if (r.step[i] % period == 0) continue;
      if (r.step[i] > period) return std::int64_t{-1};
      span += (r.extent[i] - 1) * r.step[i];
    }
    return span;
  };
  const auto apart = [&](std::int64_t period) {
    if (period <= 0) return false;
    const std::int64_t px = part(x, period), py = part(y, period);
    if (px < 0 || py < 0) return false;
    const std::int64_t ex = (dtype_bits(a.dtype) + 7) / 8, ey = (dtype_bits(b.dtype) + 7) / 8;
    const std::int64_t distance = ((low_y - low_x) % period + period) % period;
    return px + ex <= distance && distance + py + ey <= period;
  };
  for (int i = 0; i < x.rank; ++i)
    if (apart(x.step[i])) return false;
  for (int i = 0; i < y.rank; ++i)
    if (apart(y.step[i])) return false;
  return true;
}

Refusal refuse_overlap(const Kernel& kernel, const TensorView& in, int in_index, const TensorView& out,
                       int out_index) noexcept {
  if (!may_overlap(in, out)) return nullptr;
  // Whether a copy onto itself is worth a step is the planner's affair; it changes nothing.
  const bool allowed = (out_index == 0 && in_index < 32 && (kernel.in_place_inputs >> in_index & 1u) != 0) ||
                       std::string_view(kernel.op) == "Copy";
  if (allowed && in.data == out.data && dtype_bits(in.dtype) == dtype_bits(out.dtype) && same_form(in, out))
    return nullptr;
  return "an output lies over an input that its kernel still reads";
}

}  // namespace monza
