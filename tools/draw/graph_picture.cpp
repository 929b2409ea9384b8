// Drawing in layers after Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System
// Structures" (1981): layers by longest path, invisible nodes where an edge crosses a layer, order by barycentres,
// coordinates by the mean of the neighbours.
#include "tools/draw/graph_picture.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "engine/explain.h"
#include "ir/op.h"
#include "tools/draw/svg.h"

namespace monza::tool {
namespace {

constexpr double kBoxHeight = 52, kLayerGap = 30, kSideGap = 18, kMargin = 16;
constexpr std::size_t kLongestTitle = 26, kLongestName = 34;
/// Invisible nodes on long edges; above that, edges run straight.
constexpr std::size_t kMostBends = 40'000;

struct Vertex {
  std::size_t layer = 0;
  double width = 0, x = 0;            ///< x of the middle
  std::vector<std::size_t> up, down;  ///< neighbours in the layer above and below
};

class Layout {
 public:
  Layout(const std::vector<DrawnNode>& nodes, const std::vector<DrawnEdge>& edges)
      : edges_(edges), boxes_(nodes.size()) {
    vertices_.resize(nodes.size());
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      // The lower lines are set smaller.
      const std::size_t longest =
          std::min(kLongestTitle,
                   std::max({nodes[i].title.size(), nodes[i].subtitle.size() * 9 / 10, nodes[i].name.size() * 3 / 4}));
      vertices_[i].width = 22 + 7.2 * static_cast<double>(longest);
    }
    assign_layers(nodes.size());
    split_edges();
    order_layers();
    place();
  }
  const Vertex& vertex(std::size_t i) const { return vertices_[i]; }
  /// The vertices that an edge passes, its ends included.
  const std::vector<std::size_t>& route(std::size_t edge) const { return routes_[edge]; }
  double top(std::size_t layer) const { return kMargin + static_cast<double>(layer) * (kBoxHeight + kLayerGap); }
  double width() const { return width_; }
  double height() const {
    return kMargin * 2 + static_cast<double>(layers_.size()) * (kBoxHeight + kLayerGap) - kLayerGap;
  }

 private:
  void assign_layers(std::size_t count) {
    std::vector<std::vector<std::size_t>> out(count);
    std::vector<int> waiting(count, 0);
    for (std::size_t e = 0; e < edges_.size(); ++e) {
      out[edges_[e].from].push_back(e);
      ++waiting[edges_[e].to];
    }
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < count; ++i)
      if (waiting[i] == 0) ready.push_back(i);
    forward_.assign(edges_.size(), false);
    std::vector<std::size_t> order;
    for (std::size_t k = 0; k < ready.size(); ++k) {
      order.push_back(ready[k]);
      for (const std::size_t e : out[ready[k]]) {
        forward_[e] = true;
        Vertex& to = vertices_[edges_[e].to];
        to.layer = std::max(to.layer, vertices_[ready[k]].layer + 1);
        if (--waiting[edges_[e].to] == 0) ready.push_back(edges_[e].to);
      }
    }
    // What only feeds one place stands just above it, not at the top.
    for (auto it = order.rbegin(); it != order.rend(); ++it) {
      std::size_t least = SIZE_MAX;
      for (const std::size_t e : out[*it]) least = std::min(least, vertices_[edges_[e].to].layer);
      const bool source = std::none_of(edges_.begin(), edges_.end(), [&](const DrawnEdge& e) { return e.to == *it; });
      if (source && least != SIZE_MAX && least > 0) vertices_[*it].layer = least - 1;
    }
  }

  void split_edges() {
    routes_.resize(edges_.size());
    std::size_t bends = 0;
    for (std::size_t e = 0; e < edges_.size(); ++e) {
      const std::size_t from = edges_[e].from, to = edges_[e].to;
      routes_[e] = {from};
      if (forward_[e] && vertices_[to].layer > vertices_[from].layer) {
        std::size_t above = from;
        const std::size_t span = vertices_[to].layer - vertices_[from].layer - 1;
        if (bends + span <= kMostBends) {
          bends += span;
          for (std::size_t layer = vertices_[from].layer + 1; layer < vertices_[to].layer; ++layer) {
            Vertex bend;
            bend.layer = layer;
            bend.width = 8;
            bend.up = {above};
            vertices_.push_back(bend);
            vertices_[above].down.push_back(vertices_.size() - 1);
            above = vertices_.size() - 1;
            routes_[e].push_back(above);
          }
          vertices_[above].down.push_back(to);
          vertices_[to].up.push_back(above);
        }
      }
      routes_[e].push_back(to);
    }
    std::size_t last = 0;
    for (const Vertex& v : vertices_) last = std::max(last, v.layer);
    layers_.resize(vertices_.empty() ? 0 : last + 1);
    for (std::size_t i = 0; i < vertices_.size(); ++i) layers_[vertices_[i].layer].push_back(i);
  }

  void order_layers() {
    std::vector<double> position(vertices_.size());
    const auto number = [&](const std::vector<std::size_t>& layer) {
      for (std::size_t k = 0; k < layer.size(); ++k) position[layer[k]] = static_cast<double>(k);
    };
    for (const auto& layer : layers_) number(layer);
    const auto sweep = [&](std::vector<std::size_t>& layer, bool down) {
      std::vector<std::pair<double, std::size_t>> keyed;
      for (const std::size_t v : layer) {
        const auto& near = down ? vertices_[v].up : vertices_[v].down;
        double sum = 0;
        for (const std::size_t n : near) sum += position[n];
        keyed.emplace_back(near.empty() ? position[v] : sum / static_cast<double>(near.size()), v);
      }
      std::stable_sort(keyed.begin(), keyed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
      for (std::size_t k = 0; k < keyed.size(); ++k) layer[k] = keyed[k].second;
      number(layer);
    };
    for (int round = 0; round < 8; ++round) {
      for (std::size_t l = 1; l < layers_.size(); ++l) sweep(layers_[l], true);
      for (std::size_t l = layers_.size(); l-- > 1;) sweep(layers_[l - 1], false);
    }
  }

  void place() {
    for (const auto& layer : layers_) {
      double x = 0;
      for (const std::size_t v : layer) {
        vertices_[v].x = x + vertices_[v].width / 2;
        x += vertices_[v].width + kSideGap;
      }
    }
    for (int round = 0; round < 12; ++round) {
      for (std::size_t l = 1; l < layers_.size(); ++l) pull(layers_[l], true);
      for (std::size_t l = layers_.size(); l-- > 1;) pull(layers_[l - 1], false);
    }
    double left = 0, right = 0;
    for (std::size_t i = 0; i < vertices_.size(); ++i) {
      const Vertex& v = vertices_[i];
      left = i == 0 ? v.x - v.width / 2 : std::min(left, v.x - v.width / 2);
      right = std::max(right, v.x + v.width / 2);
    }
    for (Vertex& v : vertices_) v.x += kMargin - left;
    width_ = right - left + 2 * kMargin;
  }

  /// Moves a layer's vertices towards the mean of their neighbours, keeping their order and gaps. Boxes come first,
  /// each drawn by other boxes, so that chains stay straight; the bends of edges take the room that is left.
  void pull(const std::vector<std::size_t>& layer, bool down) {
    std::vector<double> wish(layer.size()), at(layer.size(), 0);  // at: of the middle, from the layer's first vertex
    std::vector<std::size_t> boxes;
    for (std::size_t k = 0; k < layer.size(); ++k) {
      if (k > 0) at[k] = at[k - 1] + (vertices_[layer[k - 1]].width + vertices_[layer[k]].width) / 2 + kSideGap;
      wish[k] = wish_of(layer[k], down);
      if (is_box(layer[k])) boxes.push_back(k);
    }
    // The mean of the placements from the left and from the right.
    std::vector<double> low(boxes.size()), high(boxes.size());
    for (std::size_t i = 0; i < boxes.size(); ++i) low[i] = high[i] = wish[boxes[i]];
    for (std::size_t i = 1; i < boxes.size(); ++i)
      low[i] = std::max(low[i], low[i - 1] + at[boxes[i]] - at[boxes[i - 1]]);
    for (std::size_t i = boxes.size(); i-- > 1;)
      high[i - 1] = std::min(high[i - 1], high[i] - at[boxes[i]] + at[boxes[i - 1]]);
    for (std::size_t i = 0; i < boxes.size(); ++i) vertices_[layer[boxes[i]]].x = (low[i] + high[i]) / 2;
    std::size_t next = 0;  // the first box at or behind k
    for (std::size_t k = 0; k < layer.size(); ++k) {
      while (next < boxes.size() && boxes[next] < k) ++next;
      if (is_box(layer[k])) continue;
      double x = wish[k];
      if (next < boxes.size()) x = std::min(x, vertices_[layer[boxes[next]]].x - (at[boxes[next]] - at[k]));
      if (k > 0) x = std::max(x, vertices_[layer[k - 1]].x + (at[k] - at[k - 1]));
      vertices_[layer[k]].x = x;
    }
  }
  bool is_box(std::size_t vertex) const { return vertex < boxes_; }
  double wish_of(std::size_t vertex, bool down) const {
    const Vertex& v = vertices_[vertex];
    const auto& near = down ? v.up : v.down;
    const bool any = std::any_of(near.begin(), near.end(), [&](std::size_t n) { return is_box(n); });
    double sum = 0, count = 0;
    for (const std::size_t n : near)
      if (!any || !is_box(vertex) || is_box(n)) {
        sum += vertices_[n].x;
        ++count;
      }
    return count > 0 ? sum / count : v.x;
  }

  const std::vector<DrawnEdge>& edges_;
  std::size_t boxes_;
  std::vector<Vertex> vertices_;  ///< the nodes, then the bends of edges
  std::vector<bool> forward_;
  std::vector<std::vector<std::size_t>> routes_, layers_;
  double width_ = 0;
};

/// The ONNX node that a node computes, "+ 2" for others that it computes as well.
std::string name_of(const ir::Graph& graph, const ir::Node& node) {
  const auto& origins = graph.model().origins;
  std::string name;
  std::size_t others = 0;
  for (const std::uint32_t o : node.origins) {
    if (o >= origins.size() || !is_node(origins[o])) continue;
    if (name.empty()) name = origins[o].name;
    else ++others;
  }
  return others > 0 ? shortened(name, kLongestName - 4) + fmt::format(" + {}", others) : name;
}

}  // namespace

std::string draw_graph(const std::vector<DrawnNode>& nodes, const std::vector<DrawnEdge>& edges) {
  const Layout layout(nodes, edges);
  Svg svg(std::max(layout.width(), 80.0), std::max(layout.height(), 40.0));
  for (std::size_t e = 0; e < edges.size(); ++e) {
    const auto& route = layout.route(e);
    const Vertex& first = layout.vertex(route[0]);
    std::string d = fmt::format("M{:.1f} {:.1f}", first.x, layout.top(first.layer) + kBoxHeight);
    double y = layout.top(first.layer) + kBoxHeight, x = first.x;
    for (std::size_t k = 1; k < route.size(); ++k) {
      const Vertex& v = layout.vertex(route[k]);
      const double to = layout.top(v.layer), middle = (y + to) / 2;
      d += fmt::format("C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}", x, middle, v.x, middle, v.x, to);
      x = v.x;
      y = to;
      if (k + 1 == route.size()) break;
      y += kBoxHeight;
      d += fmt::format("L{:.1f} {:.1f}", x, y);
    }
    svg.path(d, "fill:none;stroke:#8a8f98;stroke-width:1.1");
    svg.path(fmt::format("M{:.1f} {:.1f}l-3.5 -6h7z", x, y), "fill:#8a8f98");
  }
  // Colours in the order in which kinds appear, so that the first dozen differ; inputs and outputs are plain.
  std::map<std::string, std::string> colours = {{"input", "#ffffff"}, {"output", "#ffffff"}};
  for (const DrawnNode& n : nodes) colours.try_emplace(n.kind, colour_at(colours.size() - 2));
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Vertex& v = layout.vertex(i);
    const double left = v.x - v.width / 2, top = layout.top(v.layer);
    svg.begin_group("box", nodes[i].details);
    svg.rect(left, top, v.width, kBoxHeight, "fill:" + colours[nodes[i].kind] + ";stroke:#5a5f68;stroke-width:0.8", {},
             5);
    const int lines = 1 + (nodes[i].subtitle.empty() ? 0 : 1) + (nodes[i].name.empty() ? 0 : 1);
    double y = top + (lines == 3 ? 16 : lines == 2 ? 23 : 30);
    svg.text(v.x, y, shortened(nodes[i].title, kLongestTitle), "font-weight:600", "middle");
    if (!nodes[i].subtitle.empty())
      svg.text(v.x, y += 14, shortened(nodes[i].subtitle, kLongestTitle + 3), "font-size:10.5px;fill:#333", "middle");
    if (!nodes[i].name.empty())
      svg.text(v.x, y + 14, shortened(nodes[i].name, kLongestName), "font-size:9.5px;fill:#333", "middle");
    svg.end_group();
  }
  return svg.str();
}

std::string draw_graph(const ir::Graph& graph) {
  std::vector<DrawnNode> nodes;
  std::vector<DrawnEdge> edges;
  std::map<ir::ValueId, std::size_t> made_by;
  for (const ir::ValueId id : graph.inputs()) {
    const ir::Value& v = graph.value(id);
    made_by[id] = nodes.size();
    nodes.push_back({v.name, ir::to_string(v.type), "", "input " + v.name + " " + ir::to_string(v.type), "input"});
  }
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& n = graph.node(id);
    DrawnNode box;
    box.title = n.op->name;
    box.kind = n.op->name;
    box.details = ir::describe(graph, n);
    box.name = name_of(graph, n);
    for (const ir::ValueId v : n.outputs) {
      const std::string type = ir::to_string(graph.value(v).type);
      if (box.subtitle.empty()) box.subtitle = type;
      box.details += "\n-> " + graph.value(v).name + " " + type;
    }
    for (const ir::ValueId v : n.inputs)
      if (v != ir::kNone && graph.value(v).constant)
        box.details += "\nconstant " + graph.value(v).name + " " + ir::to_string(graph.value(v).type);
    if (!n.bodies.empty())
      box.title += fmt::format(" ({} {})", n.bodies.size(), n.bodies.size() == 1 ? "body" : "bodies");
    std::vector<std::size_t> from;
    for (const ir::ValueId v : n.inputs)
      if (const auto it = made_by.find(v); it != made_by.end()) from.push_back(it->second);
    std::sort(from.begin(), from.end());
    from.erase(std::unique(from.begin(), from.end()), from.end());
    for (const std::size_t f : from) edges.push_back({f, nodes.size(), ""});
    for (const ir::ValueId v : n.outputs) made_by[v] = nodes.size();
    nodes.push_back(std::move(box));
  }
  for (const auto& o : graph.outputs()) {
    if (const auto it = made_by.find(o.value); it != made_by.end()) edges.push_back({it->second, nodes.size(), ""});
    const std::string type = ir::to_string(graph.value(o.value).type);
    nodes.push_back({o.name, type, "", "output " + o.name + " " + type, "output"});
  }
  return draw_graph(nodes, edges);
}

}  // namespace monza::tool
