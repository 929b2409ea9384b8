// What the tool says, and how it ends, when something is wrong: every message names the fact, the place and a way out.
#include <gtest/gtest.h>

#include "cli/driver.h"

namespace monza::test {
namespace {

/// The run ended with `code`, began its complaint as documented, and names each of `words`.
void expect_error(const Ran& ran, int code, std::initializer_list<const char*> words) {
  EXPECT_EQ(ran.code, code) << ran.out << ran.err;
  EXPECT_NE(ran.err.find("monza: error: "), std::string::npos) << ran.err;
  for (const char* word : words)
    EXPECT_NE(ran.err.find(word), std::string::npos) << "lacks '" << word << "':\n" << ran.err;
}
constexpr int kMismatch = 1, kUsage = 2, kRefused = 3;

TEST(CliErrors, WrongUsageEndsWithTwo) {
  const Tool tool;
  tool.model("m.onnx");
  expect_error(tool.run(""), kUsage, {"--help"});
  expect_error(tool.run("fly"), kUsage, {});
  expect_error(tool.run("build m.onnx --no-such-option"), kUsage, {"--no-such-option", "monza build --help"});
  expect_error(tool.run("build"), kUsage, {"MODEL"});
  expect_error(tool.run("run m.onnx"), kUsage, {"'x'", "f32 2x3", "--random"});
  expect_error(tool.run("run m.onnx --input z=a.npy"), kUsage, {"no input 'z'"});  // the file does not exist, either
  tool.array("a.npy", "(2, 3)", 6);
  expect_error(tool.run("run m.onnx --input z=a.npy"), kUsage, {"no input 'z'", "'x'"});
  expect_error(tool.run("run m.onnx --random --shape x=2xthree"), kUsage, {"'three'"});
  expect_error(tool.run("run m.onnx --random --shape x=2x4"), kUsage, {"fixes at 3"});
  expect_error(tool.run("run m.onnx --random --shape q=2x3"), kUsage, {"'q=2x3'", "x (2x3)"});
  expect_error(tool.run("run m.onnx --random --precision fp8"), kUsage, {"fp8"});
}

TEST(CliErrors, AMissingFile) {
  const Tool tool;
  expect_error(tool.run("build none.onnx --output e"), kRefused, {"none.onnx", "No such file"});
}

TEST(CliErrors, ATruncatedModel) {
  const Tool tool;
  tool.model("m.onnx");
  const std::string whole = tool.read("m.onnx");
  tool.write("t.onnx", whole.substr(0, whole.size() / 2));
  expect_error(tool.run("build t.onnx --output e"), kRefused, {"t.onnx", "truncated", "try: "});
  tool.write("t.onnx", "");
  expect_error(tool.run("build t.onnx --output e"), kRefused, {"t.onnx"});
  tool.write("t.onnx", "version https://git-lfs.github.com/spec/v1\n");
  expect_error(tool.run("build t.onnx --output e"), kRefused, {"no ONNX model", "Git LFS"});
}

TEST(CliErrors, ATruncatedArray) {
  const Tool tool;
  tool.model("m.onnx");
  tool.array("a.npy", "(2, 3)", 5);
  expect_error(tool.run("run m.onnx --input x=a.npy"), kRefused, {"a.npy", "truncated"});
  tool.write("a.npz", tool.read("a.npy"));
  expect_error(tool.run("run m.onnx --input a.npz"), kRefused, {"a.npz", "zip"});
}

TEST(CliErrors, AWrongShapeOrType) {
  const Tool tool;
  tool.model("m.onnx");
  tool.array("a.npy", "(3, 2)", 6);
  expect_error(tool.run("run m.onnx --input x=a.npy"), kRefused, {"'x'", "3x2", "2x3"});
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  expect_error(tool.run("run m.engine --input x=a.npy"), kRefused, {"'x'", "3x2", "2x3", "--shape"});
  tool.model("i.onnx", [](onnx::ModelProto& m) {
    m.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::INT64);
  });
  expect_error(tool.run("run i.onnx --input x=a.npy"), kRefused, {"f32", "i64"});
}

TEST(CliErrors, AModelWhoseShapesDisagree) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    m.mutable_graph()->mutable_initializer(0)->set_dims(1, 2);
    m.mutable_graph()->mutable_initializer(0)->mutable_float_data()->Truncate(4);
  });
  expect_error(tool.run("build m.onnx --output e"), kRefused, {"second", "Add"});
}

TEST(CliErrors, AnUnsupportedOperatorIsNamedWithItsNode) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) { m.mutable_graph()->mutable_node(0)->set_op_type("Levitate"); });
  expect_error(tool.run("build m.onnx --output e"), kRefused, {"Levitate", "first", "opset 17", "try: "});
}

TEST(CliErrors, ACyclicGraph) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) { m.mutable_graph()->mutable_node(0)->set_input(0, "y"); });
  expect_error(tool.run("build m.onnx --output e"), kRefused, {"cycl", "first", "second"});
}

TEST(CliErrors, SizesThatOverflow) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    for (auto* value : {m.mutable_graph()->mutable_input(0), m.mutable_graph()->mutable_output(0)})
      for (int a = 0; a < 2; ++a)
        value->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(a)->set_dim_value(
            static_cast<std::int64_t>(1) << 40);
    m.mutable_graph()->mutable_node(1)->set_input(1, "r");
  });
  expect_error(tool.run("build m.onnx --output e"), kRefused, {"overflow"});
  tool.model("w.onnx", [](onnx::ModelProto& m) {
    for (int a = 0; a < 2; ++a)
      m.mutable_graph()->mutable_initializer(0)->set_dims(a, static_cast<std::int64_t>(1) << 62);
  });
  expect_error(tool.run("build w.onnx --output e"), kRefused, {"'w'"});
  tool.model("n.onnx", [](onnx::ModelProto& m) { m.mutable_graph()->mutable_initializer(0)->set_dims(0, -2); });
  expect_error(tool.run("build n.onnx --output e"), kRefused, {"'w'", "negative"});
}

void make_external(onnx::ModelProto& m, const std::string& location) {
  auto& w = *m.mutable_graph()->mutable_initializer(0);
  w.clear_float_data();
  w.set_data_location(onnx::TensorProto::EXTERNAL);
  auto& entry = *w.add_external_data();
  entry.set_key("location");
  entry.set_value(location);
}

TEST(CliErrors, ExternalDataOutsideTheModelsFolder) {
  const Tool tool;
  std::filesystem::create_directory(tool.path("inside"));
  tool.write("outside.bin", std::string(24, '\0'));
  std::filesystem::create_symlink("../outside.bin", tool.path("inside/link.bin"));
  for (const char* location : {"../outside.bin", "/etc/hostname", "link.bin", "sub/../../outside.bin", ""}) {
    SCOPED_TRACE(location);
    tool.model("inside/m.onnx", [&](onnx::ModelProto& m) { make_external(m, location); });
    expect_error(tool.run("build inside/m.onnx --output e"), kRefused, {"external data", "'w'"});
  }
  tool.write("inside/short.bin", std::string(23, '\0'));
  tool.model("inside/m.onnx", [&](onnx::ModelProto& m) { make_external(m, "short.bin"); });
  expect_error(tool.run("build inside/m.onnx --output e"), kRefused, {"short.bin", "23 bytes"});
  tool.write("inside/w.bin", std::string(24, '\0'));
  tool.model("inside/m.onnx", [&](onnx::ModelProto& m) { make_external(m, "w.bin"); });
  EXPECT_EQ(tool.run("build inside/m.onnx --output e").code, 0);
}

TEST(CliErrors, DimensionsWithoutAProfileStopTheBuild) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    m.mutable_graph()
        ->mutable_input(0)
        ->mutable_type()
        ->mutable_tensor_type()
        ->mutable_shape()
        ->mutable_dim(0)
        ->set_dim_param("batch");
    m.mutable_graph()
        ->mutable_output(0)
        ->mutable_type()
        ->mutable_tensor_type()
        ->mutable_shape()
        ->mutable_dim(0)
        ->set_dim_param("batch");
    m.mutable_graph()->mutable_initializer(0)->set_dims(0, 1);
    m.mutable_graph()->mutable_initializer(0)->mutable_float_data()->Truncate(3);
  });
  expect_error(tool.run("build m.onnx --output e"), kRefused, {"batch", "--shape x=", "try: "});
  EXPECT_EQ(tool.run("build m.onnx --output e --shape batch=4").code, 0);
  tool.array("a.npy", "(5, 3)", 15);
  const Ran ran = tool.run("run m.onnx --input x=a.npy");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.err.find("x = 5x3"), std::string::npos) << "the shape taken from the input is said: " << ran.err;
  expect_error(tool.run("run e --input x=a.npy"), kRefused, {"5x3", "4x3"});
}

TEST(CliErrors, ADamagedEngine) {
  const Tool tool;
  tool.model("m.onnx");
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  const std::string whole = tool.read("m.engine");
  ASSERT_EQ(tool.run("run m.engine --random").code, 0);
  std::string other = whole;
  other[8] = static_cast<char>(other[8] + 1);  // the format's version
  tool.write("d.engine", other);
  expect_error(tool.run("run d.engine --random"), kRefused, {"d.engine", "another version", "monza build"});
  for (const std::size_t at :
       {static_cast<std::size_t>(16), static_cast<std::size_t>(70), static_cast<std::size_t>(4096 + 8)}) {
    SCOPED_TRACE(at);
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    tool.write("d.engine", flipped);
    expect_error(tool.run("run d.engine --random"), kRefused, {"d.engine", "try: "});
  }
  tool.write("d.engine", whole.substr(0, whole.size() - 100));
  expect_error(tool.run("run d.engine --random"), kRefused, {"d.engine"});
}

TEST(CliErrors, PrecisionsAndDevicesThatCannotBe) {
  const Tool tool;
  tool.model("m.onnx");
  expect_error(tool.run("build m.onnx --output e --precision int8"), kRefused, {"INT8", "ranges", "try: "});
  expect_error(tool.run("build m.onnx --output e --device cuda"), kRefused, {"CUDA", "--device cpu"});
  ASSERT_EQ(tool.run("build m.onnx --output e").code, 0);
  expect_error(tool.run("run e --random --precision bf16"), kRefused, {"fp32", "bf16"});
  expect_error(tool.run("run e --random --device cuda"), kRefused, {"cpu", "cuda"});
  EXPECT_EQ(tool.run("run e --random --precision fp32 --device cpu").code, 0);
  expect_error(tool.run("run e --random --outputs y"), kUsage, {"--outputs", "build"});
}

TEST(CliErrors, AnImageThatIsNone) {
  const Tool tool;
  if (tool.run("detect --help").out.find("monza detect") == std::string::npos)
    GTEST_SKIP() << "this build has no detect command";
  tool.model("m.onnx");
  tool.write("picture.jpg", "this is no picture");
  const Ran ran = tool.run("detect picture.jpg --model m.onnx --json");
  EXPECT_EQ(ran.code, kRefused) << ran.err;
  EXPECT_NE(ran.err.find("monza: error: "), std::string::npos) << ran.err;
}

TEST(CliErrors, AReferenceThatDiffersEndsWithOne) {
  const Tool tool;
  tool.model("m.onnx");
  tool.array("x.npy", "(2, 3)", 6, -2);
  ASSERT_EQ(tool.run("run m.onnx --input x=x.npy --output out.npz").code, 0);
  EXPECT_EQ(tool.run("run m.onnx --input x=x.npy --expect out.npz --rtol 0 --atol 0").code, 0);
  const Ran ran = tool.run("run m.onnx --input x=x.npy --expect x.npy --json --output again.npz");
  EXPECT_EQ(ran.code, kMismatch);
  EXPECT_NE(ran.out.find("\"ok\": false"), std::string::npos) << ran.out;
  EXPECT_EQ(tool.read("again.npz"), tool.read("out.npz")) << "outputs are written though they differ";
}

}  // namespace
}  // namespace monza::test
