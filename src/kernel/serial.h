// Runs a kernel's tasks one after the other on the caller's thread: for work at build.
#pragma once

#include "kernel/parallel.h"

namespace monza {

struct Serial final : Parallel {
  int threads() const noexcept override { return 1; }
  void run(std::int64_t tasks, Body body, void* context) noexcept override {
    for (std::int64_t t = 0; t < tasks; ++t) body(context, t, 0);
  }
};

}  // namespace monza
