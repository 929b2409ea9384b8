#include "import/onnx/proto_file.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/common.h>

#include <charconv>
#include <cstring>
#include <limits>

#include "base/checked.h"
#include "base/error.h"
#include "base/file_kind.h"
#include "base/limits.h"
#include "import/onnx/names.h"
#include "import/onnx/onnx_import.h"
#include "import/onnx/wire_scan.h"
#include "tensor/dtype.h"
#include "tensor/storage.h"

namespace monza {

DType dtype_of_onnx(int data_type) {
  using T = onnx::TensorProto;
  switch (data_type) {
    case T::FLOAT: return DType::f32;
    case T::UINT8: return DType::u8;
    case T::INT8: return DType::i8;
    case T::UINT16: return DType::u16;
    case T::INT16: return DType::i16;
    case T::INT32: return DType::i32;
    case T::INT64: return DType::i64;
    case T::STRING: return DType::string;
    case T::BOOL: return DType::boolean;
    case T::FLOAT16: return DType::f16;
    case T::DOUBLE: return DType::f64;
    case T::UINT32: return DType::u32;
    case T::UINT64: return DType::u64;
    case T::COMPLEX64: return DType::c64;
    case T::COMPLEX128: return DType::c128;
    case T::BFLOAT16: return DType::bf16;
    case T::FLOAT8E4M3FN: return DType::f8e4m3fn;
    case T::FLOAT8E4M3FNUZ: return DType::f8e4m3fnuz;
    case T::FLOAT8E5M2: return DType::f8e5m2;
    case T::FLOAT8E5M2FNUZ: return DType::f8e5m2fnuz;
    case T::UINT4: return DType::u4;
    case T::INT4: return DType::i4;
    case T::FLOAT4E2M1: return DType::f4e2m1;
    case T::FLOAT8E8M0: return DType::f8e8m0;
    case T::UINT2: return DType::u2;
    case T::INT2: return DType::i2;
    default: return DType::invalid;
  }
}

std::shared_ptr<OnnxFile> OnnxFile::open(const std::filesystem::path& path, const Limits& limits) {
  const auto mapped = MappedFile::open(path);
  const std::string where = "model '" + path.string() + "'";
  auto file = std::make_shared<OnnxFile>();
  file->path_ = path;
  file->limits_ = limits;
  file->model_ = std::make_shared<onnx::ModelProto>();
  if (mapped->bytes().empty())
    throw Error("the file is empty", "check that it was copied or downloaded completely").at(where);
  if (mapped->bytes().size() > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    throw Error("the file is larger than 2 GiB, which protobuf cannot hold", "export the model with external data")
        .at(where);
  if (const FileKind kind = file_kind(path); kind != FileKind::other && kind != FileKind::text)
    throw Error(std::string("this is ") + file_kind_name(kind) + ", no ONNX model",
                kind == FileKind::gguf ? "monza generate, inspect, build, bench, run, profile or explain, which take it"
                                       : "export the model to ONNX")
        .at(where);
  bool whole = false;
  try {
    check_limits(limits);
    check_limit(limits, &Limits::file_bytes, static_cast<std::int64_t>(mapped->bytes().size()), "bytes of the file");
    whole = scan_onnx(mapped->bytes(), limits);
  } catch (const Error& e) {
    throw e.at(where);
  }
  google::protobuf::io::ArrayInputStream raw(mapped->bytes().data(), static_cast<int>(mapped->bytes().size()));
  google::protobuf::io::CodedInputStream stream(&raw);
  stream.SetTotalBytesLimit(std::numeric_limits<int>::max());
  // A body is three messages deep in its parent: node, attribute, graph.
  stream.SetRecursionLimit(static_cast<int>(3 * limits.depth) + 100);
  if (!whole || !file->model_->ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage())
    throw Error("this is no ONNX model, or the file is damaged or truncated (its " +
                    std::to_string(mapped->bytes().size()) + " bytes are no protobuf message)",
                "check that the download completed; a Git LFS pointer file is text of about 130 bytes")
        .at(where);
  if (!file->model_->has_graph())
    throw Error("the file parses, but holds no graph, so it is no ONNX model",
                "check that the file is the model itself")
        .at(where);
  file->data_locations_ = make_names_printable(*file->model_);
  return file;
}

namespace {

Shape shape_of(const google::protobuf::RepeatedField<std::int64_t>& dims, const std::string& name) {
  if (dims.size() > kMaxRank) fail("tensor '{}' has rank {}; at most {} is supported", name, dims.size(), kMaxRank);
  Shape shape;
  shape.rank = dims.size();
  for (int i = 0; i < shape.rank; ++i) shape.dim[i] = dims[i];
  return shape;
}

/// Copies a typed field, narrowing each element to the tensor's own width.
template <typename To, typename Field>
void narrow(const Field& field, std::span<std::byte> out) {
  To* to = reinterpret_cast<To*>(out.data());
  for (int i = 0; i < field.size(); ++i) to[i] = static_cast<To>(field[i]);
}

void check_count(const std::string& name, std::int64_t have, std::int64_t want, const char* unit) {
  if (have != want) fail("tensor '{}' holds {} {}, its shape needs {}", name, have, unit, want);
}

}  // namespace

std::shared_ptr<const ir::Constant> OnnxFile::constant(const onnx::TensorProto& tensor) {
  std::shared_ptr<const ir::Constant>& constant = constants_[&tensor];
  if (!constant) constant = read(tensor);
  return constant;
}

std::shared_ptr<const ir::Constant> OnnxFile::constant(const onnx::SparseTensorProto& tensor) {
  std::shared_ptr<const ir::Constant>& constant = constants_[&tensor];
  if (!constant) constant = read(tensor);
  return constant;
}

std::shared_ptr<const ir::Constant> OnnxFile::read(const onnx::TensorProto& tensor) {
  const std::string& name = tensor.name();
  const DType dtype = dtype_of_onnx(tensor.data_type());
  if (dtype == DType::invalid)
    fail("tensor '{}' has the element type {}, which ONNX 1.22 does not define", name, tensor.data_type());
  if (tensor.has_segment()) fail("tensor '{}' is split into segments, which no exporter writes", name);
  const Shape shape = shape_of(tensor.dims(), name);
  const std::int64_t bytes = storage_bytes(dtype, shape);
  const std::int64_t count = shape.numel();
  weight_bytes_ = checked_add(weight_bytes_, bytes, "the size of all tensors");
  check_limit(limits_, &Limits::weight_bytes, weight_bytes_, "bytes of tensors");

  if (dtype == DType::string) {
    check_count(name, tensor.string_data_size(), count, "strings");
    auto constant = std::make_shared<ir::Constant>();
    constant->dtype = dtype;
    constant->shape = shape;
    constant->strings.assign(tensor.string_data().begin(), tensor.string_data().end());
    return constant;
  }
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) return external(tensor, dtype, shape);
  if (tensor.has_raw_data()) {
    check_count(name, static_cast<std::int64_t>(tensor.raw_data().size()), bytes, "bytes");
    return ir::borrow_constant(dtype, shape,
                               std::as_bytes(std::span(tensor.raw_data().data(), tensor.raw_data().size())), model_);
  }

  // Before any storage is made: the elements must be there, or a few bytes of file could ask for gigabytes.
  const int bits = dtype_bits(dtype);
  std::int64_t have = 0, want = count;
  switch (dtype) {
    case DType::f32: have = tensor.float_data_size(); break;
    case DType::c64:
      have = tensor.float_data_size();
      want = 2 * count;
      break;
    case DType::f64: have = tensor.double_data_size(); break;
    case DType::c128:
      have = tensor.double_data_size();
      want = 2 * count;
      break;
    case DType::i64: have = tensor.int64_data_size(); break;
    case DType::u32:
    case DType::u64: have = tensor.uint64_data_size(); break;
    default:
      have = tensor.int32_data_size();
      if (bits < 8) want = bytes;
      break;
  }
  check_count(name, have, want, "elements");
  auto [constant, out] = ir::allocate_constant(dtype, shape);
  switch (dtype) {
    case DType::f32:
    case DType::c64: narrow<float>(tensor.float_data(), out); break;
    case DType::f64:
    case DType::c128: narrow<double>(tensor.double_data(), out); break;
    case DType::i64: narrow<std::int64_t>(tensor.int64_data(), out); break;
    case DType::u32: narrow<std::uint32_t>(tensor.uint64_data(), out); break;
    case DType::u64: narrow<std::uint64_t>(tensor.uint64_data(), out); break;
    case DType::i32: narrow<std::int32_t>(tensor.int32_data(), out); break;
    case DType::i16:
    case DType::u16:
    case DType::f16:
    case DType::bf16: narrow<std::uint16_t>(tensor.int32_data(), out); break;
    default: narrow<std::uint8_t>(tensor.int32_data(), out); break;
  }
  return constant;
}

std::shared_ptr<const ir::Constant> OnnxFile::external(const onnx::TensorProto& tensor, DType dtype,
                                                       const Shape& shape) {
  std::string location;
  std::uint64_t offset = 0, length = static_cast<std::uint64_t>(storage_bytes(dtype, shape));
  const auto number = [&](const std::string& key, const std::string& text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
      fail("external data of tensor '{}' has {}='{}', which is no size", tensor.name(), key, text);
    return value;
  };
  for (const auto& entry : tensor.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = number("offset", entry.value());
    if (entry.key() == "length" && number("length", entry.value()) != length)
      fail("external data of tensor '{}' has {} bytes, its shape needs {}", tensor.name(), entry.value(), length);
  }
  auto& file = external_files_[location];
  try {
    if (!file) file = MappedFile::open_to_read(resolve_confined(path_.parent_path(), location));
    return ir::borrow_from_file(dtype, shape, file->slice(offset, length, "external data"), file);
  } catch (const Error& e) {
    throw e.at("external data of tensor '" + tensor.name() + "'");
  }
}

std::shared_ptr<const ir::Constant> OnnxFile::read(const onnx::SparseTensorProto& sparse) {
  const auto values = constant(sparse.values());
  const auto indices = constant(sparse.indices());
  const Shape shape = shape_of(sparse.dims(), sparse.values().name());
  const std::int64_t bytes = storage_bytes(values->dtype, shape);
  if (values->dtype == DType::string || dtype_bits(values->dtype) < 8)
    fail("sparse tensors of {} are not supported", dtype_name(values->dtype));
  check_limit(limits_, &Limits::fold_bytes, bytes, "bytes of a sparse tensor made dense");
  const std::int64_t nnz = values->numel();
  const bool linear = indices->shape.rank == 1;
  if (indices->dtype != DType::i64 || indices->numel() != nnz * (linear ? 1 : shape.rank))
    fail("sparse tensor '{}' has {} values but {} index numbers", sparse.values().name(), nnz, indices->numel());
  auto [dense, out] = ir::allocate_constant(values->dtype, shape);
  std::memset(out.data(), 0, out.size());
  const std::size_t size = static_cast<std::size_t>(dtype_bits(values->dtype) / 8);
  const std::int64_t total = shape.numel();
  for (std::int64_t i = 0; i < nnz; ++i) {
    std::int64_t at = 0;
    if (linear) {
      at = indices->as<std::int64_t>()[i];
    } else {
      for (int a = 0; a < shape.rank; ++a) {
        const std::int64_t k = indices->as<std::int64_t>()[i * shape.rank + a];
        if (k < 0 || k >= shape[a])
          fail("sparse tensor '{}' has an index of {} on axis {} of extent {}", sparse.values().name(), k, a, shape[a]);
        at = at * shape[a] + k;
      }
    }
    if (at < 0 || at >= total)
      fail("sparse tensor '{}' has an index of {} among {} elements", sparse.values().name(), at, total);
    std::memcpy(out.data() + static_cast<std::size_t>(at) * size,
                values->bytes.data() + static_cast<std::size_t>(i) * size, size);
  }
  return dense;
}

std::string protobuf_version() {
  return fmt::format("{}.{}.{}", GOOGLE_PROTOBUF_VERSION / 1000000, GOOGLE_PROTOBUF_VERSION / 1000 % 1000,
                     GOOGLE_PROTOBUF_VERSION % 1000);
}

}  // namespace monza
