#include "import/onnx/wire_scan.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <onnx.pb.h>
#include "base/limits.h"

namespace monza {
namespace {

/// The messages of onnx.proto. `text`: a string or bytes; `none`: numbers, and fields that the schema does not name.
enum class Kind : std::uint8_t {
  model,
  graph,
  node,
  attribute,
  function,
  tensor,
  sparse_tensor,
  value_info,
  type,
  tensor_type,
  list_type,  // of a sequence or optional
  map_type,
  shape,
  dimension,
  entry,  // a key and a value
  opset,
  sequence,
  optional,
  text,
  none,
};

/// What a field is, by number; a number that is not in the list is of none.
struct Field {
  std::uint64_t number;
  Kind kind;
};

std::span<const Field> fields_of(Kind message) {
  using enum Kind;
  static constexpr Field kModel[] = {{2, text},  {3, text},   {4, text},     {7, graph},
                                     {8, opset}, {14, entry}, {25, function}};
  static constexpr Field kGraph[] = {{1, node},        {2, text},        {5, tensor},        {11, value_info},
                                     {12, value_info}, {13, value_info}, {15, sparse_tensor}};
  static constexpr Field kNode[] = {{1, text}, {2, text}, {3, text}, {4, text}, {5, attribute}, {7, text}, {8, text}};
  static constexpr Field kAttribute[] = {{1, text},  {4, text},    {5, tensor},         {6, graph},
                                         {9, text},  {10, tensor}, {11, graph},         {14, type},
                                         {15, type}, {21, text},   {22, sparse_tensor}, {23, sparse_tensor}};
  static constexpr Field kFunction[] = {{1, text},  {4, text},  {5, text},       {6, text}, {7, node},
                                        {9, opset}, {10, text}, {11, attribute}, {13, text}};
  static constexpr Field kTensor[] = {{3, entry}, {6, text}, {8, text}, {9, text}, {13, entry}};
  static constexpr Field kSparse[] = {{1, tensor}, {2, tensor}};
  static constexpr Field kValueInfo[] = {{1, text}, {2, type}};
  static constexpr Field kType[] = {{1, tensor_type}, {4, list_type}, {5, map_type}, {8, tensor_type}, {9, list_type}};
  static constexpr Field kTensorType[] = {{2, shape}};
  static constexpr Field kListType[] = {{1, type}};
  static constexpr Field kMapType[] = {{2, type}};
  static constexpr Field kShape[] = {{1, dimension}};
  static constexpr Field kDimension[] = {{2, text}};
  static constexpr Field kEntry[] = {{1, text}, {2, text}};
  static constexpr Field kOpset[] = {{1, text}};
  static constexpr Field kSequence[] = {{1, text}, {3, tensor}};
  static constexpr Field kOptional[] = {{1, text}, {3, tensor}, {5, sequence}};
  switch (message) {
    case model: return kModel;
    case graph: return kGraph;
    case node: return kNode;
    case attribute: return kAttribute;
    case function: return kFunction;
    case tensor: return kTensor;
    case sparse_tensor: return kSparse;
    case value_info: return kValueInfo;
    case type: return kType;
    case tensor_type: return kTensorType;
    case list_type: return kListType;
    case map_type: return kMapType;
    case shape: return kShape;
    case dimension: return kDimension;
    case entry: return kEntry;
    case opset: return kOpset;
    case sequence: return kSequence;
    case optional: return kOptional;
    case text:
    case none: break;
  }
  return {};
}

Kind inside(Kind message, std::uint64_t number) {
  for (const Field& f : fields_of(message))
    if (f.number == number) return f.kind;
  return Kind::none;
}

/// Bytes of the object that parsing makes, with the pointer to it.
std::int64_t object_bytes(Kind kind) {
  constexpr std::size_t kPointer = sizeof(void*);
  switch (kind) {
    case Kind::none: return 0;
    case Kind::text: return sizeof(std::string) + kPointer;
    case Kind::graph: return sizeof(onnx::GraphProto) + kPointer;
    case Kind::node: return sizeof(onnx::NodeProto) + kPointer;
    case Kind::attribute: return sizeof(onnx::AttributeProto) + kPointer;
    case Kind::function: return sizeof(onnx::FunctionProto) + kPointer;
    case Kind::tensor: return sizeof(onnx::TensorProto) + kPointer;
    case Kind::sparse_tensor: return sizeof(onnx::SparseTensorProto) + kPointer;
    default: return sizeof(onnx::ValueInfoProto) + kPointer;  // the others have two or three fields
  }
}

/// Reads the wire format; every read fails at the end instead of leaving the file.
class Scan {
 public:
  explicit Scan(std::span<const std::byte> file) : file_(file) {}

  bool number(std::uint64_t* value) {
    *value = 0;
    for (int shift = 0; shift < 64 && at_ < file_.size(); shift += 7) {
      const auto byte = static_cast<std::uint64_t>(file_[at_++]);
      *value |= (byte & 127) << shift;
      if (byte < 128) return true;
    }
    return false;
  }
  bool skip(std::uint64_t bytes) {
    if (bytes > file_.size() - at_) return false;
    at_ += static_cast<std::size_t>(bytes);
    return true;
  }
  /// The value of a field that is neither a length nor a group.
  bool skip_value(std::uint64_t wire) {
    std::uint64_t ignored = 0;
    return wire == 0 ? number(&ignored) : wire == 1 ? skip(8) : wire == 5 && skip(4);
  }
  /// What is behind the beginning of a group: no ONNX file has one, but parsers skip them.
  bool skip_group() {
    for (std::int64_t open = 1; open > 0;) {
      std::uint64_t tag = 0, bytes = 0;
      if (!number(&tag)) return false;
      const std::uint64_t wire = tag & 7;
      if (wire == 3) ++open;
      else if (wire == 4) --open;
      else if (wire == 2 ? !number(&bytes) || !skip(bytes) : !skip_value(wire)) return false;
    }
    return true;
  }
  std::size_t at() const { return at_; }
  std::size_t size() const { return file_.size(); }

 private:
  std::span<const std::byte> file_;
  std::size_t at_ = 0;
};

}  // namespace

namespace {

struct WireCensus {
  std::int64_t nodes = 0, values = 0, deepest = 0, bytes = 0;
  bool whole = false;
};

/// Counts up to the end, or to where the file is damaged (then it is not whole).
WireCensus count(std::span<const std::byte> file, Kind root) {
  struct Message {
    std::size_t end;
    Kind kind;
  };
  Scan scan(file);
  std::vector<Message> open{{file.size(), root}};
  WireCensus census;
  std::int64_t graphs = 0;
  while (!open.empty()) {
    if (scan.at() >= open.back().end) {
      graphs -= open.back().kind == Kind::graph;
      open.pop_back();
      continue;
    }
    const Kind outer = open.back().kind;
    std::uint64_t tag = 0, bytes = 0;
    if (!scan.number(&tag)) return census;
    const std::uint64_t wire = tag & 7;
    if (wire == 3 && !scan.skip_group()) return census;
    if (wire == 3) continue;
    if (wire != 2) {
      if (!scan.skip_value(wire)) return census;
      continue;
    }
    if (!scan.number(&bytes) || bytes > open.back().end - std::min(scan.at(), open.back().end)) return census;
    const Kind kind = inside(outer, tag >> 3);
    census.nodes += kind == Kind::node;
    census.values += kind != Kind::node && (outer == Kind::graph || outer == Kind::node || outer == Kind::attribute ||
                                            outer == Kind::function);
    census.bytes += object_bytes(kind);
    if (fields_of(kind).empty()) {
      if (!scan.skip(bytes)) return census;
      continue;
    }
    graphs += kind == Kind::graph;
    census.deepest = std::max(census.deepest, graphs - 1);
    open.push_back({scan.at() + static_cast<std::size_t>(bytes), kind});
  }
  census.whole = true;
  return census;
}

}  // namespace

bool scan_onnx(std::span<const std::byte> file, const Limits& limits, OnnxRoot root) {
  // A file over the limits is said to be that, damaged or not.
  const WireCensus census = count(file, root == OnnxRoot::model      ? Kind::model
                                        : root == OnnxRoot::tensor   ? Kind::tensor
                                        : root == OnnxRoot::sequence ? Kind::sequence
                                                                     : Kind::optional);
  check_limit(limits, &Limits::depth, census.deepest, "bodies of nodes inside one another");
  check_limit(limits, &Limits::nodes, census.nodes, "nodes in the file");
  // Texts, attributes and declarations of values are counted with the values: some of each belong to a node.
  check_limit(limits, &Limits::values, census.values / 4, "values in the file");
  constexpr std::int64_t kValueBytes = 128, kFree = std::int64_t{1} << 20;
  check_limit(limits, &Limits::values, std::max<std::int64_t>(census.bytes - kFree, 0) / kValueBytes,
              "values' worth of objects in the file");
  return census.whole;
}

}  // namespace monza
