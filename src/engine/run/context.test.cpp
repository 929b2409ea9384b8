#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

#include "engine/run/context_impl.h"
#include "engine/run/engine_impl.h"
#include "kernel/registry.h"
#include "monza/engine.h"
#include "monza/future.h"
#include "ops/elementwise/elementwise.params.h"
#include "support/plan_builder.h"

namespace monza {
namespace {

using plan::Base;
using plan::Operand;
using plan::ScalarOp;
using test::Dim;
using test::PlanBuilder;

/// y[n] = x[n] + w, n from 1 to 64.
Engine sample() {
  PlanBuilder b;
  b.input("x", DType::f32, {1}, {64});
  const float w = 3;
  const plan::Register n = b.variable();
  const Operand weight = b.operand(Base::weights, DType::f32, {1}, b.weight("w", std::as_bytes(std::span(&w, 1))));
  const Operand y = b.operand(Base::output, DType::f32, {Dim::in(n, 64)});
  b.output("y", y);
  const std::int32_t even = b.check(0, 0, "the remainder of dimension 'n' (axis 0 of input 'x') by 2");
  const plan::Register rest = b.variable();
  const BinaryParams add{BinaryKind::add};
  b.step("layer/Add", *find_kernel("add_ref"), {b.operand(Base::input, DType::f32, {Dim::in(n, 64)}), weight}, {y},
         std::as_bytes(std::span(&add, 1)),
         {{ScalarOp::input_extent, {}, n, 0, 0},
          {ScalarOp::mod, {}, rest, n, b.constant(2)},
          {ScalarOp::check_range, {}, -1, rest, even}});
  b.finish();
  engine_file::Parts parts;
  parts.weights = Region(static_cast<std::int64_t>(b.weights().size()));
  std::memcpy(parts.weights.data(), b.weights().data(), b.weights().size());
  parts.plan = b.storage;
  return make_engine(engine_file::make_image(std::move(parts)), {});
}

TEST(Context, BindsRunsAndReads) {
  const Engine engine = sample();
  Context context = engine.create_context();
  Tensor x(DType::f32, {4}), y(DType::f32, {4});
  x.as<float>()[3] = 1;
  ASSERT_TRUE(context.bind_input("x", x));
  ASSERT_TRUE(context.run());
  const TensorRef out = context.output("y");
  EXPECT_EQ(out.shape, (std::vector<std::int64_t>{4}));
  EXPECT_EQ(out.as<float>()[3], 4);
  EXPECT_EQ(out.bytes, 16u);
  ASSERT_TRUE(context.bind_output("y", y));
  ASSERT_TRUE(context.run());
  EXPECT_EQ(y.as<float>()[3], 4);
  context.unbind_output("y");
  EXPECT_NE(context.output("y").data, y.as<void>());
  EXPECT_THROW(context.output("z"), Error);
  EXPECT_THROW(context.output(1), Error);
}

TEST(Context, StatusInWords) {
  const Engine engine = sample();
  Context context = engine.create_context();
  Tensor odd(DType::f32, {3}), large(DType::f32, {65}), wrong(DType::i64, {4});
  EXPECT_EQ(context.describe(Status{}), "ok");
  EXPECT_NE(context.describe(context.run()).find("an input is not bound: input 'x'"), std::string::npos);
  EXPECT_NE(context.describe(context.bind_input("x", large)).find("axis 0: 65 is not within 1 to 64"),
            std::string::npos);
  EXPECT_NE(context.describe(context.bind_input("x", wrong)).find("another type"), std::string::npos);
  EXPECT_FALSE(context.bind_input("nothing", odd));
  EXPECT_FALSE(context.bind_input(std::size_t{9}, odd));
  EXPECT_FALSE(context.bind_output("nothing", odd));
  ASSERT_TRUE(context.bind_input("x", odd));
  const Status s = context.run();
  EXPECT_EQ(s.step(), 0);
  const std::string words = context.describe(s);
  EXPECT_NE(words.find("'layer/Add', step 0"), std::string::npos) << words;
  EXPECT_NE(words.find("the remainder of dimension 'n' (axis 0 of input 'x') by 2 is 1, not 0"), std::string::npos)
      << words;
}

TEST(Context, TicketsWaitPollAndCallBack) {
  const Engine engine = sample();
  Context context = engine.create_context();
  Tensor x(DType::f32, {4});
  ASSERT_TRUE(context.bind_input("x", x));
  for (int i = 0; i < 50; ++i) {
    struct Seen {
      std::atomic<int> calls{0};
      Status status;
    } seen;
    Ticket ticket = context.submit(
        [](void* user, Status status) {
          static_cast<Seen*>(user)->status = status;
          ++static_cast<Seen*>(user)->calls;
        },
        &seen);
    EXPECT_TRUE(ticket.wait());
    EXPECT_TRUE(ticket.done());
    EXPECT_TRUE(ticket.wait_for(std::chrono::microseconds(0)));
    while (seen.calls == 0) std::this_thread::yield();
    EXPECT_TRUE(seen.status);
    EXPECT_EQ(context.output("y").as<float>()[0], 3);
  }
  EXPECT_TRUE(Ticket().done());
  EXPECT_FALSE(Ticket().wait());
}

TEST(Context, ASecondRunIsRefusedWhileOneIsInProgress) {
  const Engine engine = sample();
  Context context = engine.create_context();
  Tensor x(DType::f32, {4});
  ASSERT_TRUE(context.bind_input("x", x));
  // The callback of the first run holds its thread, so the second submit waits there and stays in progress.
  std::atomic<int> stage{0};
  (void)context.submit(
      [](void* user, Status) {
        auto& stage = *static_cast<std::atomic<int>*>(user);
        stage = 1;
        while (stage != 2) std::this_thread::yield();
      },
      &stage);
  while (stage != 1) std::this_thread::yield();
  Ticket second = context.submit();
  EXPECT_FALSE(second.done());
  EXPECT_FALSE(second.wait_for(std::chrono::microseconds(10)));
  EXPECT_EQ(context.run().code(), StatusCode::unavailable);
  EXPECT_STREQ(context.run().message(), "the context is still running what was submitted");
  EXPECT_EQ(context.bind_input("x", x).code(), StatusCode::unavailable);
  int refused = 0;
  Ticket third = context.submit(
      [](void* user, Status s) { *static_cast<int*>(user) += s.code() == StatusCode::unavailable; }, &refused);
  EXPECT_EQ(refused, 1);
  EXPECT_TRUE(third.done());
  EXPECT_EQ(third.wait().code(), StatusCode::unavailable);
  stage = 2;
  EXPECT_TRUE(second.wait());
  EXPECT_TRUE(context.run());
}

TEST(Context, FutureAdapter) {
  const Engine engine = sample();
  Context context = engine.create_context();
  Tensor x(DType::f32, {4});
  ASSERT_TRUE(context.bind_input("x", x));
  std::future<Status> future = submit_future(context);
  EXPECT_TRUE(future.get());
}

TEST(Context, ContextsOfManyCallersShareWorkers) {
  const Engine engine = sample();
  const Workers workers({.threads = 3});
  EXPECT_EQ(workers.threads(), 3);
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 5; ++t)
    callers.emplace_back([&, t] {
      Context context = engine.create_context({.threads = 1 + t % 3, .workers = workers, .priority = t % 2});
      Tensor x(DType::f32, {t + 1});
      x.as<float>()[t] = static_cast<float>(t);
      if (!context.bind_input("x", x)) ++wrong;
      for (int run = 0; run < 100; ++run) {
        const Status s = run % 2 == 0 ? context.run() : context.submit().wait();
        const bool odd = (t + 1) % 2 != 0;  // the model takes even extents alone
        if (s.ok() == odd || (!odd && context.output("y").as<float>()[t] != static_cast<float>(t + 3))) ++wrong;
      }
    });
  for (std::thread& t : callers) t.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Context, ManySubmittedRunsNeedNoThreadsOfTheirOwn) {
  const auto threads_now = [] {
    int n = 0;
    for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) ++n;
    return n;
  };
  const Engine engine = sample();
  const int before = threads_now();
  const Workers workers({.threads = 2});
  Tensor x(DType::f32, {4});
  std::vector<Context> contexts;
  for (int i = 0; i < 50; ++i) {
    contexts.push_back(engine.create_context({.workers = workers}));
    ASSERT_TRUE(contexts.back().bind_input("x", x));
  }
  std::vector<Ticket> tickets;
  for (Context& c : contexts) tickets.push_back(c.submit());
  for (Ticket& t : tickets) EXPECT_TRUE(t.wait());
  EXPECT_LE(threads_now() - before, 2);
}

TEST(Context, ContextsShareWeightsAndRunAtOnce) {
  const Engine engine = sample();
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      Context context = engine.create_context();
      Tensor x(DType::f32, {2 * (t + 1)});
      for (int i = 0; i < x.numel(); ++i) x.as<float>()[i] = static_cast<float>(t);
      for (int run = 0; run < 200; ++run) {
        if (!context.bind_input("x", x) || !context.run()) ++wrong;
        const TensorRef y = context.output("y");
        if (y.numel() != 2 * (t + 1) || y.as<float>()[y.numel() - 1] != static_cast<float>(t + 3)) ++wrong;
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Context, ProfileNamesStepsAndKernels) {
  const Engine engine = sample();
  Context context = engine.create_context();
  Tensor x(DType::f32, {4});
  ASSERT_TRUE(context.bind_input("x", x));
  context.set_profiling(true);
  ASSERT_TRUE(context.run());
  ASSERT_TRUE(context.run());
  const std::vector<StepProfile> profile = context.profile();
  ASSERT_EQ(profile.size(), 1u);
  EXPECT_EQ(profile[0].name, "layer/Add");
  EXPECT_EQ(profile[0].op, "Add");
  EXPECT_EQ(profile[0].kernel, "add_ref");
  EXPECT_EQ(profile[0].runs, 2);
  EXPECT_LE(profile[0].best_us, profile[0].mean_us);
}

TEST(Tensor, AllocatesCopiesAndRefuses) {
  Tensor t(DType::i4, {5});
  EXPECT_EQ(t.bytes(), 3u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.as<void>()) % 64, 0u);
  EXPECT_THROW(Tensor(DType::f32, {INT64_MAX, 4}), Error);
  EXPECT_THROW(Tensor(DType::f32, {-1}), Error);
  EXPECT_THROW(Tensor(DType::f32, {1, 1, 1, 1, 1, 1, 1, 1, 1}), Error);
  float data[2] = {1, 2};
  const Tensor copy = Tensor::copy_of({DType::f32, {2}, data, 8});
  EXPECT_EQ(copy.as<float>()[1], 2);
  EXPECT_THROW(Tensor::copy_of({DType::f32, {2}, data, 7}), Error);
  EXPECT_EQ(Tensor(DType::f32, {0}).numel(), 0);
}

/// The completion of each run is held up, and the next is submitted as soon as the context takes inputs again: what a
/// ticket says is of its own run.
TEST(Context, ATicketSaysHowItsOwnRunEnded) {
  const Engine engine = sample();
  Context context = engine.create_context();
  const Tensor even(DType::f32, {4}), odd(DType::f32, {3});
  const auto bind = [&](const Tensor& x) {
    while (!context.bind_input("x", x)) std::this_thread::yield();
  };
  before_completion = [] { std::this_thread::sleep_for(std::chrono::microseconds(200)); };
  for (int round = 0; round < 50; ++round) {
    bind(odd);
    Ticket fails = context.submit();
    bind(even);
    Ticket works = context.submit();
    EXPECT_TRUE(fails.done());
    const Status status = works.wait();
    EXPECT_TRUE(status) << status.message();
    EXPECT_STREQ(fails.wait().message(), "the run is done, and a later one too: its status is gone");
    bind(odd);
    EXPECT_EQ(context.submit().wait().code(), StatusCode::out_of_range);
  }
  before_completion = nullptr;
}

}  // namespace
}  // namespace monza
