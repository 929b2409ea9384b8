// What a build holds in memory: with BuildOptions::spool_folder the mapped model and a tensor at a time.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "monza/engine.h"
#include "support/error_text.h"
#include "support/onnx_model.h"
#include "support/temporary.h"

namespace monza {
namespace {

using test::TemporaryFolder;

constexpr std::int64_t kWidth = 1024, kTensor = kWidth * kWidth * 4, kLayers = 24, kModel = kLayers * kTensor;

/// A chain of products, whose weights lie in a file beside the model.
std::string write_chain(const TemporaryFolder& folder, std::int64_t layers) {
  onnx::ModelProto model = test::empty_model();
  onnx::GraphProto& graph = *model.mutable_graph();
  test::add_input(graph, "x0", onnx::TensorProto::FLOAT, {1, kWidth});
  std::ofstream data(folder / "weights.bin", std::ios::binary);
  std::mt19937 random(1);
  std::vector<float> weight(static_cast<std::size_t>(kWidth * kWidth));
  for (std::int64_t i = 0; i < layers; ++i) {
    const std::string n = std::to_string(i), next = std::to_string(i + 1);
    for (float& w : weight) w = static_cast<float>(random() % 1000) * 1e-5f;
    data.write(reinterpret_cast<const char*>(weight.data()), kTensor);
    onnx::TensorProto* t = graph.add_initializer();
    t->set_name("w" + n);
    t->set_data_type(onnx::TensorProto::FLOAT);
    t->add_dims(kWidth);
    t->add_dims(kWidth);
    t->set_data_location(onnx::TensorProto::EXTERNAL);
    const std::pair<const char*, std::string> entries[] = {
        {"location", "weights.bin"}, {"offset", std::to_string(i * kTensor)}, {"length", std::to_string(kTensor)}};
    for (const auto& [key, value] : entries) {
      auto* entry = t->add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    }
    test::add_node(graph, "MatMul", {"x" + n, "w" + n}, {"y" + n});
    test::add_node(graph, "Softmax", {"y" + n}, {"x" + next});
  }
  test::add_output(graph, "x" + std::to_string(layers));
  test::write_model(model, folder / "model.onnx");
  return folder / "model.onnx";
}

/// A line of /proc/self/status in bytes: "VmRSS", "VmHWM".
std::int64_t status_bytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name + ":")) return std::atoll(line.c_str() + name.size() + 1) * 1024;
  return -1;
}

/// The most memory that `work` holds beyond what was there before, files that are mapped among it: in a process of its
/// own.
template <typename F>
std::int64_t peak_of(F&& work) {
  int ends[2];
  if (::pipe(ends) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins anew
    const std::int64_t before = status_bytes("VmRSS");
    work();
    const std::int64_t peak = status_bytes("VmHWM") - before;
    (void)!::write(ends[1], &peak, sizeof peak);
    ::_exit(0);
  }
  std::int64_t peak = -1;
  ::close(ends[1]);
  if (::read(ends[0], &peak, sizeof peak) != sizeof peak) peak = -1;
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return peak;
}

TEST(StreamedBuild, MemoryHoldsTheModelAndATensor) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers keep what was freed";
#endif
  const TemporaryFolder folder;
  const std::string model = write_chain(folder, kLayers);
  BuildOptions options;
  options.threads = 1;
  const auto build = [&] { Engine::build(model, options).save(folder / "model.engine"); };
  const std::int64_t in_memory = peak_of(build);
  options.spool_folder = folder.path();
  const std::int64_t streamed = peak_of(build);
  std::printf("model %.0f MiB, tensor %.0f MiB, build in memory %.0f MiB, streamed %.0f MiB\n", kModel / 0x1p20,
              kTensor / 0x1p20, static_cast<double>(in_memory) / 0x1p20, static_cast<double>(streamed) / 0x1p20);
  // What a build takes without weights, and timing's operands: a tensor, its packed forms.
  constexpr std::int64_t kElse = 24 << 20;
  EXPECT_LE(streamed, kModel + 4 * kTensor + kElse);
  EXPECT_GE(streamed, 0);
  EXPECT_GE(in_memory, 2 * kModel - kTensor) << "the measurement sees what is packed";
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::vector<float> result_of(const Engine& engine) {
  Context context = engine.create_context();
  Tensor x(DType::f32, {1, kWidth});
  for (std::int64_t i = 0; i < kWidth; ++i) x.as<float>()[i] = static_cast<float>(i % 7);
  EXPECT_TRUE(context.bind_input(0, x));
  const Status ran = context.run();
  EXPECT_TRUE(ran) << context.describe(ran);
  const TensorRef y = context.output(0);
  return {y.as<float>(), y.as<float>() + y.numel()};
}

BuildOptions options_of(bool optimize) {
  BuildOptions options;
  options.threads = 1;
  options.tune = false;
  options.optimize = optimize;
  return options;
}

TEST(StreamedBuild, IsTheSameEngine) {
  const TemporaryFolder folder;
  const std::string model = write_chain(folder, 3);
  for (const bool optimize : {true, false}) {
    BuildOptions options = options_of(optimize);
    const Engine in_memory = Engine::build(model, options);
    in_memory.save(folder / "a.engine");
    options.spool_folder = folder.path();
    const Engine streamed = Engine::build(model, options);
    streamed.save(folder / "b.engine");
    EXPECT_TRUE(read_file(folder / "a.engine") == read_file(folder / "b.engine"));
    EXPECT_EQ(result_of(in_memory), result_of(streamed)) << "it runs from where it was built, too";
  }
  BuildOptions options;
  options.spool_folder = folder / "none";
  EXPECT_EQ(test::error_of([&] { Engine::build(model, options); }, folder.path()),
            "cannot create a file in 'FOLDER/none' for the weights: No such file or directory");
}

/// An engine of three layers whose weights stay in the model's data file.
struct WithExternal {
  TemporaryFolder folder;
  std::string model = write_chain(folder, 3), engine = folder / "m.engine";
  std::vector<float> want;
  explicit WithExternal(bool optimize = false, bool spool = false) {
    BuildOptions options = options_of(optimize);
    want = result_of(Engine::build(model, options));
    options.external_weights = true;
    if (spool) options.spool_folder = folder.path();
    const Engine built = Engine::build(model, options);
    EXPECT_EQ(result_of(built), want);
    built.save(engine);
  }
};

TEST(ExternalWeights, StayInTheModelsDataFile) {
  for (const bool spool : {false, true}) {
    const WithExternal m(false, spool);
    EXPECT_LT(std::filesystem::file_size(m.engine), static_cast<std::uintmax_t>(kTensor));
    for (const LoadOptions& load : {LoadOptions{}, LoadOptions{.verify = true, .prefault = true},
                                    LoadOptions{.verify = true, .copy_weights = true}})
      EXPECT_EQ(result_of(Engine::load(m.engine, load)), m.want);
    // A copy of a loaded engine names the file, too; one that holds its weights itself does not.
    Engine::load(m.engine).save(m.folder / "copy.engine");
    EXPECT_TRUE(read_file(m.engine) == read_file(m.folder / "copy.engine"));
    Engine::load(m.engine, {.copy_weights = true}).save(m.folder / "whole.engine");
    Engine::build(m.engine, options_of(false)).save(m.folder / "again.engine");
    std::filesystem::remove(m.folder / "weights.bin");
    EXPECT_EQ(result_of(Engine::load(m.folder / "whole.engine")), m.want);
    EXPECT_EQ(result_of(Engine::load(m.folder / "again.engine")), m.want) << "planned anew from its graph";
  }
}

TEST(ExternalWeights, AreCountedAsFarAsTheyAreUsed) {
  const TemporaryFolder folder;
  const std::string model = write_chain(folder, 2);
  std::ofstream(folder / "weights.bin", std::ios::binary | std::ios::app) << std::string(3 * kTensor, '\1');
  BuildOptions options = options_of(false);
  options.external_weights = true;
  options.profiles = {{}, {}};  // two plans of the same blocks
  const Engine engine = Engine::build(model, options);
  EXPECT_GE(engine.stats().weights_bytes, 2 * kTensor);
  EXPECT_LT(engine.stats().weights_bytes, 2 * kTensor + kTensor / 8);
  engine.save(folder / "m.engine");
  EXPECT_EQ(Engine::load(folder / "m.engine").stats().weights_bytes, engine.stats().weights_bytes);
}

TEST(ExternalWeights, WhatIsPackedIsTheEnginesOwn) {
  const WithExternal m(true);
  EXPECT_EQ(result_of(Engine::load(m.engine)), m.want);
}

TEST(ExternalWeights, AFileThatIsMissingOrAnotherIsSaid) {
  const WithExternal m;
  const std::string data = read_file(m.folder / "weights.bin");
  const auto said = [&] { return test::error_of([&] { (void)Engine::load(m.engine); }, m.folder.path()); };
  const std::string hint = "\n  try: put the file there as it was, or rebuild with: monza build MODEL --output FILE";
  std::string changed = data;
  changed[100] ^= 1;
  write_file(m.folder / "weights.bin", changed);
  EXPECT_EQ(said(),
            "engine file 'FOLDER/m.engine': the engine's weights lie in 'weights.bin', which has changed since "
            "the engine was built" +
                hint);
  // In the middle, a change is found when the weights are verified.
  changed = data;
  changed[changed.size() / 2] ^= 1;
  write_file(m.folder / "weights.bin", changed);
  EXPECT_EQ(said(), "");
  EXPECT_NE(test::error_of([&] { (void)Engine::load(m.engine, {.verify = true}); }).find("has changed"),
            std::string::npos);
  write_file(m.folder / "weights.bin", data + "x");
  EXPECT_EQ(said(),
            "engine file 'FOLDER/m.engine': the engine's weights lie in 'weights.bin', which has 12582913 bytes "
            "and had 12582912 when the engine was built" +
                hint);
  std::filesystem::remove(m.folder / "weights.bin");
  EXPECT_EQ(said(),
            "engine file 'FOLDER/m.engine': the engine's weights lie in a file beside it, which cannot be read: "
            "cannot find 'weights.bin' in the model's folder 'FOLDER': No such file or directory" +
                hint);
  write_file(m.folder / "weights.bin", data);
  const Engine engine = Engine::load(m.engine);
  const TemporaryFolder other;
  const std::string elsewhere = test::error_of([&] { engine.save(other / "m.engine"); }, other.path());
  EXPECT_NE(
      elsewhere.find("/weights.bin', which is not in its folder 'FOLDER' or below\n  try: write the engine there, or "
                     "build it without --external-weights"),
      std::string::npos)
      << elsewhere;
  std::filesystem::resize_file(m.folder / "weights.bin", 5);
  EXPECT_NE(test::error_of([&] { (void)engine.create_context(); }).find("has become shorter since it was loaded"),
            std::string::npos);
}

}  // namespace
}  // namespace monza
