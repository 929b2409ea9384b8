#include "plugin/kernels.h"

#include <array>
#include <atomic>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "backend/cuda/launch.h"
#include "kernel/check_rules.h"
#include "kernel/register.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza::plugin {
namespace {

static_assert(kMaxRank == MONZA_MAX_RANK);

monza_tensor tensor_of(DType dtype, const Shape& shape, void* data) {
  monza_tensor t{};
  if (dtype == DType::invalid) return t;
  t.dtype = static_cast<std::int32_t>(dtype);
  t.rank = shape.rank;
  std::copy(shape.dim, shape.dim + shape.rank, t.shape);
  t.data = data;
  // Unsigned: of the largest shapes that are asked about there may be more than fit.
  t.bytes = (static_cast<std::size_t>(shape.numel()) * static_cast<std::size_t>(dtype_bits(dtype)) + 7) / 8;
  return t;
}

/// What a callback is given, filled in from what kernels, queries and checks are given.
struct Call {
  monza_plugin_call call{};
  monza_tensor in[MONZA_PLUGIN_MAX_OPERANDS], out[MONZA_PLUGIN_MAX_OPERANDS];
  Parallel* parallel = nullptr;
  std::atomic<bool> threw = false;

  Call(const Operator& op, const void* params, DeviceKind device) {
    call.struct_size = sizeof call;
    call.params = params;
    call.inputs = in;
    call.outputs = out;
    call.extent_count = op.declared->extent_count;
    call.device = device == DeviceKind::cuda ? MONZA_CUDA : MONZA_CPU;
    call.threads = 1;
    call.parallel_for = [](const monza_plugin_call*, std::int64_t count, Task task, void* user) {
      for (std::int64_t i = 0; i < count; ++i) task(user, i, 0);
    };
  }
  Call(const Call&) = delete;

  using Task = void (*)(void* user, std::int64_t index, std::int32_t thread);

  /// Operands that have type and shape, and with `with_data` data. More than there is room for were refused before.
  template <typename T>
  void set_operands(const T& c, bool with_data) {
    const auto convert = [&](const auto* from, int count, monza_tensor* to, std::int32_t& number) {
      number = std::min(count, MONZA_PLUGIN_MAX_OPERANDS);
      for (int i = 0; i < number; ++i)
        to[i] = tensor_of(from[i].dtype, from[i].shape, with_data ? const_cast<void*>(data_of(from[i])) : nullptr);
    };
    convert(c.in, c.in_count, in, call.input_count);
    convert(c.out, c.out_count, out, call.output_count);
  }

 private:
  static const void* data_of(const TensorView& v) { return v.data; }
  static const void* data_of(const OperandDesc&) { return nullptr; }
};

/// A call in a run.
struct Run : Call {
  Run(const Operator& op, const KernelContext& c, DeviceKind device) : Call(op, c.params, device) {
    set_operands(c, true);
    call.workspace = c.scratch;
    call.extents = c.extents;
    call.host = this;
    if (device == DeviceKind::cuda) {
      if (c.launch != nullptr) call.stream = static_cast<const backend::CudaLaunch*>(c.launch)->stream;
      return;
    }
    parallel = c.parallel;
    call.threads = parallel->threads();
    call.parallel_for = spread;
  }

 private:
  /// A task that throws ends the process where it runs on another thread, so it is caught there.
  static void spread(const monza_plugin_call* call, std::int64_t count, Task task, void* user) {
    Run& run = *static_cast<Run*>(call->host);
    monza::parallel_for(*run.parallel, count, [&](std::int64_t index, int worker) noexcept {
      try {
        task(user, index, worker);
      } catch (...) {
        run.threw = true;
      }
    });
  }
};

constexpr const char* kThrew = "the plugin's operator threw an exception";

Status run_operator(const Operator& op, DeviceKind device, const KernelContext& c) noexcept {
  const auto run = device == DeviceKind::cuda ? op.declared->run_cuda : op.declared->run;
  try {
    Run r(op, c, device);
    const char* reason = run(&r.call);
    if (r.threw) return {StatusCode::internal, kThrew};
    return reason == nullptr ? Status{} : Status{StatusCode::invalid_argument, reason};
  } catch (...) {
    return {StatusCode::internal, kThrew};
  }
}

/// What the plugin says; below 0 where it says nothing that memory could be planned for.
std::int64_t workspace_of(const Operator& op, DeviceKind device, const KernelQuery& q) noexcept {
  constexpr std::int64_t kMost = std::int64_t{1} << 50;
  if (op.declared->workspace == nullptr) return 0;
  try {
    Call c(op, q.params, device);
    c.call.threads = q.threads;
    c.set_operands(q, false);
    const std::int64_t bytes = op.declared->workspace(&c.call);
    return bytes <= kMost ? bytes : -1;
  } catch (...) {
    return -1;
  }
}

Refusal refuse_workspace(const Operator& op, DeviceKind device, const KernelQuery& q) noexcept {
  return workspace_of(op, device, q) < 0 ? "the plugin does not say how much scratch memory it needs" : nullptr;
}

/// Below 0 was refused before.
std::size_t scratch_of(const Operator& op, DeviceKind device, const KernelQuery& q) noexcept {
  return static_cast<std::size_t>(std::max<std::int64_t>(0, workspace_of(op, device, q)));
}

Refusal check_operator(const Operator& op, const CheckContext& c) noexcept {
  const monza_plugin_operator& d = *op.declared;
  if (const Refusal r = refuse_arity(c, {.least_in = d.min_inputs,
                                         .most_in = d.max_inputs,
                                         .least_out = d.min_outputs,
                                         .most_out = d.max_outputs,
                                         .extents = d.extent_count}))
    return r;
  for (int i = 0; i < c.in_count; ++i) MONZA_REQUIRE(!c.in[i].present() || has_name(c.in[i].dtype), kTypes);
  for (int i = 0; i < c.out_count; ++i) MONZA_REQUIRE(!c.out[i].present() || has_name(c.out[i].dtype), kTypes);
  try {
    Call call(op, c.params, DeviceKind::cpu);
    call.set_operands(c, false);
    return d.verify(&call.call);
  } catch (...) {
    return "the plugin's operator threw an exception while it looked at its operands";
  }
}

/// What is there of one operator. Written before its kernels are in the registry, and not afterwards.
struct Slot {
  const Operator* op = nullptr;
  std::string cpu_name, cuda_name;
  Kernel cpu, cuda;
  OperatorCheck check;
};

std::array<Slot, kMaxOperators>& slots() {
  static auto* const all = new std::array<Slot, kMaxOperators>;  // kernels may run until the process ends
  return *all;
}

/// The functions of one slot.
struct Functions {
  Status (*run_cpu)(const KernelContext&) noexcept;
  Status (*run_cuda)(const KernelContext&) noexcept;
  Refusal (*accepts_cpu)(const KernelQuery&) noexcept;
  Refusal (*accepts_cuda)(const KernelQuery&) noexcept;
  std::size_t (*scratch_cpu)(const KernelQuery&) noexcept;
  std::size_t (*scratch_cuda)(const KernelQuery&) noexcept;
  Refusal (*check)(const CheckContext&) noexcept;
};

template <std::size_t I>
const Operator& op_of() {
  return *slots()[I].op;
}

template <std::size_t... I>
constexpr std::array<Functions, sizeof...(I)> functions_of(std::index_sequence<I...>) {
  return {Functions{
      [](const KernelContext& c) noexcept { return run_operator(op_of<I>(), DeviceKind::cpu, c); },
      [](const KernelContext& c) noexcept { return run_operator(op_of<I>(), DeviceKind::cuda, c); },
      [](const KernelQuery& q) noexcept { return refuse_workspace(op_of<I>(), DeviceKind::cpu, q); },
      [](const KernelQuery& q) noexcept { return refuse_workspace(op_of<I>(), DeviceKind::cuda, q); },
      [](const KernelQuery& q) noexcept { return scratch_of(op_of<I>(), DeviceKind::cpu, q); },
      [](const KernelQuery& q) noexcept { return scratch_of(op_of<I>(), DeviceKind::cuda, q); },
      [](const CheckContext& c) noexcept { return check_operator(op_of<I>(), c); },
  }...};
}
constexpr auto kFunctions = functions_of(std::make_index_sequence<kMaxOperators>());

}  // namespace

void add_operator(int index, const Operator& op) {
  Slot& slot = slots()[static_cast<std::size_t>(index)];
  const Functions& functions = kFunctions[static_cast<std::size_t>(index)];
  const monza_plugin_operator& d = *op.declared;
  slot.op = &op;
  slot.cpu_name = op.name + ":cpu";
  slot.cuda_name = op.name + ":cuda";
  const auto kernel_of = [&](const std::string& name, DeviceKind device, auto run, auto accepts, auto scratch) {
    Kernel k;
    k.name = name.c_str();
    k.op = op.name.c_str();
    k.device = device;
    k.reference = device == DeviceKind::cpu;  // there is no plainer one
    k.batch_invariant = (d.flags & MONZA_PLUGIN_BATCH_INVARIANT) != 0;
    k.version = d.version;
    k.accepts = accepts;
    k.scratch_bytes = scratch;
    k.run = run;
    return k;
  };
  std::vector<const Kernel*> kernels;
  if (d.run_cuda != nullptr) {
    slot.cuda =
        kernel_of(slot.cuda_name, DeviceKind::cuda, functions.run_cuda, functions.accepts_cuda, functions.scratch_cuda);
    kernels.push_back(&slot.cuda);
  }
  if (d.run != nullptr) {
    slot.cpu =
        kernel_of(slot.cpu_name, DeviceKind::cpu, functions.run_cpu, functions.accepts_cpu, functions.scratch_cpu);
    kernels.push_back(&slot.cpu);
  }
  slot.check = {.op = op.name.c_str(), .check = functions.check};
  add_check(slot.check);
  add_kernels(op.name.c_str(), std::move(kernels));
}

}  // namespace monza::plugin
