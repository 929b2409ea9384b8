// In which order requests run, and which are refused because they would be late.
#include "serve/scheduler.h"

#include <gtest/gtest.h>

#include <vector>

#include "support/engine_from_text.h"

namespace monza::serve {
namespace {

/// Runs of one row each, which begin when idle() is called.
class SchedulerTest : public testing::Test, public Completion {
 protected:
  SchedulerTest() : scheduler_({.inline_limit = std::chrono::hours(1)}) {
    plan::PlanScope scope;
    scope.profile["batch"] = {1, 4, 4};
    const Engine engine =
        test::engine_from_text("graph \"main\" (%x: f32[batch,2]) {\n  %y = Neg(%x)\n  return (y: %y)\n}", scope)
            .engine;
    queue_ = scheduler_.add(std::make_shared<ServedModel>("m", engine, BatchRule{1}), {});
    InferRequest request;
    request.inputs.push_back({.name = "x", .dtype = DType::f32, .shape = {}, .binary_bytes = 8});
    request.inputs[0].shape.dim[0] = 1;
    request.inputs[0].shape.dim[1] = 2;
    request.inputs[0].shape.rank = 2;
    fit_ = queue_->model().fit(request);
  }
  Slot* reserve(const Scheduler::Urgency& urgency) { return scheduler_.reserve(*queue_, fit_, *this, urgency, late_); }
  void submit(std::int64_t priority) { scheduler_.submit(*reserve({.priority = priority})); }
  void completed(Slot& slot) noexcept override {
    order_.push_back(slot.priority);
    scheduler_.release(slot);
  }

  Scheduler scheduler_;
  std::shared_ptr<ModelQueue> queue_;
  ServedModel::Fit fit_;
  bool late_ = false;
  std::vector<std::int64_t> order_;
};

TEST_F(SchedulerTest, RunsByPriorityThenByTime) {
  for (const std::int64_t priority : {8, 9, 1, 8, 1, 2}) submit(priority);
  scheduler_.idle();
  EXPECT_EQ(order_, (std::vector<std::int64_t>{1, 1, 2, 8, 8, 9}));
}

TEST_F(SchedulerTest, RefusesWhatWouldBeLate) {
  const auto soon = std::chrono::microseconds(1);
  EXPECT_EQ(reserve({.deadline = Clock::now() - soon, .priority = 8}), nullptr);
  EXPECT_TRUE(late_);
  for (int i = 0; i < 200; ++i) submit(8);
  EXPECT_EQ(reserve({.deadline = Clock::now() + soon, .priority = 8}), nullptr);  // 200 runs are before it
  EXPECT_TRUE(late_);
  Slot* slot = reserve({.deadline = Clock::now() + std::chrono::hours(1), .priority = 8});
  EXPECT_FALSE(late_);
  ASSERT_NE(slot, nullptr);
  EXPECT_TRUE(scheduler_.cancel(*slot));
  slot = reserve({.deadline = Clock::now() + std::chrono::seconds(1), .priority = 1});  // it goes before them
  EXPECT_FALSE(late_);
  EXPECT_TRUE(scheduler_.cancel(*slot));
  scheduler_.idle();
  EXPECT_EQ(order_.size(), 200u);
}

}  // namespace
}  // namespace monza::serve
