// The reference device slowed down, so that whoever does not wait for it is sure to be early.
#pragma once

#include <chrono>
#include <thread>

#include "backend/reference/reference_device.h"

namespace monza::test {

/// While one lives, each piece of work begins after a delay.
struct SlowReference {
  SlowReference() {
    backend::before_reference_work = [] { std::this_thread::sleep_for(std::chrono::milliseconds(5)); };
  }
  ~SlowReference() { backend::before_reference_work = nullptr; }
  SlowReference(const SlowReference&) = delete;
  SlowReference& operator=(const SlowReference&) = delete;
};

}  // namespace monza::test
