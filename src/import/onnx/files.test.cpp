// What is said of files that are no models and no tensors. Models that are wrong inside: import.messages.txt.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "import/onnx/onnx_import.h"
#include "import/onnx/proto_file.h"
#include "import/onnx/tensor_file.h"
#include "monza/error.h"
#include "support/temporary.h"

namespace monza {
namespace {

std::string written(const test::TemporaryFolder& folder, const std::string& bytes) {
  const std::string path = folder / "file";
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

/// Fact and hint, with the place behind.
std::string said(const std::function<void()>& act) {
  try {
    act();
    return "nothing";
  } catch (const Error& e) {
    return e.fact() + (e.hint().empty() ? "" : "\ntry: " + e.hint()) + "\nat: " + e.where();
  }
}

TEST(OnnxFiles, AreModels) {
  const test::TemporaryFolder folder;
  const auto import = [&](const std::string& bytes) {
    const std::string path = written(folder, bytes);
    return said([&] { import_onnx(path); });
  };
  const std::string at = "\nat: model '" + folder / "file" + "'";
  EXPECT_EQ(import(""), "the file is empty\ntry: check that it was copied or downloaded completely" + at);
  EXPECT_EQ(import("version https://git-lfs"),
            "this is no ONNX model, or the file is damaged or truncated (its 23 bytes are no protobuf message)\n"
            "try: check that the download completed; a Git LFS pointer file is text of about 130 bytes" +
                at);
  onnx::ModelProto model;
  model.set_ir_version(8);
  EXPECT_EQ(
      import(model.SerializeAsString()),
      "the file parses, but holds no graph, so it is no ONNX model\ntry: check that the file is the model itself" + at);
}

/// y = Relu(x) of f32[2,3] through r = Neg(x).
onnx::ModelProto two_nodes() {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  auto& graph = *model.mutable_graph();
  const auto declare = [](onnx::ValueInfoProto& value, const char* name) {
    value.set_name(name);
    auto& type = *value.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    for (const int d : {2, 3}) type.mutable_shape()->add_dim()->set_dim_value(d);
  };
  declare(*graph.add_input(), "x");
  declare(*graph.add_value_info(), "r");
  declare(*graph.add_output(), "y");
  const char* names[] = {"x", "r", "y"};
  for (int i = 0; i < 2; ++i) {
    auto& node = *graph.add_node();
    node.set_op_type(i == 0 ? "Neg" : "Relu");
    node.add_input(names[i]);
    node.add_output(names[i + 1]);
  }
  return model;
}

TEST(OnnxFiles, AreOfAVersionThatIsKnown) {
  const test::TemporaryFolder folder;
  const std::string at = "\nat: model '" + folder / "file" + "'";
  const auto import = [&](const std::function<void(onnx::ModelProto&)>& change) {
    onnx::ModelProto model = two_nodes();
    change(model);
    const std::string path = written(folder, model.SerializeAsString());
    return said([&] { import_onnx(path); });
  };
  EXPECT_EQ(import([](auto&) {}), "nothing");
  EXPECT_EQ(
      import([](auto& m) { m.set_ir_version(99); }),
      "the file is of IR version 99; the newest that this build knows is 14\ntry: export it with ir_version 14 or "
      "less" +
          at);
  EXPECT_EQ(import([](auto& m) { m.clear_opset_import(); }),
            "the model imports no operator set, as files of IR version 3 and later must\ntry: write opset_import into "
            "the model: it says what its operators mean" +
                at);
  EXPECT_EQ(import([](auto& m) {
              m.clear_opset_import();
              m.set_ir_version(2);
            }),
            "nothing")
      << "files that are older than operator sets use the first one";
}

TEST(OnnxFiles, DeclareWhatTheyCompute) {
  const test::TemporaryFolder folder;
  std::string warned;
  const auto import = [&](const std::function<void(onnx::GraphProto&)>& change) {
    onnx::ModelProto model = two_nodes();
    change(*model.mutable_graph());
    const std::string path = written(folder, model.SerializeAsString());
    testing::internal::CaptureStderr();
    const std::string text = said([&] { import_onnx(path); });
    warned = testing::internal::GetCapturedStderr();
    return text;
  };
  const auto type = [](onnx::ValueInfoProto& v) -> auto& { return *v.mutable_type()->mutable_tensor_type(); };
  EXPECT_EQ(import([&](auto& g) { type(*g.mutable_output(0)).set_elem_type(onnx::TensorProto::DOUBLE); }),
            "output 'y' is declared as f64[2,3], but its node makes f32[2,3]\ntry: export the model again; "
            "onnx.checker.check_model(model, full_check=True) says where it disagrees\nat: model '" +
                folder / "file" + "'");
  const std::string head = "monza warning: the model declares types of tensors that are not those it computes: ";
  EXPECT_EQ(import([&](auto& g) {
              type(*g.mutable_value_info(0)).set_elem_type(onnx::TensorProto::DOUBLE);
              type(*g.mutable_output(0)).mutable_shape()->mutable_dim(1)->set_dim_value(4);
            }),
            "nothing");
  EXPECT_EQ(warned,
            head + "'y' is declared as f32[2,4] and is f32[2,3], 'r' is declared as f64[2,3] and is f32[2,3]\n");
  EXPECT_EQ(import([&](auto& g) {
              type(*g.mutable_output(0)).mutable_shape()->mutable_dim(0)->set_dim_param("batch");
              type(*g.mutable_value_info(0)).mutable_shape()->mutable_dim(1)->set_dim_value(0);
            }),
            "nothing");
  EXPECT_EQ(warned, "") << "names and zeros stand for what exporters do not know";
}

TEST(OnnxFiles, AreSmallEnoughForProtobuf) {
  const test::TemporaryFolder folder;
  const std::string path = written(folder, "x");
  std::filesystem::resize_file(path, (std::uintmax_t(1) << 31) + 1);  // a hole: it takes no room
  EXPECT_EQ(said([&] { OnnxFile::open(path, {.file_bytes = static_cast<std::int64_t>(1) << 33}); }),
            "the file is larger than 2 GiB, which protobuf cannot hold\ntry: export the model with external data\n"
            "at: model '" +
                path + "'");
}

TEST(OnnxFiles, HoldTensorsInOnePiece) {
  const test::TemporaryFolder folder;
  onnx::ModelProto model;
  onnx::TensorProto* weight = model.mutable_graph()->add_initializer();
  weight->set_name("w");
  weight->set_data_type(onnx::TensorProto::FLOAT);
  weight->mutable_segment()->set_begin(0);
  model.mutable_graph()->add_output()->set_name("w");
  const std::string path = written(folder, model.SerializeAsString());
  EXPECT_EQ(
      said([&] { import_onnx(path); }),
      "tensor 'w' is split into segments, which no exporter writes\nat: initializer 'w', in model '" + path + "'");
}

TEST(OnnxFiles, AreTensorsAndLists) {
  const test::TemporaryFolder folder;
  const std::string no_proto = written(folder, "\xff\xff");
  const std::string at = "\nat: tensor file '" + no_proto + "'";
  EXPECT_EQ(said([&] { read_onnx_tensor(no_proto); }),
            "this is no ONNX tensor, or the file is damaged or truncated" + at);
  EXPECT_EQ(said([&] { read_onnx_list(no_proto, false); }),
            "this is no ONNX sequence, or the file is damaged or truncated\nat: file '" + no_proto + "'");
  EXPECT_EQ(said([&] { read_onnx_list(no_proto, true); }),
            "this is no ONNX optional, or the file is damaged or truncated\nat: file '" + no_proto + "'");
  const std::string empty = written(folder, "");
  EXPECT_EQ(said([&] { read_onnx_tensor(empty); }),
            "the file parses, but says no element type, so it is no ONNX tensor" + at);
}

}  // namespace
}  // namespace monza
