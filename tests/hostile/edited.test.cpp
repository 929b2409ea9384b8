// Engine files that pass every checksum and have one wrong thing each, as somebody writes them who knows the format:
// what is said of them, and that nothing else happens.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include <engine_header_generated.h>
#include "engine/build_record.h"
#include "engine/run/engine_impl.h"
#include "monza/error.h"
#include "support/edited_engine.h"
#include "support/error_text.h"
#include "support/memory_file.h"

namespace monza {
namespace {

using plan::Base;
using plan::PlanStorage;
using test::EngineParts;

plan::Profile with_n(plan::Extent range) { return {{"n", range}}; }

/// y = relu(x) x w, for n up to 4; a second profile for n up to 9.
EngineParts two_profiles() {
  return test::compile_parts({"two",
                              R"(graph "g" (%x: f32[n,4], %z: f32[4]) {
    %w = constant f32[4,4] splat 0.5
    %r = Relu(%x)
    %m = MatMul(%r, %w)
    %y = Add(%m, %z)
    return (y: %y)
  })",
                              with_n({1, 2, 4}),
                              false,
                              {{{"n", {1, 6, 9}}}}});
}

Engine load(const EngineParts& parts, const LoadOptions& options = {}) {
  const test::MemoryFile file(test::file_of(parts));
  return Engine::load(file.path(), options);
}

std::string refusal(const EngineParts& parts) {
  try {
    load(parts);
    return "";
  } catch (const Error& e) {
    return e.fact();
  }
}

plan::Register add_register(PlanStorage& p, std::int64_t value) {
  p.registers.push_back(value);
  return static_cast<plan::Register>(p.registers.size() - 1);
}

TEST(EditedEngines, PlansOfOneEngineTakeAndGiveTheSame) {
  const EngineParts sound = two_profiles();
  ASSERT_EQ(refusal(sound), "");
  struct Case {
    const char* said;
    std::function<void(EngineParts&)> edit;
  };
  const Case cases[] = {
      {"it has 2 inputs, and the first has 3",
       [](EngineParts& e) {
         e.plans[0].inputs.push_back(e.plans[0].inputs[0]);
         e.plans[0].inputs.back().name = {};
         e.plans[0].inputs.back().symbol[0] = {};
         e.plans[0].inputs.back().operand = -1;
       }},
      {"it has 3 inputs, and the first has 2",
       [](EngineParts& e) {
         e.plans[1].inputs.push_back(e.plans[1].inputs[0]);
         e.plans[1].inputs.back().name = {};
         e.plans[1].inputs.back().symbol[0] = {};
         e.plans[1].inputs.back().operand = -1;
       }},
      {"inputs[1] has another name, type or rank than the first's",
       [](EngineParts& e) {
         plan::ModelPort& port = e.plans[1].inputs[1];
         port.rank = 2;
         port.min[1] = port.opt[1] = port.max[1] = 1;
       }},
      {"inputs[0] has another name, type or rank than the first's",
       [](EngineParts& e) { e.plans[1].inputs[0].name.length = 0; }},
      {"it has 2 states, and the first has 0",
       [](EngineParts& e) {
         plan::ModelPort state = e.plans[1].inputs[0];
         state.name = state.symbol[0] = {};
         state.operand = -1;
         e.plans[1].states.assign(2, state);
       }},
      {"devices[1] is another than the first's, or has other weights or code",
       [](EngineParts& e) {
         e.plans[1].devices.push_back(e.plans[1].devices[0]);
         e.plans[1].devices[1] = {.kind = static_cast<std::uint8_t>(DeviceKind::reference)};
       }},
      {"states[0] has other rows than the first's",
       [](EngineParts& e) {
         for (PlanStorage& p : e.plans) {
           plan::ModelPort state = p.inputs[0];
           state.name = state.symbol[0] = {};
           state.operand = -1;
           p.states = {state};
         }
         e.plans[1].states[0].max[1] = 1 << 20;
       }},
  };
  for (const Case& c : cases) {
    EngineParts edited = sound;
    c.edit(edited);
    EXPECT_EQ(refusal(edited), std::string("the engine's plan 1 does not belong to the others: ") + c.said);
  }
}

/// Every step that reports extents gets outputs whose elements all lie in one place.
TEST(EditedEngines, StepsThatReportExtentsHaveDenseOutputs) {
  const char* const graphs[] = {
      R"(graph "g" (%a: f32[], %b: f32[], %c: f32[]) {
        %r = Range(%a, %b, %c)
        %y = Neg(%r)
        return (y: %y)
      })",
      R"(graph "g" (%x: f32[6,4]) {
        %r, %i, %n, %c = Unique(%x)
        %y = Neg(%r)
        return (y: %y, c: %c)
      })",
      R"(graph "g" (%x: f32[6,4]) {
        %r = NonZero(%x)
        %y = Neg(%r)
        return (y: %y)
      })",
      R"(graph "g" (%x: f32[6,4], %c: bool[6]) {
        %r = Compress(%x, %c) {axis=0}
        %y = Neg(%r)
        return (y: %y)
      })",
  };
  for (const char* graph : graphs) {
    SCOPED_TRACE(graph);
    EngineParts parts = test::compile_parts({"reports", graph});
    PlanStorage& p = parts.plans[0];
    const plan::Register zero = add_register(p, 0);
    int edited = 0;
    for (const plan::Step& s : p.steps)
      for (std::uint32_t k = 0; s.extents.count > 0 && k < s.outputs.count; ++k) {
        plan::Operand& o = p.operands[s.outputs.begin + k];
        for (int a = 0; a < o.rank; ++a) o.stride[a] = zero;
        ++edited;
      }
    ASSERT_GT(edited, 0);
    EXPECT_NE(refusal(parts).find("an output has gaps, and the step reports its extents"), std::string::npos)
        << refusal(parts);
  }
}

/// The body gives what is scanned one element and a far stride, and has it resolved again while the iterations go on.
TEST(EditedEngines, WhatALoopScansIsThatOfItsBegin) {
  EngineParts parts = test::compile_parts({"scan", R"(graph "g" (%x: i64[2], %seq: i64[n,2]) {
    %st, %ys = Scan(%x, %seq) {carried=1, scanned=1}
      body graph "scan" (%s: i64[2], %e: i64[2]) {
        %t = Add(%s, %e)
        %u = Neg(%e)
        return (t: %t, u: %u)
      }
    return (st: %st, ys: %ys)
  })",
                                           with_n({1, 3, 5})});
  const auto run = [](const EngineParts& engine) {
    const Engine loaded = load(engine);
    Context context = loaded.create_context({.threads = 1});
    Tensor x(DType::i64, {2}), seq(DType::i64, {5, 2});
    for (int i = 0; i < 10; ++i) seq.as<std::int64_t>()[i] = i + 1;
    EXPECT_TRUE(context.bind_input("x", x));
    EXPECT_TRUE(context.bind_input("seq", seq));
    const Status status = context.run();
    EXPECT_TRUE(status) << context.describe(status);
    const TensorRef ys = context.output("ys");
    return std::vector<std::int64_t>(ys.as<std::int64_t>(), ys.as<std::int64_t>() + ys.numel());
  };
  const std::vector<std::int64_t> sound = run(parts);
  ASSERT_EQ(sound, (std::vector<std::int64_t>{-1, -2, -3, -4, -5, -6, -7, -8, -9, -10}));

  PlanStorage& p = parts.plans[0];
  const plan::LoopInfo& loop = p.loops[0];
  plan::Operand& o = p.operands[loop.scanned.begin];
  const plan::Register extent = add_register(p, 0), stride = add_register(p, 0), zero = add_register(p, 0),
                       one = add_register(p, 1), far = add_register(p, std::int64_t{1} << 40),
                       read = add_register(p, 0), old_extent = o.extent[0], old_stride = o.stride[0];
  o.is_static = 0;
  o.extent[0] = extent;
  o.stride[0] = stride;
  const auto append = [&](plan::Step& step, std::initializer_list<plan::ScalarInstruction> more) {
    std::vector<plan::ScalarInstruction> all(p.program.begin() + step.program.begin,
                                             p.program.begin() + step.program.begin + step.program.count);
    all.insert(all.end(), more);
    step.program = {static_cast<std::uint32_t>(p.program.size()), static_cast<std::uint32_t>(all.size())};
    p.program.insert(p.program.end(), all.begin(), all.end());
  };
  using plan::ScalarOp;
  for (plan::Step& s : p.steps)
    if (s.kind == plan::StepKind::loop)
      append(s, {{ScalarOp::add, {}, extent, old_extent, zero}, {ScalarOp::add, {}, stride, old_stride, zero}});
  append(p.steps[p.regions[static_cast<std::size_t>(loop.region)].steps.begin],
         {{ScalarOp::add, {}, extent, one, zero},
          {ScalarOp::add, {}, stride, far, zero},
          {ScalarOp::load_element, {}, read, static_cast<std::int32_t>(loop.scanned.begin), 0}});
  EXPECT_EQ(run(parts), sound);
}

TEST(EditedEngines, EntriesDoNotShareWhatTheyName) {
  const EngineParts sound = two_profiles();
  struct Case {
    const char* said;
    std::function<void(PlanStorage&)> edit;
  };
  const Case cases[] = {
      {"waits lie over each other",
       [](PlanStorage& p) {
         p.event_count = 1;
         p.events.assign(64, 0);
         for (plan::Step& s : p.steps) s.waits = {0, 64};
       }},
      {"operands of steps lie over each other",
       [](PlanStorage& p) {
         const auto all = static_cast<std::uint32_t>(p.operands.size());
         for (plan::Step& s : p.steps) s.inputs = {0, all};
       }},
      {"texts lie over each other",
       [](PlanStorage& p) {
         const auto all = static_cast<std::uint32_t>(p.strings.size());
         for (plan::ModelPort& port : p.inputs) port.name = {0, all};
       }},
      {"instructions lie over each other",
       [](PlanStorage& p) {
         p.program.resize(1, {plan::ScalarOp::add, {}, 0, 0, 0});
         for (plan::Region& r : p.regions) r.program = {0, 1};
         for (plan::Step& s : p.steps) s.program = {0, 1};
       }},
      {"reported extents lie over each other",
       [](PlanStorage& p) {
         const auto all = static_cast<std::uint32_t>(p.registers.size());
         for (plan::Step& s : p.steps) s.extents = {0, all};
       }},
  };
  for (const Case& c : cases) {
    EngineParts edited = sound;
    c.edit(edited.plans[0]);
    EXPECT_NE(refusal(edited).find(c.said), std::string::npos) << c.said << " against " << refusal(edited);
  }
}

TEST(EditedEngines, TextsThatTablesShareAreNotCopiedForEach) {
  EngineParts metadata = two_profiles(), extents = metadata, families = metadata, files = metadata, record = metadata;
  metadata.shared = {.metadata = 200, .bytes = 4096};
  EXPECT_EQ(refusal(metadata), "the engine file is damaged: entries of the metadata lie over each other");
  extents.shared = {.extents = 4000, .bytes = 4096};
  EXPECT_EQ(refusal(extents), "the engine file is damaged: dimensions of profiles lie over each other");
  families.shared = {.families = 4000, .bytes = 4096};
  EXPECT_EQ(refusal(families), "the engine file is damaged: names of families lie over each other");
  files.shared = {.files = 4000, .bytes = 4096};
  EXPECT_EQ(refusal(files), "the engine file is damaged: names of files lie over each other");
  files.shared = {.files = 1, .bytes = 1};
  EXPECT_EQ(refusal(files).substr(0, 76),
            "the engine's weights lie in a file beside it, which cannot be read: cannot f");
  const auto said_of = [](const EngineParts& parts) {
    const Engine engine = load(parts);
    return test::error_of([&] { (void)read_record(engine.impl().image, {}); });
  };
  const std::string damaged = "the record of the engine's build is damaged: ",
                    hint = "\n  try: copy the file again, or rebuild with: monza build MODEL --output FILE";
  record.shared = {.choices = 1, .kernels = 4000, .bytes = 4096};
  EXPECT_EQ(said_of(record), damaged + "it is more than 64 times its size when it is read" + hint);
  // Refused before each choice's list is looked at, which would take minutes.
  record.shared = {.choices = 100'000, .kernels = 100'000, .bytes = 0};
  EXPECT_EQ(said_of(record), damaged + "it cannot be read" + hint);
}

TEST(EditedEngines, ConstantsThatShareABlockAreNotUnpackedForEach) {
  std::string text = R"(graph "g" (%x: f32[1,256]) {
    %w = constant f32[256,256] random 1
    %y = MatMul(%x, %w)
    return (y: %y)
  })";
  EngineParts parts = test::compile_parts({"stored", text.c_str()});
  const std::size_t at = parts.graph.find(" stored {");
  ASSERT_NE(at, std::string::npos) << parts.graph;
  const std::size_t begin = parts.graph.rfind('\n', at) + 1, end = parts.graph.find('\n', at) + 1;
  const std::string line = parts.graph.substr(begin, end - begin), rest = line.substr(line.find(" ="));
  std::string more;
  for (int k = 0; k < 100; ++k) more += "    %dup" + std::to_string(k) + rest;
  parts.graph.insert(begin, more);
  const Engine engine = load(parts);
  const std::string error = test::error_of([&] { (void)read_record(engine.impl().image, {}); });
  EXPECT_NE(error.find("the constants take more than 4 times the stored bytes"), std::string::npos) << error;
}

TEST(EditedEngines, SectionsDoNotLieOverEachOther) {
  namespace fb = engine_file::fb;
  std::vector<std::byte> file = test::file_of(two_profiles());
  const std::uint64_t size = file.size();
  test::edit_header(file, [&](std::vector<std::byte>& header) {
    for (const fb::Section* s : *fb::GetHeader(header.data())->sections()) {
      auto* table = reinterpret_cast<flatbuffers::Table*>(const_cast<fb::Section*>(s));
      EXPECT_TRUE(table->SetField<std::uint64_t>(fb::Section::VT_BYTES, size - s->offset(), 0));
    }
  });
  const test::MemoryFile wrong(file);
  EXPECT_NE(test::error_of([&] { Engine::load(wrong.path()); }).find("sections lie over each other"),
            std::string::npos);

  // One section of a long name, named a thousand times.
  std::vector<std::byte> named = test::file_of(two_profiles());
  test::edit_header(named, [](std::vector<std::byte>& header) {
    flatbuffers::FlatBufferBuilder b;
    const auto section = fb::CreateSection(b, b.CreateString(std::string(1000, 's')));
    const auto sections = b.CreateVector(std::vector<flatbuffers::Offset<fb::Section>>(1000, section));
    const auto metadata = b.CreateVector(std::vector<flatbuffers::Offset<fb::KeyValue>>{});
    const auto profile = fb::CreateProfile(b, b.CreateVector(std::vector<flatbuffers::Offset<fb::Extent>>{}));
    const auto profiles = b.CreateVector(&profile, 1);
    const auto families = b.CreateVector(std::vector<flatbuffers::Offset<fb::Family>>{});
    b.Finish(fb::CreateHeader(b, 0, 0, 0, 0, false, false, 1, sections, metadata, profiles, families));
    const auto* begin = reinterpret_cast<const std::byte*>(b.GetBufferPointer());
    header.assign(begin, begin + b.GetSize());
  });
  const test::MemoryFile long_named(named);
  EXPECT_NE(test::error_of([&] { Engine::load(long_named.path()); }).find("names of sections lie over each other"),
            std::string::npos);
}

TEST(EditedEngines, WhatHappensToTheFileLaterDoesNotChangeThePlan) {
  const std::vector<std::byte> file = test::file_of(two_profiles());
  const auto output = [](const Engine& engine) {
    Context context = engine.create_context({.threads = 1});
    Tensor x(DType::f32, {1, 4}), z(DType::f32, {4});
    for (int i = 0; i < 4; ++i) x.as<float>()[i] = float(i);
    EXPECT_TRUE(context.bind_input("x", x));
    EXPECT_TRUE(context.bind_input("z", z));
    EXPECT_TRUE(context.run());
    return context.output("y").as<float>()[0];
  };
  const test::MemoryFile mapped(file);
  const Engine from_map = Engine::load(mapped.path());
  EXPECT_EQ(output(from_map), 3);
  // Everything but the weights, which come last, is overwritten.
  const std::vector<std::byte> rubbish(file.size() - 4096, std::byte{0xa5});
  mapped.overwrite(rubbish);
  EXPECT_EQ(output(from_map), 3);
  mapped.cut(100);
  EXPECT_EQ(test::error_of([&] { (void)from_map.create_context(); }, mapped.path()),
            "the engine's file 'FOLDER' has become shorter since it was loaded: its weights are gone\n  try: load the "
            "engine again; LoadOptions::copy_weights makes an engine independent of its file");

  const test::MemoryFile copied(file);
  const Engine from_copy = Engine::load(copied.path(), {.copy_weights = true});
  copied.cut(0);
  EXPECT_EQ(output(from_copy), 3);
}

}  // namespace
}  // namespace monza
