// Launches with their arguments, to be made later: by devices whose kernels are host code, or to be captured.
#pragma once

#include <vector>

#include "backend/device.h"

namespace monza::backend {

/// One launch; owns the views that its context points to.
class CapturedLaunch {
 public:
  CapturedLaunch() = default;
  /// Room for `most_operands`, so that set() does not allocate.
  explicit CapturedLaunch(int most_operands) { views_.reserve(static_cast<std::size_t>(most_operands)); }

  void set(const Kernel& kernel, const KernelContext& context, std::int32_t step) {
    kernel_ = &kernel;
    context_ = context;
    step_ = step;
    views_.assign(context.in, context.in + context.in_count);
    views_.insert(views_.end(), context.out, context.out + context.out_count);
  }
  /// Runs it; `parallel`, if any, in place of the context's.
  Status run(Parallel* parallel) const noexcept {
    KernelContext context = own_context();
    if (parallel != nullptr) context.parallel = parallel;
    const Status status = kernel_->run(context);
    return status || status.step() >= 0 ? status : status.at_step(step_);
  }

  Status put_into(Queue& queue) const noexcept { return queue.launch(*kernel_, own_context(), step_); }

 private:
  KernelContext own_context() const noexcept {
    KernelContext context = context_;
    context.in = views_.data();
    context.out = views_.data() + context.in_count;
    return context;
  }

  const Kernel* kernel_ = nullptr;
  KernelContext context_;
  std::vector<TensorView> views_;
  std::int32_t step_ = -1;
};

/// What a queue of such a device captures.
struct CapturedLaunches final : CapturedWork {
  std::vector<CapturedLaunch> launches;
};

}  // namespace monza::backend
