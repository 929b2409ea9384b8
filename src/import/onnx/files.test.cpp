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
            "this is no ONNX model, or the file is damaged or truncated (protobuf cannot parse its 23 bytes)\n"
            "try: check that the download completed; a Git LFS pointer file is text of about 130 bytes" +
                at);
  onnx::ModelProto model;
  model.set_ir_version(8);
  EXPECT_EQ(
      import(model.SerializeAsString()),
      "the file parses, but holds no graph, so it is no ONNX model\ntry: check that the file is the model itself" + at);
}

TEST(OnnxFiles, AreSmallEnoughForProtobuf) {
  const test::TemporaryFolder folder;
  const std::string path = written(folder, "x");
  std::filesystem::resize_file(path, (std::uintmax_t(1) << 31) + 1);  // a hole: it takes no room
  EXPECT_EQ(said([&] { OnnxFile::open(path, {.file_bytes = std::int64_t(1) << 33}); }),
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
