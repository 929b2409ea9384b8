// What the run side of the API says of calls that cannot be, to the letter.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <new>

#include "engine/build_report.h"
#include "engine/compile.h"
#include "engine/run/c_api.h"
#include "engine/run/engine_impl.h"
#include "ir/text.h"
#include "kernel/registry.h"
#include "monza/engine.h"
#include "monza/sequence.h"
#include "support/engine_from_text.h"
#include "support/error_text.h"
#include "support/plan_builder.h"

namespace monza {
namespace {

using test::engine_from_text;
using test::error_of;

TEST(TensorMessages, SayWhatATensorCannotBe) {
  const float four[4] = {};
  const std::string_view words[] = {"one", "two"};
  EXPECT_EQ(error_of([] { Tensor(DType::f32, std::vector<std::int64_t>(9, 1)); }),
            "a tensor of 9 axes; at most 8 are supported");
#ifndef __SANITIZE_ADDRESS__  // whose allocator ends the process
  EXPECT_EQ(error_of([] { Tensor(DType::f32, {std::int64_t{1} << 46}); }),
            "no memory for a tensor of 281474976710656 bytes");
#endif
  EXPECT_EQ(error_of([] { Tensor(DType::f32, {std::int64_t{1} << 40, std::int64_t{1} << 40}); }),
            "the element count overflows 64 bits: 1099511627776 * 1099511627776");
  EXPECT_EQ(error_of([] { Tensor(DType::f32, {-1}); }), "extent 0 of shape -1 is negative");
  EXPECT_EQ(error_of([] { Tensor(DType::invalid, {1}); }), "invalid has no storage");
  EXPECT_EQ(error_of([&] { Tensor::of_strings(words, {3}); }), "2 strings for a tensor of 3 elements");
  EXPECT_EQ(error_of([&] { Tensor::copy_of({DType::f32, {5}, const_cast<float*>(four), sizeof four}); }),
            "the tensor's memory of 16 bytes is smaller than its shape says (20)");
  EXPECT_EQ(error_of([&] { Tensor::copy_of({DType::f32, {4}, const_cast<float*>(four), sizeof four, Device::cuda}); }),
            "a tensor of another device's memory cannot be copied by the host\n  try: copy it with that device's own "
            "calls");
  const Engine engine = engine_from_text("graph \"main\" (%x: f32[2]) {\n  %y = Relu(%x)\n  return (y: %y)\n}").engine;
  EXPECT_EQ(error_of([&] { engine.host_tensor(DType::string, {1}); }),
            "strings are given as StringRefs, which no device copies");
}

TEST(ContextMessages, SayWhichOutputsThereAre) {
  const Engine engine = engine_from_text(R"(graph "main" (%x: f32[2]) {
  %s = SequenceConstruct(%x)
  %y = Relu(%x)
  return (y: %y, s: %s)
})")
                            .engine;
  Context context = engine.create_context();
  EXPECT_EQ(error_of([&] { context.output("z"); }), "the model has no output 'z'");
  EXPECT_EQ(error_of([&] { context.output(2); }), "the model has no output 2");
  EXPECT_EQ(error_of([&] { context.output("s"); }),
            "output 's' is a sequence or optional: output_list() gives its tensors");
  EXPECT_EQ(error_of([&] { context.output_list("z"); }), "the model has no output 'z'");
  EXPECT_EQ(error_of([&] { context.output_list("y"); }), "output 'y' is a tensor, not a sequence or optional");
}

TEST(ContextMessages, SayThatAListIsOfAnEarlierRun) {
  const Engine engine = engine_from_text(R"(graph "main" (%x: f32[2], %at: i64[]) {
  %s = SequenceConstruct(%x)
  %t = SequenceAt(%s, %at)
  %u = SequenceInsert(%s, %t)
  return (u: %u)
})")
                            .engine;
  Context context = engine.create_context();
  const Tensor x(DType::f32, {2});
  Tensor at(DType::i64, {});
  ASSERT_TRUE(context.bind_input("x", x));
  ASSERT_TRUE(context.bind_input("at", at));
  ASSERT_TRUE(context.run());
  *at.as<std::int64_t>() = 5;
  ASSERT_FALSE(context.run());
  EXPECT_EQ(error_of([&] { context.output_list("u"); }),
            "tensor 0 of output 'u': a handle names no sequence of this run");
}

/// What each status says, with what Context::describe adds to it.
TEST(ContextMessages, DescribeWhatARunRefuses) {
  const Engine engine = engine_from_text(R"(graph "main" (%x: f32[n,3], %y: f32[n,3]) {
  %z = Add(%x, %y)
  return (z: %z)
})",
                                         {.profile = {{"n", {1, 2, 4}}}})
                            .engine;
  const Tensor two(DType::f32, {2, 3}), three(DType::f32, {3, 3}), five(DType::f32, {5, 3}), flat(DType::f32, {6}),
      ints(DType::i32, {2, 3}), narrow(DType::f32, {2, 2});
  const TensorRef small{DType::f32, {2, 3}, two.ref().data, 20}, none{DType::f32, {2, 3}, nullptr, 24};
  const auto described = [&](const std::function<Status(Context&)>& call) {
    Context context = engine.create_context();
    const Status status = call(context);
    return context.describe(status);
  };
  const auto bound = [&](const TensorRef& x, const TensorRef& y) {
    return described([&](Context& context) {
      for (const auto& [name, tensor] : {std::pair("x", &x), std::pair("y", &y)})
        if (const Status s = context.bind_input(name, *tensor); !s) return s;
      return context.run();
    });
  };
  EXPECT_EQ(bound(two, two), "ok");
  EXPECT_EQ(
      bound(five, five),
      "an extent of the input lies outside what the engine was built for: input 'x', axis 0: 5 is not within 1 to 4");
  EXPECT_EQ(bound(two, three),
            "extents that must be equal differ (in 'z', step 0): dimension 'n' (axis 0 of input 'y') is 3, not 2");
  EXPECT_EQ(bound(flat, two), "the input has another rank than the model's: input 'x' (f32, rank 2)");
  EXPECT_EQ(
      bound(two, narrow),
      "an extent of the input lies outside what the engine was built for: input 'y', axis 1: 2 is not within 3 to 3");
  EXPECT_EQ(bound(ints, two), "the input has another type than the model's: input 'x' (f32, rank 2)");
  EXPECT_EQ(bound(small, two), "the input's memory is smaller than its shape says: input 'x' (f32, rank 2)");
  EXPECT_EQ(bound(none, two), "the input has no memory: input 'x' (f32, rank 2)");
  EXPECT_EQ(described([&](Context& c) { return c.run(); }), "an input is not bound: input 'x' (f32, rank 2)");
  EXPECT_EQ(described([&](Context& c) { return c.bind_input("q", two); }), "the model has no input of that name");
  EXPECT_EQ(described([&](Context& c) { return c.bind_input(7, two); }), "the model has no input of that number");
  EXPECT_EQ(described([&](Context& c) { return c.bind_input_absent("x"); }),
            "the input is not an optional: input 'x' (f32, rank 2)");
  EXPECT_EQ(described([&](Context& c) { return c.bind_input_list("x", {}); }),
            "the input is a tensor, not a sequence or optional: input 'x' (f32, rank 2)");
  EXPECT_EQ(described([&](Context& c) { return c.bind_output("q", two); }), "the model has no output of that name");
  EXPECT_EQ(described([&](Context& c) { return c.bind_output("z", ints); }),
            "the output has another type than the model's: output 'z' (f32, rank 2)");
  const Tensor one(DType::f32, {1, 3});
  EXPECT_EQ(described([&](Context& c) {
              for (const char* name : {"x", "y"}) (void)c.bind_input(name, two);
              if (const Status s = c.bind_output("z", one); !s) return s;
              return c.run();
            }),
            "the memory bound to an output is too small for this run's shape (in 'z', step 0): it would be f32[2,3]");
}

TEST(ContextMessages, DescribeBindingsThatCannotBe) {
  const Engine engine = engine_from_text("graph \"main\" (%x: f32[2]) {\n  %y = Relu(%x)\n  return (y: %y)\n}").engine;
  alignas(64) std::byte memory[16] = {};
  const Tensor two(DType::f32, {2}), ints(DType::i32, {2});
  const auto bound = [&](bool input, const TensorRef& tensor) {
    Context context = engine.create_context();
    return context.describe(input ? context.bind_input("x", tensor) : context.bind_output("y", tensor));
  };
  EXPECT_EQ(bound(true, {DType::f32, std::vector<std::int64_t>(9, 1), memory, 8}), "the input has more than 8 axes");
  EXPECT_EQ(bound(true, {DType::f32, {2}, memory, SIZE_MAX}), "the input's memory has no size");
  EXPECT_EQ(bound(true, {DType::f32, {2}, memory + 1, 8}),
            "the input's memory is not aligned to its element type: input 'x' (f32, rank 1)");
  EXPECT_EQ(bound(false, {DType::f32, {2}, memory, SIZE_MAX}), "the output's memory has no size");
  EXPECT_EQ(bound(false, {DType::f32, {2}, memory, 4}),
            "the memory bound to an output is too small: output 'y' (f32, rank 1)");
  EXPECT_EQ(bound(false, {DType::f32, {2}, nullptr, 8}), "the output has no memory: output 'y' (f32, rank 1)");
  EXPECT_EQ(bound(false, {DType::f32, {2}, memory + 1, 8}),
            "the output's memory is not aligned to its element type: output 'y' (f32, rank 1)");
}

TEST(ContextMessages, DescribeListsThatCannotBe) {
  const Engine engine = engine_from_text(R"(graph "main" (%s: seq(f32[2]), %o: optional(f32[2])) {
  %n = SequenceLength(%s)
  return (n: %n, s: %s, o: %o)
})")
                            .engine;
  float memory[2] = {};
  const auto listed = [&](const char* name, const TensorRef& tensor) {
    Context context = engine.create_context();
    return context.describe(context.bind_input_list(name, {&tensor, 1}));
  };
  EXPECT_EQ(listed("s", {DType::i32, {2}, memory, 8}),
            "a tensor of the list has another type than the model's: input 's' (f32, rank 1)");
  EXPECT_EQ(listed("s", {DType::f32, std::vector<std::int64_t>(9, 1), memory, 8}),
            "a tensor of the list has more than 8 axes: input 's' (f32, rank 1)");
  EXPECT_EQ(listed("s", {DType::f32, {2}, memory, 8, Device::reference}),
            "a tensor of the list lies on a device: bind host memory: input 's' (f32, rank 1)");
  EXPECT_EQ(listed("s", {DType::f32, {-2}, memory, 8}), "a tensor of the list has no size: input 's' (f32, rank 1)");
  EXPECT_EQ(listed("s", {DType::f32, {2}, memory, 7}),
            "the memory of a tensor of the list is smaller than its shape says: input 's' (f32, rank 1)");
  Context context = engine.create_context();
  EXPECT_EQ(context.describe(context.bind_input_list("o", {})),
            "an optional of a tensor takes one tensor: input 'o' (f32, rank 1)");
  EXPECT_EQ(context.describe(context.bind_input_absent("s")), "the input is not an optional: input 's' (f32, rank 1)");
  EXPECT_EQ(context.describe(context.bind_input("s", {DType::f32, {2}, memory, 8})),
            "the input is a sequence or optional: bind a list to it: input 's' (f32, rank 1)");
  EXPECT_EQ(context.describe(context.bind_output("s", {DType::f32, {2}, memory, 8})),
            "no memory can be bound to an output that is a sequence or optional: output 's' (f32, rank 0)");
}

/// Engines with several profiles take their inputs when they run.
TEST(ContextMessages, DescribeProfiles) {
  const auto graph = ir::parse("graph \"main\" (%x: f32[n]) {\n  %y = Relu(%x)\n  return (y: %y)\n}");
  BuildOptions options;
  options.threads = 1;
  options.tune = false;
  const std::vector<plan::Profile> profiles = {{{"n", {1, 2, 4}}}, {{"n", {6, 6, 6}}}};
  BuildReport report;
  const Engine engine = make_engine(compile(*graph, options, profiles, report), {});
  Context context = engine.create_context();
  const Tensor five(DType::f32, {5}), flat(DType::f32, {2, 2}), ints(DType::i32, {2});
  EXPECT_EQ(context.describe(context.run()), "an input is not bound: input 'x' (f32, rank 1)");
  EXPECT_EQ(context.describe(context.bind_input("x", ints)),
            "the input has another type than the model's: input 'x' (f32, rank 1)");
  EXPECT_EQ(context.describe(context.bind_input("x", flat)),
            "the input has another rank than the model's: input 'x' (f32, rank 1)");
  EXPECT_EQ(context.describe(context.bind_input_list("x", {})),
            "sequences and optionals are inputs of engines with one profile: input 'x' (f32, rank 1)");
  EXPECT_EQ(context.describe(context.bind_input_absent("x")),
            "sequences and optionals are inputs of engines with one profile: input 'x' (f32, rank 1)");
  EXPECT_EQ(context.describe(context.bind_output("y", ints)),
            "the output has another type than the model's: output 'y' (f32, rank 1)");
  EXPECT_EQ(context.describe(context.bind_output("y", {DType::f32, {5}, nullptr, 20})),
            "the output has no memory: output 'y' (f32, rank 1)");
  ASSERT_TRUE(context.bind_input("x", five));
  EXPECT_EQ(
      context.describe(context.run()),
      "the shapes of the inputs fit no profile of the engine: 'x' 5\n  profile 0: n 1..4 (best 2)\n  profile 1: n 6");
}

// Sanitizers need more address space than the limit leaves.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

TEST(ContextMessages, DescribeAThreadThatCannotBeStarted) {
  MONZA_NEED_ADDRESS_SPACE_LIMIT();
  const Engine engine = engine_from_text("graph \"main\" (%x: f32[2]) {\n  %y = Relu(%x)\n  return (y: %y)\n}").engine;
  // The first may find the stack of a thread that has ended.
  std::vector<Context> contexts;
  for (int i = 0; i < 100; ++i) contexts.push_back(engine.create_context());
  const auto submit_all = [&] {
    for (Context& context : contexts)
      if (const Status s = context.submit().wait(); s.code() == StatusCode::unavailable) throw Error(s.message());
  };
  EXPECT_EQ(test::error_under_limit(RLIMIT_AS, 1 << 20, submit_all), "the thread for submitted runs cannot be started");
}

#endif

TEST(CApiMessages, OfExceptions) {
  EXPECT_EQ(c_api::guarded([] { throw std::bad_alloc(); }), MONZA_RESOURCE_EXHAUSTED);
  EXPECT_STREQ(monza_last_error(), "out of memory");
  EXPECT_EQ(c_api::guarded([] { throw 7; }), MONZA_INTERNAL);
  EXPECT_STREQ(monza_last_error(), "an exception of an unknown type");
}

TEST(SequenceMessages, SayWhyThereAreNone) {
  const Engine engine = engine_from_text("graph \"main\" (%x: f32[2]) {\n  %y = Relu(%x)\n  return (y: %y)\n}").engine;
  EXPECT_EQ(error_of([&] { SequencePool(engine, {}); }), "the engine keeps no state, so there are no sequences of it");
  test::PlanBuilder b;
  b.state("keys", DType::f32, {4});
  b.input("x", DType::f32, {2}, {2});
  const plan::Operand x = b.operand(plan::Base::input, DType::f32, {2}),
                      y = b.operand(plan::Base::output, DType::f32, {2});
  b.output("y", y);
  b.step("copy", *find_kernel("copy_ref"), {x}, {y});
  b.finish();
  engine_file::Parts parts;
  parts.plan = b.storage;
  const Engine stateful = make_engine(engine_file::make_image(std::move(parts)), {});
  EXPECT_EQ(error_of([&] { SequencePool(stateful, {.blocks = 0}); }),
            "a pool of sequences needs a block at least, but 0 are asked for");
  EXPECT_EQ(error_of([&] { SequencePool(stateful, {.block_length = 0}); }),
            "a block of a sequence's state takes 0 positions, and must take 1 at least\n  try: 16 is usual");
  EXPECT_EQ(error_of([&] { (void)SequencePool(stateful, {.blocks = 1, .max_positions = -1}).create(); }),
            "a sequence cannot be of -1 positions");
  Context context = stateful.create_context();
  const Tensor two(DType::f32, {2});
  ASSERT_TRUE(context.bind_input("x", two));
  EXPECT_EQ(context.describe(context.run()), "the model keeps state, and no sequence is bound");
  const SequencePool pool(stateful, {.block_length = 4, .blocks = 2, .max_positions = 6});
  Sequence sequence = pool.create();
  EXPECT_STREQ(sequence.reserve(-1).message(), "a negative number of positions");
  EXPECT_STREQ(sequence.reserve(7).message(), "the sequence is at its greatest length");
  EXPECT_STREQ(sequence.truncate(1).message(), "a sequence can only be cut within its length");
  Sequence second = pool.create();
  ASSERT_TRUE(second.reserve(6));
  EXPECT_STREQ(sequence.reserve(1).message(), "all blocks for sequences are taken");
  const Engine other = make_engine(stateful.impl().image, {});
  Context elsewhere = other.create_context();
  EXPECT_EQ(elsewhere.describe(elsewhere.bind_sequence(sequence)), "the sequence belongs to another engine");
}

}  // namespace
}  // namespace monza
