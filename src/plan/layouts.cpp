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
#include "kernel/ports.h"
#include "plan/cost_network.h"
#include "plan/tactics.h"
#include "tensor/storage.h"

namespace monza::plan {
namespace {

/// The form that a port asks for when what lies there does not do; `own` for uniform operands.
Port wanted(Port port, Port own) {
  if (port == Port::uniform) return own;
  return port == Port::channels_last || is_blocked(port) ? port : Port::dense;
}

/// A candidate of a node.
struct Label {
  const Kernel* kernel = nullptr;  ///< null for a concatenation
  int device = 0;
  Port form = Port::dense;  ///< of uniform operands, of strided results, of a concatenation's buffer
  double us = 0;
};

/// Where a value lies.
struct Spot {
  Place place;
  int device = 0;
};

/// Where a value is wanted, and how.
struct Target {
  int device = 0;
  Port form = Port::dense;
  friend auto operator<=>(const Target&, const Target&) = default;
};

}  // namespace

/// One region's network.
class LayoutChooser {
 public:
  explicit LayoutChooser(const LayoutQuestion& question)
      : q_(question), b_(question.builder), facts_(question.facts), graph_(question.facts.graph()) {}
  std::map<ir::NodeId, Assigned> run();

 private:
  struct Planned {
    ir::NodeId node = ir::kNone;
    int variable = -1;  ///< -1: one label only
    std::vector<Label> labels;
    Choice choice;
  };
  /// Where a value lies, for each label of the node that computes what it looks at.
  struct Lies {
    int variable = -1;
    std::vector<Spot> spots;
  };
  struct Reader {
    std::size_t planned;
    std::size_t input;
  };

  void list_kernels();
  void time_kernels(Planned& p);
  void list_places();
  void place_view(const ir::Node& node);
  void add_readers(ir::ValueId value, const std::vector<Reader>& readers);
  void add_concat(const ir::Node& node, const Planned& p);
  void add_host_reads();
  void settle(std::vector<int>& choice);

  const ir::Node& node(const Planned& p) const { return graph_.node(p.node); }
  /// Of what lies in memory: a sequence or optional is one handle, whatever its tensors are.
  const ir::SymShape& shape(ir::ValueId v) const {
    static const ir::SymShape kScalar;
    const ir::Type& type = graph_.value(v).type;
    return stored_type(type).dtype == DType::handle ? kScalar : type.shape;
  }
  bool joins_blocks(const ir::Node& node, Port form) const;
  bool takes(const Label& label, std::size_t input, const Spot& spot, const ir::SymShape& of) const;
  static Target wanted_by(const Label& label, std::size_t input) {
    return {label.device, wanted(label.kernel->in[static_cast<int>(input)], label.form)};
  }
  double conversion(ir::ValueId value, const Place& from, Port to, int device);
  double transfer(ir::ValueId value, int from, int to);
  double delivery(ir::ValueId value, const Spot& from, const std::vector<Target>& to);
  double gather(const ir::Node& node, const Label& label, std::size_t input, const Place& from);
  bool keeps_order(const ir::Node& node, const Label& label, std::size_t input) const;
  void add(const std::vector<int>& variables, const std::function<double(const std::vector<int>&)>& cost);
  int new_variable(std::size_t labels) { return labels > 1 ? network_.add_variable(static_cast<int>(labels)) : -1; }

  const LayoutQuestion& q_;
  const PlanBuilder& b_;
  const RegionFacts& facts_;
  const ir::Graph& graph_;
  CostNetwork network_;
  std::vector<Planned> planned_;
  std::map<ir::NodeId, std::size_t> index_;
  std::set<std::pair<int, Port>> in_play_;  ///< device, and a blocked form that some candidate there reads or writes
  std::map<ir::ValueId, Lies> lies_;
  bool timed_ = false;
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

/// What rearranging a value costs on the device where it lies.
double LayoutChooser::conversion(ir::ValueId value, const Place& from, Port to, int device) {
  const TypedShape type = facts_.type_of(value);
  // Between blocks of 8 and of 16 no kernel copies at speed: not worth the time to measure it.
  if (is_blocked(to) && from.layout != Layout::strided && form_of(from, type.shape) != to)
    return static_cast<double>(storage_bytes(type.dtype, b_.largest(type.shape))) / 100;
  const Kernel& copy = q_.candidates.copy_kernel(from.layout, form_place(to, type.shape).layout, type, device);
  return b_.scope.tactics->conversion_us(copy, b_.kind_of(device), type.dtype, b_.largest(type.shape),
                                         form_of(from, type.shape), to);
}

/// What copying the dense value from one device to another costs: by way of the host.
double LayoutChooser::transfer(ir::ValueId value, int from, int to) {
  const TypedShape type = facts_.type_of(value);
  double us = 0;
  for (const int device : {from, to})
    if (device != 0)
      us += b_.scope.tactics->transfer_us(b_.kind_of(device), device == to, type.dtype, b_.largest(type.shape));
  return us;
}

/// What bringing a value to all of these costs: to each device once, and converted there.
double LayoutChooser::delivery(ir::ValueId value, const Spot& from, const std::vector<Target>& to) {
  const ir::SymShape& of = shape(value);
  double us = 0;
  std::set<int> reached;
  for (const Target& t : to) {
    if (t.device == from.device) {
      us += conversion(value, from.place, t.form, t.device);
      continue;
    }
    // Copies are of dense elements.
    if (reached.empty() && !is_dense(from.place, of)) us += conversion(value, from.place, Port::dense, from.device);
    if (reached.insert(t.device).second) us += transfer(value, from.device, t.device);
    if (t.form != Port::dense) us += conversion(value, form_place(Port::dense, of), t.form, t.device);
  }
  return us;
}

bool LayoutChooser::takes(const Label& label, std::size_t input, const Spot& spot, const ir::SymShape& of) const {
  if (spot.device != label.device) return false;
  const Port port = label.kernel->in[static_cast<int>(input)];
  if (port != Port::uniform) return satisfies(port, spot.place, of);
  return is_gap_free(spot.place, of) && same_form(spot.place, form_place(label.form, of), of);
}

/// Whether every input of a concatenation of channels begins a block, so that each can lie in a blocked buffer.
bool LayoutChooser::joins_blocks(const ir::Node& node, Port form) const {
  const std::int64_t block = block_of(layout_of(form));
  const auto& list = facts_.aliases(node);
  for (const ir::Alias& a : list)
    for (std::size_t k = 0; k < a.start.size(); ++k)
      if (const auto start = a.start[k].try_constant();
          !start || *start % (k == 1 ? block : 1) != 0 || (k != 1 && *start != 0))
        return false;
  return shape(node.inputs[0])[1].is_constant();
}

/// Pointwise work on any strides that writes in the order of this input, or gathers.
bool LayoutChooser::keeps_order(const ir::Node& node, const Label& label, std::size_t input) const {
  return label.kernel->out[0] == Port::strided && label.kernel->in[static_cast<int>(input)] == Port::strided &&
         input < 32 && (label.kernel->in_place_inputs >> input & 1u) != 0 &&
         shape(node.inputs[input]) == shape(node.outputs[0]);
}

/// What reading an input in another order than the result is written in costs.
double LayoutChooser::gather(const ir::Node& node, const Label& label, std::size_t input, const Place& from) {
  if (!keeps_order(node, label, input)) return 0;
  const ir::SymShape& of = shape(node.inputs[input]);
  const Place own = form_place(label.form, of);
  const bool same = label.form == Port::channels_last ? is_channels_last(from, of) : same_form(from, own, of);
  return same ? 0 : conversion(node.inputs[input], from, label.form, label.device);
}

void LayoutChooser::time_kernels(Planned& p) {
  std::vector<Label> timed;
  bool all = true;
  for (const Label& label : p.labels) {
    Question q;
    q_.candidates.ask(q, node(p), *label.kernel);
    const auto us = b_.scope.tactics->time(*label.kernel, q.query, b_.kind_of(label.device));
    all &= us.has_value();
    if (!us) continue;
    p.choice.timed.emplace_back(q_.candidates.name_of(node(p), {label.kernel, label.device}), *us);
    // Of kernels that read and write the same way the faster is better everywhere; ties go by the list's order.
    const auto same = std::find_if(timed.begin(), timed.end(), [&](const Label& other) {
      if (other.device != label.device) return false;
      for (std::size_t i = 0; i < node(p).inputs.size(); ++i)
        if (other.kernel->in[static_cast<int>(i)] != label.kernel->in[static_cast<int>(i)]) return false;
      for (std::size_t i = 0; i < node(p).outputs.size(); ++i)
        if (other.kernel->out[static_cast<int>(i)] != label.kernel->out[static_cast<int>(i)]) return false;
      return true;
    });
    const Label with_time{label.kernel, label.device, label.form, *us};
    if (same == timed.end()) timed.push_back(with_time);
    else if (*us < 0.98 * same->us) *same = with_time;
  }
  // Out of time: the order of the list decides.
  if (!all) timed.clear();
  if (timed.empty()) p.labels.resize(1);
  else p.labels = std::move(timed);
  timed_ |= all;
}

void LayoutChooser::list_kernels() {
  for (const ir::NodeId id : graph_.order()) {
    if (!facts_.is_needed(id)) continue;
    const ir::Node& n = graph_.node(id);
    const bool concat = facts_.is_concat(n);
    if (has(n.op->flags, ir::OpFlag::control) || (!concat && facts_.is_view_node(n))) continue;
    Planned p;
    p.node = id;
    if (concat) {
      for (const int device : facts_.devices_of(n)) p.labels.push_back({nullptr, device});
    } else {
      // The reference is there to be right, not fast: on a device it runs only when nothing else can.
      std::set<int> served;
      for (const Candidate& c : q_.candidates.fitting(n, p.choice))
        if (served.insert(c.device).second || !c.kernel->reference) p.labels.push_back({c.kernel, c.device});
      if (p.labels.size() > 1) time_kernels(p);
      for (const Label& label : p.labels) {
        const auto play = [&](Port port) {
          if (is_blocked(port)) in_play_.emplace(label.device, port);
        };
        for (std::size_t i = 0; i < n.inputs.size(); ++i) play(label.kernel->in[static_cast<int>(i)]);
        for (std::size_t i = 0; i < n.outputs.size(); ++i) play(label.kernel->out[static_cast<int>(i)]);
      }
    }
    index_.emplace(id, planned_.size());
    planned_.push_back(std::move(p));
  }
}

/// Labels with forms, variables, and where every value lies under them.
void LayoutChooser::list_places() {
  for (const ir::ValueId v : graph_.inputs())
    if (const auto it = q_.inputs.find(v); it != q_.inputs.end())
      lies_[v] = {-1, {{it->second, b_.storage(it->second.storage).device}}};
  for (const ir::NodeId id : graph_.order()) {
    if (!facts_.is_needed(id)) continue;
    const ir::Node& n = graph_.node(id);
    const auto found = index_.find(id);
    if (found == index_.end()) {
      if (has(n.op->flags, ir::OpFlag::control))
        for (const ir::ValueId v : n.outputs) lies_[v] = {-1, {{form_place(Port::dense, shape(v)), 0}}};
      else place_view(n);
      continue;
    }
    Planned& p = planned_[found->second];
    const ir::SymShape& out = shape(n.outputs[0]);
    std::vector<Label> labels;
    for (const Label& label : p.labels) {
      const bool uniform = label.kernel != nullptr && label.kernel->out[0] == Port::uniform;
      bool free = label.kernel == nullptr ? !q_.targets.places.contains(n.outputs[0]) : uniform;
      for (std::size_t i = 0; i < n.inputs.size() && label.kernel != nullptr; ++i)
        free |= n.inputs[i] != ir::kNone && keeps_order(n, label, i);
      for (const Port form : kForms) {
        if (form != Port::dense && (!free || out.size() < 3)) break;
        // Blocks with a padded tail have gaps, which uniform kernels would compute on.
        if (is_blocked(form) &&
            (!in_play_.contains({label.device, form}) ||
             !(uniform ? is_gap_free(form_place(form, out), out) : label.kernel == nullptr && joins_blocks(n, form))))
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
        lies.spots.push_back({form_place(form, shape(n.outputs[o])), label.device});
      }
      // A model output is dense, and the host's: written so, or brought there at the end.
      if (q_.targets.places.contains(n.outputs[o]))
        add({p.variable}, [&](const std::vector<int>& c) {
          const Spot& spot = lies.spots[static_cast<std::size_t>(c[0])];
          if (spot.device == 0 && is_dense(spot.place, shape(n.outputs[o]))) return 0.0;
          return delivery(n.outputs[o], spot, {{0, Port::dense}});
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
      auto view = view_of(spot.place, shape(in), shape(out), alias);
      us.push_back(view ? 0 : conversion(in, spot.place, Port::dense, spot.device));
      if (!view) view = view_of(form_place(Port::dense, shape(in)), shape(in), shape(out), alias);
      lies.spots.push_back({view ? *view : form_place(Port::dense, shape(out)), spot.device});
    }
    if (alias.output == 0)
      add({lies.variable}, [&](const std::vector<int>& c) { return us[static_cast<std::size_t>(c[0])]; });
    lies_[out] = std::move(lies);
  }
}

void LayoutChooser::add_readers(ir::ValueId value, const std::vector<Reader>& readers) {
  const Lies& lies = lies_.at(value);
  const ir::SymShape& of = shape(value);
  if (readers.size() == 1) {
    const Planned& p = planned_[readers[0].planned];
    const std::size_t i = readers[0].input;
    add({lies.variable, p.variable}, [&](const std::vector<int>& c) {
      const Spot& spot = lies.spots[static_cast<std::size_t>(c[0])];
      const Label& label = p.labels[static_cast<std::size_t>(c[1])];
      if (takes(label, i, spot, of)) return gather(node(p), label, i, spot.place);
      return delivery(value, spot, {wanted_by(label, i)});
    });
    return;
  }
  // Sets of what the value is brought to: none, one or two of those that a reader may want.
  std::set<Target> targets;
  for (const Reader& r : readers)
    for (const Label& label : planned_[r.planned].labels)
      for (const Spot& spot : lies.spots)
        if (!takes(label, r.input, spot, of)) targets.insert(wanted_by(label, r.input));
  std::vector<std::vector<Target>> sets{{}};
  for (const Target& a : targets) sets.push_back({a});
  for (const Target& a : targets)
    for (const Target& b : targets)
      if (a < b) sets.push_back({a, b});
  const int converted = new_variable(sets.size());
  add({lies.variable, converted}, [&](const std::vector<int>& c) {
    return delivery(value, lies.spots[static_cast<std::size_t>(c[0])], sets[static_cast<std::size_t>(c[1])]);
  });
  for (const Reader& r : readers) {
    const Planned& p = planned_[r.planned];
    add({lies.variable, converted, p.variable}, [&](const std::vector<int>& c) {
      const Spot& spot = lies.spots[static_cast<std::size_t>(c[0])];
      const Label& label = p.labels[static_cast<std::size_t>(c[2])];
      if (takes(label, r.input, spot, of)) return gather(node(p), label, r.input, spot.place);
      for (const Target& t : sets[static_cast<std::size_t>(c[1])])
        if (takes(label, r.input, {form_place(t.form, of), t.device}, of)) return 0.0;
      return CostNetwork::kForbidden;
    });
  }
}

/// What does not lie in the buffer in its form is copied there.
void LayoutChooser::add_concat(const ir::Node& n, const Planned& p) {
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
      const bool same = is_blocked(form)              ? spot.place.layout == form_place(form, shape(v)).layout
                        : form == Port::channels_last ? is_channels_last(spot.place, shape(v))
                                                      : is_dense(spot.place, shape(v));
      return inside && same && spot.device == label.device ? 0 : delivery(v, spot, {{label.device, form}});
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
      return spot.device == 0 ? 0 : delivery(v, spot, {{0, Port::dense}});
    });
  }
}

/// Ties within 2 % of a kernel's time go by the order of the list.
void LayoutChooser::settle(std::vector<int>& choice) {
  for (const Planned& p : planned_) {
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
  list_kernels();
  // Without a single time there is nothing to weigh: as a plan that is not tuned.
  if (!timed_) return {};
  list_places();
  std::map<ir::ValueId, std::vector<Reader>> readers;
  for (std::size_t k = 0; k < planned_.size(); ++k) {
    const ir::Node& n = node(planned_[k]);
    if (planned_[k].labels[0].kernel == nullptr) {
      add_concat(n, planned_[k]);
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
  log(LogLevel::debug, "layouts: {} nodes, {} variables, {:.1f} us", planned_.size(), network_.variables(),
      network_.cost(choice));
  std::map<ir::NodeId, Assigned> assigned;
  for (Planned& p : planned_) {
    const Label& label =
        p.labels[p.variable < 0 ? 0 : static_cast<std::size_t>(choice[static_cast<std::size_t>(p.variable)])];
    assigned[p.node] = {{label.kernel, label.device}, label.form, std::move(p.choice)};
  }
  return assigned;
}

std::map<ir::NodeId, Assigned> choose_layouts(const LayoutQuestion& question) { return LayoutChooser(question).run(); }

}  // namespace monza::plan
