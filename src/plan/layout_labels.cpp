#include "plan/layout_labels.h"

#include <algorithm>

#include "plan/tactics.h"

namespace monza::plan {
namespace {

/// Times what the node may run on and keeps the labels that may be best; false where time ran out.
bool time_labels(const LayoutQuestion& question, LabelledNode& p) {
  const ir::Node& node = question.facts.graph().node(p.node);
  std::vector<Label> timed;
  bool all = true;
  for (const Label& label : p.labels) {
    Question q;
    question.candidates.ask(q, node, *label.kernel);
    const auto us =
        question.builder.scope.tactics->time(*label.kernel, q.query, question.builder.kind_of(label.device));
    all &= us.has_value();
    if (!us) continue;
    p.choice.timed.emplace_back(question.candidates.name_of(node, {label.kernel, label.device}), *us);
    // Of kernels that read and write the same way the faster is better everywhere; ties go by the list's order.
    const auto same = std::find_if(timed.begin(), timed.end(), [&](const Label& other) {
      if (other.device != label.device) return false;
      for (std::size_t i = 0; i < node.inputs.size(); ++i)
        if (other.kernel->in[static_cast<int>(i)] != label.kernel->in[static_cast<int>(i)]) return false;
      for (std::size_t i = 0; i < node.outputs.size(); ++i)
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
  return all;
}

}  // namespace

NodeLabels label_nodes(const LayoutQuestion& question) {
  const RegionFacts& facts = question.facts;
  NodeLabels all;
  for (const ir::NodeId id : facts.graph().order()) {
    if (!facts.is_needed(id)) continue;
    const ir::Node& n = facts.graph().node(id);
    const bool concat = facts.is_concat(n);
    if (has(n.op->flags, ir::OpFlag::control) || (!concat && facts.is_view_node(n))) continue;
    LabelledNode p;
    p.node = id;
    if (concat) {
      for (const int device : facts.devices_of(n)) p.labels.push_back({nullptr, device});
    } else {
      // The reference is there to be right, not fast: on a device it runs only when nothing else can.
      std::set<int> served;
      for (const Candidate& c : question.candidates.fitting(n, p.choice))
        if (served.insert(c.device).second || !c.kernel->reference) p.labels.push_back({c.kernel, c.device});
      if (p.labels.size() > 1) all.timed |= time_labels(question, p);
      for (const Label& label : p.labels) {
        const auto play = [&](Port port) {
          if (is_blocked(port)) all.in_play.emplace(label.device, port);
        };
        for (std::size_t i = 0; i < n.inputs.size(); ++i) play(label.kernel->in[static_cast<int>(i)]);
        for (std::size_t i = 0; i < n.outputs.size(); ++i) play(label.kernel->out[static_cast<int>(i)]);
      }
    }
    all.index.emplace(id, all.nodes.size());
    all.nodes.push_back(std::move(p));
  }
  return all;
}

}  // namespace monza::plan
