// Which kernel each node of a region runs, on which device, and how its results lie: the least sum over the whole
// region of measured times and of what lies between one node's writing and the next one's reading: conversions, and
// copies between devices.
//
// Every node is a variable of a CostNetwork. Its values are its candidates on all devices that it may run on, once for
// each form that its results may have where the kernel takes several (pointwise work, concatenations). Views have no
// choice of their own: they lie as what they look at. A value with several readers has a variable too, the set of forms
// and devices it is brought to, so that what two readers share counts once. See
// docs/adr/0008-layouts-over-the-whole-graph.md.
#include "plan/layouts.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "plan/cost_network.h"
#include "plan/layout_costs.h"
#include "plan/layout_labels.h"

namespace monza::plan {
namespace {

/// One region's network.
class LayoutChooser {
 public:
  explicit LayoutChooser(const LayoutQuestion& question)
      : q_(question),
        b_(question.builder),
        facts_(question.facts),
        graph_(question.facts.graph()),
        costs_(question.builder, question.facts, question.candidates) {}
  std::map<ir::NodeId, Assigned> run();

 private:
  /// Where a value lies, for each label of the node that computes what it looks at.
  struct Lies {
    int variable = -1;
    std::vector<Spot> spots;
  };
  struct Reader {
    std::size_t planned;
    std::size_t input;
  };

  void list_places();
  void place_view(const ir::Node& node);
  void add_readers(ir::ValueId value, const std::vector<Reader>& readers);
  void add_concat(const ir::Node& node, const LabelledNode& p);
  void add_host_reads();
  void settle(std::vector<int>& choice);

  const ir::Node& node(const LabelledNode& p) const { return graph_.node(p.node); }
  void add(const std::vector<int>& variables, const std::function<double(const std::vector<int>&)>& cost);
  int new_variable(std::size_t labels) { return labels > 1 ? network_.add_variable(static_cast<int>(labels)) : -1; }

  const LayoutQuestion& q_;
  const PlanBuilder& b_;
  const RegionFacts& facts_;
  const ir::Graph& graph_;
  const LayoutCosts costs_;
  CostNetwork network_;
  NodeLabels labels_;
  std::map<ir::ValueId, Lies> lies_;
};

/// Adds a table over the variables that are real (not -1), each once; `cost` sees a label for all.
void LayoutChooser::add(const std::vector<int>& variables, const std::function<double(const std::vector<int>&)>& cost) {
  std::vector<int> real;
  std::vector<std::size_t> at(variables.size());
  for (std::size_t i = 0; i < variables.size(); ++i) {
    if (variables[i] < 0) continue;
    const auto found = std::find(real.begin(), real.end(), variables[i]);
    at[i] = static_cast<std::size_t>(found - real.begin());
    if (found == real.end()) real.push_back(variables[i]);
  }
  if (real.empty()) return;
  std::vector<int> labels(variables.size(), 0);
  network_.add(real, [&](const std::vector<int>& choice) {
    for (std::size_t i = 0; i < variables.size(); ++i)
      if (variables[i] >= 0) labels[i] = choice[at[i]];
    return cost(labels);
  });
}

/// Labels with forms, variables, and where every value lies under them.
void LayoutChooser::list_places() {
  for (const ir::ValueId v : graph_.inputs())
    if (const auto it = q_.inputs.find(v); it != q_.inputs.end())
      lies_[v] = {-1, {{it->second, b_.storage(it->second.storage).device}}};
  for (const ir::NodeId id : graph_.order()) {
    if (!facts_.is_needed(id)) continue;
    const ir::Node& n = graph_.node(id);
    const auto found = labels_.index.find(id);
    if (found == labels_.index.end()) {
      if (has(n.op->flags, ir::OpFlag::control))
        for (const ir::ValueId v : n.outputs) lies_[v] = {-1, {{form_place(Port::dense, costs_.shape(v)), 0}}};
      else place_view(n);
      continue;
    }
    LabelledNode& p = labels_.nodes[found->second];
    const ir::SymShape& out = costs_.shape(n.outputs[0]);
    std::vector<Label> labels;
    for (const Label& label : p.labels) {
      const bool uniform = label.kernel != nullptr && label.kernel->out[0] == Port::uniform;
      bool free = label.kernel == nullptr ? !q_.targets.places.contains(n.outputs[0]) : uniform;
      for (std::size_t i = 0; i < n.inputs.size() && label.kernel != nullptr; ++i)
        free |= n.inputs[i] != ir::kNone && costs_.keeps_order(n, label, i);
      for (const Port form : kForms) {
        if (form != Port::dense && (!free || out.size() < 3)) break;
        // Blocks with a padded tail have gaps, which uniform kernels would compute on.
        if (is_blocked(form) && (!labels_.in_play.contains({label.device, form}) ||
                                 !(uniform ? is_gap_free(form_place(form, out), out)
                                           : label.kernel == nullptr && costs_.joins_blocks(n, form))))
          continue;
        labels.push_back({label.kernel, label.device, form, label.us});
      }
    }
    p.labels = std::move(labels);
    p.variable = new_variable(p.labels.size());
    add({p.variable}, [&](const std::vector<int>& c) { return p.labels[static_cast<std::size_t>(c[0])].us; });
    for (std::size_t o = 0; o < n.outputs.size(); ++o) {
      Lies lies{p.variable, {}};
      for (const Label& label : p.labels) {
        Port form = label.form;
        if (label.kernel != nullptr && label.kernel->out[static_cast<int>(o)] != Port::uniform &&
            !(o == 0 && label.kernel->out[0] == Port::strided))
          form = wanted(label.kernel->out[static_cast<int>(o)], label.form);
        lies.spots.push_back({form_place(form, costs_.shape(n.outputs[o])), label.device});
      }
      // A model output is dense, and the host's: written so, or brought there at the end.
      if (q_.targets.places.contains(n.outputs[o]))
        add({p.variable}, [&](const std::vector<int>& c) {
          const Spot& spot = lies.spots[static_cast<std::size_t>(c[0])];
          if (spot.device == 0 && is_dense(spot.place, costs_.shape(n.outputs[o]))) return 0.0;
          return costs_.delivery(n.outputs[o], spot, {{0, Port::dense}});
        });
      lies_[n.outputs[o]] = std::move(lies);
    }
  }
}

void LayoutChooser::place_view(const ir::Node& n) {
  for (const ir::Alias& alias : facts_.aliases(n)) {
    const ir::ValueId in = n.inputs[static_cast<std::size_t>(alias.input)],
                      out = n.outputs[static_cast<std::size_t>(alias.output)];
    const auto from = lies_.find(in);
    if (from == lies_.end()) continue;  // of a constant
    Lies lies{from->second.variable, {}};
    std::vector<double> us;
    for (const Spot& spot : from->second.spots) {
      auto view = view_of(spot.place, costs_.shape(in), costs_.shape(out), alias);
      us.push_back(view ? 0 : costs_.conversion(in, spot.place, Port::dense, spot.device));
      if (!view) view = view_of(form_place(Port::dense, costs_.shape(in)), costs_.shape(in), costs_.shape(out), alias);
      lies.spots.push_back({view ? *view : form_place(Port::dense, costs_.shape(out)), spot.device});
    }
    if (alias.output == 0)
      add({lies.variable}, [&](const std::vector<int>& c) { return us[static_cast<std::size_t>(c[0])]; });
    lies_[out] = std::move(lies);
  }
}

void LayoutChooser::add_readers(ir::ValueId value, const std::vector<Reader>& readers) {
  const Lies& lies = lies_.at(value);
  const ir::SymShape& of = costs_.shape(value);
  if (readers.size() == 1) {
    const LabelledNode& p = labels_.nodes[readers[0].planned];
    const std::size_t i = readers[0].input;
    add({lies.variable, p.variable}, [&](const std::vector<int>& c) {
      const Spot& spot = lies.spots[static_cast<std::size_t>(c[0])];
      const Label& label = p.labels[static_cast<std::size_t>(c[1])];
      if (costs_.takes(label, i, spot, of)) return costs_.gather(node(p), label, i, spot.place);
      return costs_.delivery(value, spot, {costs_.wanted_by(label, i)});
    });
    return;
  }
  // Sets of what the value is brought to: none, one or two of those that a reader may want.
  std::set<Target> targets;
  for (const Reader& r : readers)
    for (const Label& label : labels_.nodes[r.planned].labels)
      for (const Spot& spot : lies.spots)
        if (!costs_.takes(label, r.input, spot, of)) targets.insert(costs_.wanted_by(label, r.input));
  std::vector<std::vector<Target>> sets{{}};
  for (const Target& a : targets) sets.push_back({a});
  for (const Target& a : targets)
    for (const Target& b : targets)
      if (a < b) sets.push_back({a, b});
  const int converted = new_variable(sets.size());
  add({lies.variable, converted}, [&](const std::vector<int>& c) {
    return costs_.delivery(value, lies.spots[static_cast<std::size_t>(c[0])], sets[static_cast<std::size_t>(c[1])]);
  });
  for (const Reader& r : readers) {
    const LabelledNode& p = labels_.nodes[r.planned];
    add({lies.variable, converted, p.variable}, [&](const std::vector<int>& c) {
      const Spot& spot = lies.spots[static_cast<std::size_t>(c[0])];
      const Label& label = p.labels[static_cast<std::size_t>(c[2])];
      if (costs_.takes(label, r.input, spot, of)) return costs_.gather(node(p), label, r.input, spot.place);
      for (const Target& t : sets[static_cast<std::size_t>(c[1])])
        if (costs_.takes(label, r.input, {form_place(t.form, of), t.device}, of)) return 0.0;
      return CostNetwork::kForbidden;
    });
  }
}

/// What does not lie in the buffer in its form is copied there.
void LayoutChooser::add_concat(const ir::Node& n, const LabelledNode& p) {
  for (const ir::ValueId v : n.inputs) {
    const auto found = lies_.find(v);
    if (found == lies_.end()) continue;
    const auto claimed = [&](ir::ValueId part) {
      const auto it = q_.targets.parts.find(part);
      return it != q_.targets.parts.end() && it->second.concat == n.id;
    };
    const ir::Node* producer = graph_.producer(v);
    const bool inside =
        claimed(v) || (producer != nullptr && facts_.is_view_node(*producer) && claimed(producer->inputs[0]));
    add({found->second.variable, p.variable}, [&](const std::vector<int>& c) {
      const Spot& spot = found->second.spots[static_cast<std::size_t>(c[0])];
      const Label& label = p.labels[static_cast<std::size_t>(c[1])];
      const Port form = label.form;
      const bool same = is_blocked(form)              ? spot.place.layout == form_place(form, costs_.shape(v)).layout
                        : form == Port::channels_last ? is_channels_last(spot.place, costs_.shape(v))
                                                      : is_dense(spot.place, costs_.shape(v));
      return inside && same && spot.device == label.device ? 0 : costs_.delivery(v, spot, {{label.device, form}});
    });
  }
}

/// What the host looks into is brought there: conditions, what a loop reads, elements that extents depend on.
void LayoutChooser::add_host_reads() {
  if (b_.plan.devices.size() == 1) return;
  std::set<ir::ValueId> read;
  for (const auto& [value, elements] : facts_.elements()) read.insert(value);
  for (const ir::NodeId id : graph_.order())
    if (const ir::Node& n = graph_.node(id); facts_.is_needed(id) && has(n.op->flags, ir::OpFlag::control))
      read.insert(n.inputs.begin(), n.inputs.end());
  for (const ir::ValueId v : read) {
    const auto found = lies_.find(v);
    if (found == lies_.end()) continue;
    add({found->second.variable}, [&](const std::vector<int>& c) {
      const Spot& spot = found->second.spots[static_cast<std::size_t>(c[0])];
      return spot.device == 0 ? 0 : costs_.delivery(v, spot, {{0, Port::dense}});
    });
  }
}

/// Ties within 2 % of a kernel's time go by the order of the list.
void LayoutChooser::settle(std::vector<int>& choice) {
  for (const LabelledNode& p : labels_.nodes) {
    if (p.variable < 0) continue;
    int& value = choice[static_cast<std::size_t>(p.variable)];
    const int best = value;
    const double least = network_.cost_around(p.variable, choice);
    for (value = 0; value < best; ++value)
      if (network_.cost_around(p.variable, choice) - least <= 0.02 * p.labels[static_cast<std::size_t>(value)].us)
        break;
  }
}

std::map<ir::NodeId, Assigned> LayoutChooser::run() {
  labels_ = label_nodes(q_);
  // Without a single time there is nothing to weigh: as a plan that is not tuned.
  if (!labels_.timed) return {};
  list_places();
  std::map<ir::ValueId, std::vector<Reader>> readers;
  for (std::size_t k = 0; k < labels_.nodes.size(); ++k) {
    const ir::Node& n = node(labels_.nodes[k]);
    if (labels_.nodes[k].labels[0].kernel == nullptr) {
      add_concat(n, labels_.nodes[k]);
      continue;
    }
    for (std::size_t i = 0; i < n.inputs.size(); ++i)
      if (n.inputs[i] != ir::kNone && lies_.contains(n.inputs[i]) && reads_elements(n, i) &&
          graph_.value(n.inputs[i]).type.kind == ir::ValueKind::tensor)
        readers[n.inputs[i]].push_back({k, i});
  }
  for (const auto& [value, list] : readers) add_readers(value, list);
  add_host_reads();
  std::vector<int> choice = network_.minimise();
  settle(choice);
  log(LogLevel::debug, "layouts: {} nodes, {} variables, {:.1f} us", labels_.nodes.size(), network_.variables(),
      network_.cost(choice));
  std::map<ir::NodeId, Assigned> assigned;
  for (LabelledNode& p : labels_.nodes) {
    const Label& label =
        p.labels[p.variable < 0 ? 0 : static_cast<std::size_t>(choice[static_cast<std::size_t>(p.variable)])];
    assigned[p.node] = {{label.kernel, label.device}, label.form, std::move(p.choice)};
  }
  return assigned;
}

}  // namespace

std::map<ir::NodeId, Assigned> choose_layouts(const LayoutQuestion& question) { return LayoutChooser(question).run(); }

}  // namespace monza::plan
