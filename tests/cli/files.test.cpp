// What the tool does to files and to the terminal: what is there is not destroyed, and what is lost is no success.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/driver.h"

namespace monza::test {
namespace {

namespace fs = std::filesystem;
constexpr int kUsageError = 2, kRefusal = 3;

/// A command line, and how often it is quick: without timing kernels.
const char* const kBuild = "build m.onnx --no-tune --threads 1 -o ";

TEST(CliFiles, OutputsGoWhereTheyAreSent) {
  const Tool tool;
  tool.model("m.onnx");
  // A pipe: its reader gets it all, and it stays a pipe.
  ASSERT_EQ(::mkfifo(tool.path("pipe").c_str(), 0600), 0);
  for (const std::string command :
       {"build m.onnx --no-tune -o pipe", "run m.onnx --random -o pipe", "inspect m.onnx --svg pipe",
        "profile m.onnx --duration 0.01 --no-ceilings --trace pipe",
        "bench m.onnx --iterations 2 --warmup 0 --export-times pipe"}) {
    std::string seen;
    std::thread reader([&] { seen = tool.read("pipe"); });
    EXPECT_EQ(tool.run(command).code, 0) << command;
    reader.join();
    EXPECT_GT(seen.size(), 20u) << command;
    EXPECT_TRUE(fs::is_fifo(tool.path("pipe"))) << command;
  }
  // A link: it stays one, and what it leads to keeps its mode.
  tool.write("kept.engine", "old");
  ASSERT_EQ(::chmod(tool.path("kept.engine").c_str(), 0640), 0);
  fs::create_symlink("kept.engine", tool.path("link.engine"));
  ASSERT_EQ(tool.run(std::string(kBuild) + "link.engine").code, 0);
  EXPECT_TRUE(fs::is_symlink(tool.path("link.engine")));
  EXPECT_EQ(fs::status(tool.path("kept.engine")).permissions(), fs::perms(0640));
  EXPECT_EQ(tool.run("run kept.engine --random").code, 0);
  // Standard output.
  const Ran drawn = tool.run("inspect m.onnx --svg /dev/stdout");
  EXPECT_EQ(drawn.code, 0) << drawn.err;
  EXPECT_EQ(drawn.out.substr(0, 4), "<svg");
}

TEST(CliFiles, AReadOnlyFileIsNotReplaced) {
  const Tool tool;
  tool.model("m.onnx");
  tool.write("kept", "old");
  ASSERT_EQ(::chmod(tool.path("kept").c_str(), 0444), 0);
  for (const std::string command :
       {"build m.onnx --no-tune -o kept", "build m.onnx --no-tune -o e --report kept", "run m.onnx --random -o kept",
        "inspect m.onnx --svg kept", "profile m.onnx --histogram kept", "bench m.onnx --sweep batch=1 --chart kept"}) {
    const Ran ran = tool.run(command);
    EXPECT_EQ(ran.code, kRefusal) << command;
    EXPECT_NE(ran.err.find("'kept' may not be written: it is read-only"), std::string::npos) << command << ran.err;
  }
  EXPECT_EQ(tool.read("kept"), "old");
  EXPECT_FALSE(fs::exists(tool.path("e"))) << "it is said before the work begins";
}

void store_w_outside(onnx::ModelProto& m) {
  auto& w = *m.mutable_graph()->mutable_initializer(0);
  w.clear_float_data();
  w.set_data_location(onnx::TensorProto::EXTERNAL);
  auto& entry = *w.add_external_data();
  entry.set_key("location");
  entry.set_value("w.bin");
}

TEST(CliFiles, NothingIsWrittenOverWhatIsRead) {
  const Tool tool;
  tool.model("m.onnx", store_w_outside);
  tool.write("w.bin", std::string(24, '\0'));
  tool.array("x.npy", "(2, 3)", 6);
  fs::create_directory(tool.path("samples"));
  tool.array("samples/x.npy", "(2, 3)", 6);
  fs::create_symlink("m.onnx", tool.path("link.onnx"));
  fs::create_hard_link(tool.path("m.onnx"), tool.path("second.onnx"));
  fs::create_symlink("w.bin", tool.path("weights"));
  ASSERT_EQ(tool.run(std::string(kBuild) + "m.engine").code, 0);
  // What is named stays where the model has it; it runs from there.
  const auto external = tool.run("build m.onnx --no-optimize --external-weights -o external.engine");
  ASSERT_EQ(external.code, 0);
  EXPECT_NE(external.out.find("w.bin, which the engine reads from there"), std::string::npos) << external.out;
  tool.model("whole.onnx");
  const std::string whole = tool.run("build whole.onnx --external-weights -o whole.engine").out;
  EXPECT_NE(whole.find("weights: all in the engine"), std::string::npos) << whole;
  EXPECT_EQ(tool.run("run external.engine --random").code, 0);
  EXPECT_NE(
      tool.run("build external.engine --external-weights -o e").err.find("--external-weights needs the ONNX file"),
      std::string::npos);
  const std::string model = tool.read("m.onnx"), engine = tool.read("m.engine");
  const std::pair<const char*, const char*> lines[] = {
      {"build m.onnx -o m.onnx", "--output would write 'm.onnx' over MODEL, which is read"},
      {"build m.onnx -o ./link.onnx", "--output would write './link.onnx' over MODEL, which is read"},
      {"build m.onnx -o second.onnx", "--output would write 'second.onnx' over MODEL, which is read"},
      {"build m.onnx -o w.bin", "--output would write 'w.bin' over weights of MODEL"},
      {"run external.engine --random -o w.bin", "--output would write 'w.bin' over weights of MODEL"},
      {"build m.onnx -o weights", "--output would write 'weights' over weights of MODEL"},
      {"build m.onnx -o new --report ./new", "--report would write './new' over what --output writes"},
      {"build m.engine", "build without --output would write 'm.engine' over MODEL, which is read"},
      {"run m.onnx --input x=x.npy -o x.npy", "--output would write 'x.npy' over --input, which is read"},
      {"run m.onnx --input x=x.npy -o m.onnx", "--output would write 'm.onnx' over MODEL, which is read"},
      {"run m.onnx --input x.npy --expect x.npy -o ./x.npy", "--output would write './x.npy' over "},
      {"inspect m.engine --svg m.engine", "--svg would write 'm.engine' over MODEL, which is read"},
      {"inspect m.engine --shared-with m.onnx --svg m.onnx",
       "--svg would write 'm.onnx' over --shared-with, which is read"},
      {"profile m.engine --against x.npy --trace x.npy", "--trace would write 'x.npy' over --against, which is read"},
      {"bench m.engine --export-times m.engine", "--export-times would write 'm.engine' over MODEL, which is read"},
      {"bench m.engine --data samples --chart samples/x.npy",
       "--chart would write 'samples/x.npy' over a file of the folder that --data reads"},
      {"compare m.engine m.onnx --timing-cache m.onnx", "--timing-cache would write 'm.onnx' over "},
  };
  for (const auto& [line, said] : lines) {
    const Ran ran = tool.run(line);
    EXPECT_EQ(ran.code, kRefusal) << line;
    EXPECT_NE(ran.err.find(said), std::string::npos) << line << ": " << ran.err;
    EXPECT_NE(ran.err.find("try: another name for what is written"), std::string::npos) << line << ": " << ran.err;
  }
  EXPECT_EQ(tool.read("m.onnx"), model);
  EXPECT_EQ(tool.read("m.engine"), engine);
  EXPECT_EQ(tool.read("w.bin"), std::string(24, '\0'));
  // A device holds nothing that could be lost.
  EXPECT_EQ(tool.run("run m.onnx --random -o /dev/null").code, 0);
}

TEST(CliFiles, ATimingCacheIsOne) {
  const Tool tool;
  tool.model("m.onnx");
  tool.model("other.onnx");
  const std::string other = tool.read("other.onnx");
  const Ran ran = tool.run("build m.onnx -o e --timing-cache other.onnx");
  EXPECT_EQ(ran.code, kRefusal) << ran.err;
  EXPECT_NE(ran.err.find("'other.onnx' is no timing cache"), std::string::npos) << ran.err;
  EXPECT_EQ(tool.read("other.onnx"), other);
}

TEST(CliFiles, OutputThatIsLostIsNoSuccess) {
  const Tool tool;
  tool.model("m.onnx");
  ASSERT_EQ(tool.run(std::string(kBuild) + "m.engine").code, 0);
  // What goes to a full device, or nowhere at all, is an error, however short it is.
  for (const std::string line :
       {"--version", "--help", "build --help", "inspect m.engine", "inspect m.engine --json", "explain m.engine first",
        "run m.engine --random", "run m.engine --random --json", "bench m.engine --iterations 2 --warmup 0 --json",
        "man", "completion bash", "ops", "build m.onnx --no-tune -o b.engine --json"})
    for (const std::string sink : {"/dev/full", "&-"}) {
      const Ran ran = tool.run_with("to() { \"$@\" >" + sink + "; }; to", line);
      EXPECT_EQ(ran.code, kRefusal) << line << " >" << sink;
      EXPECT_NE(ran.err.find("monza: error: cannot write standard output: "), std::string::npos) << line << ran.err;
    }
  EXPECT_EQ(tool.run_with("to() { \"$@\" >/dev/full; }; to", "fly").code, kUsageError)
      << "what went wrong first counts";
}

/// True where a terminal would do nothing but show the text.
bool is_plain(const std::string& text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return (c >= 0 && c < 0x20 && c != '\n') || c == 0x7f; }) &&
         text.find("\u009b") == text.npos && text.find("\u202e") == text.npos;
}

TEST(CliTerminal, NamesDoNotSteerIt) {
  const Tool tool;
  static constexpr char kEvil[] = "\x1b]0;pwned\x07\x1b[2J\r\nmonza: ok\u009b31m\u202e\xff\0hidden";
  const std::string evil(kEvil, sizeof kEvil - 1);
  tool.model("m.onnx", [&](onnx::ModelProto& m) {
    auto& g = *m.mutable_graph();
    g.set_name(evil);
    for (auto& n : *g.mutable_node()) n.set_name(n.name() + evil);
    g.mutable_input(0)->set_name("x" + evil);
    g.mutable_node(0)->set_input(0, "x" + evil);
    g.mutable_output(0)->set_name("y" + evil);
    g.mutable_node(1)->set_output(0, "y" + evil);
    auto& entry = *m.add_metadata_props();
    entry.set_key(evil);
    entry.set_value(evil);
  });
  for (const std::string line :
       {"build m.onnx --no-tune -o e.engine", "build m.onnx --no-tune -o e.engine --json", "run m.onnx --random",
        "run m.onnx --random --json", "run m.onnx", "inspect m.onnx", "inspect m.onnx --json", "inspect m.onnx --graph",
        "inspect m.onnx --imported", "inspect m.onnx --plan", "inspect m.onnx --fusions", "inspect m.onnx --memory",
        "explain m.onnx nothing", "compare m.onnx m.onnx", "bench m.onnx --iterations 2 --warmup 0 --json",
        "profile m.onnx --duration 0.01 --no-ceilings", "inspect e.engine --plan", "run e.engine --random"}) {
    const Ran ran = tool.run(line);
    EXPECT_TRUE(is_plain(ran.out)) << line << ran.out;
    EXPECT_TRUE(is_plain(ran.err)) << line << ran.err;
    EXPECT_EQ((ran.out + ran.err).find("\nmonza: ok"), std::string::npos) << line << ": a line is forged";
    if (line.find("--json") == line.npos) continue;
    EXPECT_EQ(ran.code, 0) << line << ran.err;
    EXPECT_TRUE(nlohmann::json::accept(ran.out)) << line << ran.out;
  }
  const nlohmann::json report = nlohmann::json::parse(tool.run("inspect e.engine --json").out);
  EXPECT_EQ(report["inputs"][0]["name"], "x\\x1b]0;pwned\\x07\\x1b[2J\\r\\nmonza: ok\\u009b31m\\u202e\\xff\\x00hidden");
}

TEST(CliTerminal, ANameWithAZeroByteHidesNoReason) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    m.mutable_graph()->mutable_node(0)->set_name(std::string("before\0after", 12));
    m.mutable_graph()->mutable_node(0)->set_op_type("Levitate");
  });
  const Ran ran = tool.run("build m.onnx");
  EXPECT_EQ(ran.code, kRefusal);
  for (const char* word : {"before\\x00after", "Levitate", "try: "})
    EXPECT_NE(ran.err.find(word), std::string::npos) << word << ": " << ran.err;
}

TEST(CliTerminal, ArgumentsAreShownAndNotObeyed) {
  const Tool tool;
  tool.model("m.onnx");
  const std::string evil = "\"$(printf '\\033[31m\\nmonza: ok')\"";
  for (const std::string& line : {"run m.onnx --random --isa " + evil, evil, "run " + evil + " --random",
                                  "run m.onnx --input x=" + evil, "bench m.onnx --sweep " + evil + "=1"}) {
    const Ran ran = tool.run(line);
    EXPECT_NE(ran.code, 0) << line;
    EXPECT_TRUE(is_plain(ran.out + ran.err)) << line << ran.err;
    EXPECT_EQ(ran.err.find("\nmonza: ok"), std::string::npos) << line << ran.err;
  }
}

}  // namespace
}  // namespace monza::test
