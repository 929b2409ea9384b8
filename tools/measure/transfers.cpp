#include "tools/measure/transfers.h"

#include <algorithm>
#include <cstring>

#include "backend/device.h"
#include "base/error.h"
#include "eval/run.h"
#include "tools/args/usage_error.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

/// Inputs and outputs of one context in the memory of a device.
class DevicePorts {
 public:
  /// `context` has run with the inputs, so that its outputs have shapes.
  DevicePorts(const Engine& engine, Context& context, const std::vector<Tensor>& inputs)
      : engine_(engine), context_(context), device_(backend::open_device(engine.stats().device)) {
    const auto queue = device_->make_queue({});
    for (const Tensor& t : inputs) {
      TensorRef ref = place(t.ref());
      check(queue->copy(ref.data, t.ref().data, static_cast<std::int64_t>(t.bytes()),
                        backend::Queue::Direction::to_device));
      inputs_.push_back(std::move(ref));
    }
    for (const TensorInfo& out : engine.outputs()) outputs_.push_back(place(context.output(out.name)));
    check(queue->synchronise());
  }

  /// False where the engine needs one of them on the host.
  bool bind() {
    for (std::size_t k = 0; k < inputs_.size(); ++k)
      if (!context_.bind_input(k, inputs_[k])) return false;
    for (std::size_t k = 0; k < outputs_.size(); ++k)
      if (!context_.bind_output(engine_.outputs()[k].name, outputs_[k])) return false;
    return true;
  }

 private:
  static void check(const Status& status) {
    if (!status) throw RunError(status.message());
  }
  TensorRef place(TensorRef ref) {
    memory_.push_back(device_->allocate(static_cast<std::int64_t>(ref.bytes)));
    ref.data = memory_.back().data;
    ref.device = engine_.stats().device;
    return ref;
  }

  const Engine& engine_;
  Context& context_;
  std::shared_ptr<backend::Device> device_;
  std::vector<backend::DeviceMemory> memory_;
  std::vector<TensorRef> inputs_, outputs_;
};

void run(Context& context) {
  if (const Status status = context.run(); !status) throw RunError(context.describe(status));
}

/// Whether all inputs and outputs are tensors of numbers, which can lie on a device.
bool of_numbers(const std::vector<TensorInfo>& ports) {
  return std::all_of(ports.begin(), ports.end(),
                     [](const TensorInfo& p) { return p.kind == ValueKind::tensor && p.dtype != DType::string; });
}

}  // namespace

Transfers measure_transfers(const Engine& engine, const ContextOptions& options, const std::vector<Tensor>& inputs,
                            double seconds) {
  Transfers result;
  Context context = engine.create_context(options);
  eval::bind_inputs(engine, context, inputs);
  run(context);
  context.set_profiling(true);
  for (int i = 0; i < 5; ++i) run(context);
  for (const StepProfile& step : context.profile())
    if (const bool back = step.op == "Fetch"; back || step.op == "Send") {
      (back ? result.to_host_ms : result.to_device_ms) += step.best_us / 1e3;
      (back ? result.to_host_bytes : result.to_device_bytes) += static_cast<std::size_t>(step.bytes);
    }
  context.set_profiling(false);
  if (!of_numbers(engine.inputs()) || !of_numbers(engine.outputs())) return result;
  DevicePorts ports(engine, context, inputs);
  if (!ports.bind()) return result;
  for (int i = 0; i < 3; ++i) run(context);
  std::vector<double> ms;
  for (const Stopwatch all; ms.size() < 5 || all.ms() < seconds * 1e3;) {
    const Stopwatch one;
    run(context);
    ms.push_back(one.ms());
  }
  result.without = summarize(ms);
  return result;
}

std::vector<Tensor> in_fast_memory(const Engine& engine, std::vector<Tensor> tensors) {
  if (engine.stats().device == Device::cpu) return tensors;
  for (Tensor& t : tensors) {
    if (t.dtype() == DType::string || t.bytes() == 0) continue;
    Tensor there = engine.host_tensor(t.dtype(), t.shape());
    std::memcpy(there.ref().data, t.ref().data, t.bytes());
    t = std::move(there);
  }
  return tensors;
}

}  // namespace monza::tool
