#include "import/onnx/wire_scan.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/limits.h"

namespace monza {
namespace {

/// The messages that hold nodes and graphs; all others are one object each here.
enum class Kind : std::uint8_t { model, graph, node, attribute, function, other };

/// What field `field` of a message is (numbers of onnx.proto).
Kind inside(Kind message, std::uint64_t field) {
  switch (message) {
    case Kind::model: return field == 7 ? Kind::graph : field == 25 ? Kind::function : Kind::other;
    case Kind::graph: return field == 1 ? Kind::node : Kind::other;
    case Kind::node: return field == 5 ? Kind::attribute : Kind::other;
    case Kind::attribute: return field == 6 || field == 11 ? Kind::graph : Kind::other;
    case Kind::function: return field == 7 ? Kind::node : field == 11 ? Kind::attribute : Kind::other;
    case Kind::other: break;
  }
  return Kind::other;
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

void scan_onnx(std::span<const std::byte> file, const Limits& limits) {
  struct Message {
    std::size_t end;
    Kind kind;
  };
  Scan scan(file);
  std::vector<Message> open{{file.size(), Kind::model}};
  std::int64_t nodes = 0, values = 0, graphs = 0, deepest = 0;
  while (!open.empty()) {
    if (scan.at() >= open.back().end) {
      graphs -= open.back().kind == Kind::graph;
      open.pop_back();
      continue;
    }
    std::uint64_t tag = 0, bytes = 0;
    if (!scan.number(&tag)) return;
    const std::uint64_t wire = tag & 7;
    if (wire == 3) {
      if (!scan.skip_group()) return;
      continue;
    }
    if (wire != 2) {
      if (!scan.skip_value(wire)) return;
      continue;
    }
    if (!scan.number(&bytes) || bytes > open.back().end - std::min(scan.at(), open.back().end)) return;
    const Kind kind = inside(open.back().kind, tag >> 3);
    nodes += kind == Kind::node;
    values += kind != Kind::node && open.back().kind != Kind::model;
    if (kind == Kind::other) {
      if (!scan.skip(bytes)) return;
      continue;
    }
    graphs += kind == Kind::graph;
    deepest = std::max(deepest, graphs - 1);
    open.push_back({scan.at() + static_cast<std::size_t>(bytes), kind});
  }
  check_limit(limits, &Limits::depth, deepest, "bodies of nodes inside one another");
  check_limit(limits, &Limits::nodes, nodes, "nodes in the file");
  // Texts, attributes and declarations of values are counted with the values: some of each belong to a node.
  check_limit(limits, &Limits::values, values / 4, "values in the file");
}

}  // namespace monza
