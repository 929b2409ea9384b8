// What a build says of options and engines that cannot be, to the letter.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <limits>

#include "backend/cuda/cuda_device.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/build_record.h"
#include "engine/build_report.h"
#include "engine/carried_graph.h"
#include "engine/compare.h"
#include "engine/compile.h"
#include "engine/variants.h"
#include "support/error_text.h"
#include "support/onnx_model.h"
#include "support/temporary.h"

namespace monza {
namespace {

using test::error_of;
using test::TemporaryFolder;

/// z = x + y of [batch, 3] floats, and the strings t as they come.
void write_messages_model(const std::string& path) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  auto& graph = *model.mutable_graph();
  graph.set_name("test");
  const auto declare = [](onnx::ValueInfoProto& value, const char* name, onnx::TensorProto::DataType type) {
    value.set_name(name);
    auto& tensor = *value.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    tensor.mutable_shape()->add_dim()->set_dim_param("batch");
    tensor.mutable_shape()->add_dim()->set_dim_value(3);
  };
  declare(*graph.add_input(), "x", onnx::TensorProto::FLOAT);
  declare(*graph.add_input(), "y", onnx::TensorProto::FLOAT);
  declare(*graph.add_output(), "z", onnx::TensorProto::FLOAT);
  auto& add = *graph.add_node();
  add.set_op_type("Add");
  add.add_input("x");
  add.add_input("y");
  add.add_output("z");
  std::ofstream(path, std::ios::binary) << model.SerializeAsString();
}

TEST(BuildMessages, SayWhichOptionCannotBe) {
  const TemporaryFolder folder;
  write_messages_model(folder / "m.onnx");
  const std::string cpu = fmt::format("({})", cpu_info().model);
  struct Case {
    const char* text;
    std::function<void(BuildOptions&)> set;
  };
  const ShapeProfile one{{1, 3}, {1, 3}, {1, 3}};
  const Case cases[] = {
      {"the profile of input 'x' has shapes of different ranks",
       [](BuildOptions& o) { o.shapes["x"] = {{1}, {1, 3}, {1, 3}}; }},
      {"the profile of input 'x' has min 4 above max 2 on axis 0",
       [](BuildOptions& o) { o.shapes["x"] = {{4, 3}, {4, 3}, {2, 3}}; }},
      {"the profiles of input 'x' have shapes of different ranks",
       [](BuildOptions& o) { o.profiles = {{{"x", {{}, {}, {1, 3}}}}, {{"x", {{}, {}, {1, 3, 3}}}}}; }},
      {"the profile of input 'x' has opt 9 outside [1, 4] on axis 0",
       [](BuildOptions& o) { o.shapes["x"] = {{1, 3}, {9, 3}, {4, 3}}; }},
      {"dimension 'batch' is given different ranges by two inputs ('y' is the second)",
       [](BuildOptions& o) {
         o.shapes["x"] = {{1, 3}, {4, 3}, {4, 3}};
         o.shapes["y"] = {{1, 3}, {5, 3}, {5, 3}};
       }},
      {"these inputs have dimensions without a profile:\n  x [batch,3]\n  y [batch,3]\n  try: --shape x=1x3 --shape "
       "y=1x3 (or ranges: --min-shape, --opt-shape and --max-shape; in C++ and C: the shapes of the build's options)",
       [](BuildOptions&) {}},
      {"INT8 of a float model needs ranges of its values (BuildOptions::quantization), and none are given\n  try: "
       "`monza "
       "quantize MODEL --data FOLDER`, or --precision fp32, with which a model that is quantised already computes in "
       "INT8, too",
       [](BuildOptions& o) { o.precision = Precision::int8; }},
      {"no CPU kernel computes in fp16\n  try: --precision fp32, or bf16 where `monza doctor` lists it",
       [](BuildOptions& o) { o.precision = Precision::fp16; }},
      {"bf16 needs a CPU with AVX512_BF16; this one (CPU) is used with baseline\n  try: --precision fp32",
       [](BuildOptions& o) { o.precision = Precision::bf16, o.isa = "baseline"; }},
      {"'sse9' is no instruction set Monza knows\n  try: one of baseline, avx2, avx512, avx512vnni, avx512bf16, "
       "avxvnni, avx512fp16, amx_int8, amx_bf16, joined by '+'",
       [](BuildOptions& o) { o.isa = "sse9"; }},
      {"input 'x' cannot be taken as string\n  try: a type of floats or integers",
       [&](BuildOptions& o) { o.shapes = {{"x", one}, {"y", one}}, o.io_types["x"] = DType::string; }},
      {"output 'z' cannot be given as bool\n  try: a type of floats or integers",
       [&](BuildOptions& o) { o.shapes = {{"x", one}, {"y", one}}, o.io_types["z"] = DType::boolean; }},
      {"the model has no input or output 'q' to give the type u8\n  try: one of 'x', 'y', 'z'",
       [&](BuildOptions& o) { o.shapes = {{"x", one}, {"y", one}}, o.io_types["q"] = DType::u8; }},
      {"there is no pass 'fly' to switch off\n  try: `monza inspect MODEL --fusions` lists the passes",
       [&](BuildOptions& o) { o.shapes = {{"x", one}, {"y", one}}, o.disabled_passes = {"fly"}; }},
  };
  for (const Case& c : cases) {
    BuildOptions options;
    options.tune = false;
    options.threads = 1;
    c.set(options);
    std::string text = error_of([&] { Engine::build(folder / "m.onnx", options); }, folder.path());
    if (const std::size_t at = text.find(cpu); at != std::string::npos) text.replace(at, cpu.size(), "(CPU)");
    EXPECT_EQ(text, c.text);
  }
}

TEST(BuildMessages, OfEnginesThatCannotBePlannedAnew) {
  const TemporaryFolder folder;
  write_messages_model(folder / "m.onnx");
  BuildOptions options;
  options.tune = false;
  options.strip = true;
  options.shapes["x"] = options.shapes["y"] = {{1, 3}, {1, 3}, {1, 3}};
  Engine::build(folder / "m.onnx", options).save(folder / "m.engine");
  EXPECT_EQ(error_of([&] { Engine::build(folder / "m.engine"); }, folder.path()),
            "engine file 'FOLDER/m.engine': it was built with --strip, so it carries no graph to plan anew\n  try: "
            "build it from its ONNX file");
  engine_file::Image image;
  if (const std::string& missing = backend::cuda_facts().missing; !missing.empty()) {
    image.info.device = Device::cuda;
    EXPECT_EQ(error_of([&] { options_to_replan(image, {}); }), missing + "\n  try: --device cpu");
    BuildOptions on_gpu;
    on_gpu.device = Device::cuda;
    EXPECT_EQ(error_of([&] { Engine::build(folder / "m.onnx", on_gpu); }), missing + "\n  try: --device cpu");
  }
  image.info.device = Device::cpu;
  image.info.precision = Precision::bf16;
  if (!covers(cpu_info().isa, Isa::avx512bf16)) {
    EXPECT_EQ(error_of([&] { options_to_replan(image, {}); }),
              fmt::format("the engine computes in bf16, which needs AVX512_BF16; this CPU ({}) is used with {}\n"
                          "  try: build it again from its ONNX file with --precision fp32",
                          cpu_info().model, isa_name(cpu_info().isa)));
  }
}

TEST(BuildMessages, OfVariantsAndComparisons) {
  const TemporaryFolder folder;
  write_messages_model(folder / "m.onnx");
  const Tensor x(DType::f32, {1, 3});
  EXPECT_EQ(error_of([&] { VariantRunner(folder / "m.onnx", {{"x", x}}).run({}); }, folder.path()),
            "nothing is given for input 'y'");
  std::int64_t nothing = 0;
  const TensorRef handle{DType::handle, {1}, &nothing, sizeof nothing};
  EXPECT_EQ(error_of([&] { compare(handle, handle, 0, 0); }), "tensors of handle cannot be compared");
}

/// A graph's text with one constant that is stored elsewhere: SUM stands for the checksum of the 64 bytes at 0.
TEST(CarriedGraphMessages, SayWhatIsDamaged) {
  alignas(64) static const std::byte weights[128] = {};
  const std::string sum = fmt::format("{:016x}", hash64(std::span(weights).first(64)));
  struct Case {
    const char* type;
    const char* stored;
    const char* text;
  };
  const Case cases[] = {
      {"string[2]", "weights=0, bytes=64, sum=\"SUM\"",
       "line 2, column 33, in the graph that the engine carries: strings have no elements to store"},
      {"f32[17]", "weights=0, bytes=64, sum=\"SUM\"",
       "line 2, column 31, in the graph that the engine carries: a constant f32 17 takes 68 bytes, its block has 64"},
      {"f32[16]", "weights=64, bytes=128, sum=\"SUM\"",
       "line 2, column 31, in the graph that the engine carries: bytes [64, +128) leave the 128 bytes of weights"},
      {"f32[16]", "data=0, bytes=64, sum=\"SUM\"",
       "line 2, column 31, in the graph that the engine carries: bytes [0, +64) leave the 0 bytes of graph_data"},
      {"f32[16]", "weights=0, bytes=64, sum=\"SUM\", wieghts=64",
       "line 2, column 31, in the graph that the engine carries: a stored constant has no attribute 'wieghts'\n  try: "
       "one of "
       "'weights'"},
      {"f32[16]", "weights=0, bytes=64",
       "line 2, column 31, in the graph that the engine carries: a stored constant needs the attribute 'sum', a "
       "string"},
      {"f32[16]", "weights=0, bytes=64, sum=\"0\"",
       "line 2, column 31, in the graph that the engine carries: the bytes [0, +64) have changed"},
      {"f32[4,4]", "weights=0, bytes=64, sum=\"SUM\", format=\"braid\"",
       "line 2, column 32, in the graph that the engine carries: the weights are packed as 'braid', which this build "
       "of monza does not know: they cannot be unpacked"},
      {"f32[4,4]", "weights=0, bytes=64, sum=\"SUM\", format=\"matmul_panels_8\", input=16",
       "line 2, column 32, in the graph that the engine carries: they are input 16 of a kernel, which has 16 at most"},
      {"f32[4,4]", "weights=0, bytes=64, sum=\"SUM\", format=\"matmul_panels_8\", input=1, params=\"0g\"",
       "line 2, column 32, in the graph that the engine carries: '0g' are no hexadecimal digits"},
      {"f32[4,4]", "weights=0, bytes=64, sum=\"SUM\", format=\"matmul_panels_8\", input=1, params=\"00\"",
       "line 2, column 32, in the graph that the engine carries: a constant f32 4x4 packed as 'matmul_panels_8' does "
       "not fit into its block of 64 bytes"},
      {"f32[4,4]", "weights=0, bytes=64, sum=\"SUM\", stride=[1]",
       "line 2, column 32, in the graph that the engine carries: layout 0 and 1 strides do not fit 2 axes"},
      {"f32[4,4]", "weights=0, bytes=64, sum=\"SUM\", stride=[1,5]",
       "line 2, column 32, in the graph that the engine carries: its strides leave its block of 64 bytes"},
      {"f32[4,4]", "weights=0, bytes=64, sum=\"SUM\", stride=[1,4], layout=9",
       "line 2, column 32, in the graph that the engine carries: layout 9 and 2 strides do not fit 2 axes"},
  };
  for (const Case& c : cases) {
    std::string stored = c.stored;
    if (const std::size_t at = stored.find("SUM"); at != std::string::npos) stored.replace(at, 3, sum);
    const std::string graph =
        fmt::format("graph \"main\" () {{\n  %w = constant {} stored {{{}}}\n  return (w: %w)\n}}\n", c.type, stored);
    engine_file::Image image;
    image.graph = graph;
    image.weights = weights;
    EXPECT_EQ(error_of([&] { read_carried_graph(image); }), c.text) << c.type << " " << c.stored;
  }
  engine_file::Image image;
  image.graph =
      "model { given !1 [4] } graph \"main\" (%x!0: f32[4], %s!1: i64[2] @content=[elem(%1, 0),elem(%1, 1)]) {\n  %y = "
      "Expand(%x, %s)\n  return (y: %y)\n}";
  // The rest is the standard library's own word.
  EXPECT_TRUE(error_of([&] {
                read_carried_graph(image);
              }).starts_with("the graph that the engine carries: a number of it leaves its table ("));
}

TEST(BuildRecordMessages, SayWhatIsMissingOrDamaged) {
  engine_file::Image image;
  EXPECT_EQ(error_of([&] { read_record(image); }),
            "the engine was built with --strip: it keeps neither its graph nor what its build chose\n  try: ask the "
            "ONNX file, or build the engine without --strip");
  alignas(8) static const std::byte zeros[16] = {};
  image.graph = "graph \"main\" (%x: f32[4]) {\n  return (x: %x)\n}";
  image.record = zeros;
  EXPECT_EQ(error_of([&] { read_record(image); }),
            "the record of the engine's build is damaged: it cannot be read\n  try: copy the file again, or rebuild "
            "with: monza build MODEL --output FILE");
}

}  // namespace
}  // namespace monza
