// Order, reachability and free names of ONNX nodes, before anything is imported.
#include <algorithm>
#include <functional>

#include "base/error.h"
#include "import/onnx/importer.h"

namespace monza {
namespace {

using Names = std::set<std::string, std::less<>>;

/// `defined`: what the bodies around this one define; it is left as it was.
void collect_free(const onnx::GraphProto& body, Names& defined, std::vector<std::string>& found, Names& seen) {
  std::vector<Names::iterator> own;
  const auto define = [&](const std::string& name) {
    if (const auto [at, added] = defined.insert(name); added) own.push_back(at);
  };
  for (const auto& v : body.input()) define(v.name());
  for (const auto& t : body.initializer()) define(t.name());
  for (const auto& t : body.sparse_initializer()) define(t.values().name());
  for (const auto& n : body.node())
    for (const auto& o : n.output()) define(o);
  const auto use = [&](const std::string& name) {
    if (!name.empty() && !defined.contains(name) && seen.insert(name).second) found.push_back(name);
  };
  for (const auto& n : body.node()) {
    for (const auto& i : n.input()) use(i);
    for (const auto& a : n.attribute()) {
      if (a.has_g()) collect_free(a.g(), defined, found, seen);
      for (const auto& g : a.graphs()) collect_free(g, defined, found, seen);
    }
  }
  for (const auto& o : body.output()) use(o.name());
  for (const auto at : own) defined.erase(at);
}

/// A node as errors name it: many exporters leave nodes without a name.
std::string described(const onnx::NodeProto& node) {
  const std::string& name = node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name();
  return fmt::format("{} '{}'", node.op_type(), name);
}

}  // namespace

std::vector<std::string> free_names(const onnx::GraphProto& body) {
  std::vector<std::string> found;
  Names defined, seen;
  collect_free(body, defined, found, seen);
  return found;
}

std::vector<int> onnx_order(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes, const Names& wanted,
                            bool prune) {
  std::map<std::string, int, std::less<>> producer;
  for (int i = 0; i < nodes.size(); ++i)
    for (const auto& o : nodes[i].output())
      if (!o.empty() && !producer.emplace(o, i).second)
        fail("two nodes make the value '{}' ({} and {}), but ONNX allows one", o, described(nodes[producer[o]]),
             described(nodes[i]));

  // What each node reads, captures of its bodies included.
  std::vector<std::vector<int>> reads(static_cast<std::size_t>(nodes.size()));
  for (int i = 0; i < nodes.size(); ++i) {
    const auto read = [&](const std::string& name) {
      if (const auto it = producer.find(name); it != producer.end())
        reads[static_cast<std::size_t>(i)].push_back(it->second);
    };
    for (const auto& name : nodes[i].input()) read(name);
    for (const auto& a : nodes[i].attribute()) {
      if (a.has_g())
        for (const auto& name : free_names(a.g())) read(name);
      for (const auto& g : a.graphs())
        for (const auto& name : free_names(g)) read(name);
    }
  }

  std::vector<int> order;
  std::vector<char> state(static_cast<std::size_t>(nodes.size()), 0);  // 0 new, 1 on the stack, 2 done
  // An explicit stack: the depth of a chain comes from the file.
  struct Frame {
    int node;
    std::size_t next;
  };
  const auto visit = [&](int root) {
    if (state[static_cast<std::size_t>(root)] == 2) return;
    std::vector<Frame> stack{{root, 0}};
    state[static_cast<std::size_t>(root)] = 1;
    while (!stack.empty()) {
      Frame& f = stack.back();
      const auto& in = reads[static_cast<std::size_t>(f.node)];
      if (f.next == in.size()) {
        state[static_cast<std::size_t>(f.node)] = 2;
        order.push_back(f.node);
        stack.pop_back();
        continue;
      }
      const int next = in[f.next++];
      if (state[static_cast<std::size_t>(next)] == 2) continue;
      if (state[static_cast<std::size_t>(next)] == 1) {
        std::string cycle;
        const auto begin = std::find_if(stack.begin(), stack.end(), [&](const Frame& s) { return s.node == next; });
        int shown = 0;
        for (auto it = begin; it != stack.end() && shown < 8; ++it, ++shown)
          cycle += (shown ? " reads " : "") + described(nodes[it->node]);
        fail_hint("the file is broken; export the model again", "the graph has a cycle: {} reads {}", cycle,
                  described(nodes[next]));
      }
      state[static_cast<std::size_t>(next)] = 1;
      stack.push_back({next, 0});
    }
  };
  if (prune) {
    for (const auto& name : wanted)
      if (const auto it = producer.find(name); it != producer.end()) visit(it->second);
    // In file order where that is a topological order, which it nearly always is: plans then follow the model.
    std::vector<int> sorted = order;
    std::sort(sorted.begin(), sorted.end());
    std::vector<int> position(static_cast<std::size_t>(nodes.size()), -1);
    for (std::size_t k = 0; k < sorted.size(); ++k) position[static_cast<std::size_t>(sorted[k])] = static_cast<int>(k);
    const bool topological = std::all_of(sorted.begin(), sorted.end(), [&](int i) {
      return std::all_of(reads[static_cast<std::size_t>(i)].begin(), reads[static_cast<std::size_t>(i)].end(),
                         [&](int r) { return r < i; });
    });
    return topological ? sorted : order;
  }
  for (int i = 0; i < nodes.size(); ++i) visit(i);
  return order;
}

}  // namespace monza
