#include "engine/build_record.h"

#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <build_record_generated.h>
#include "base/error.h"
#include "engine/carried_graph.h"

namespace monza {
namespace {

/// Calls f(node) for every node of the graph and its bodies.
template <typename F>
void each_node(const ir::Graph& graph, F&& f) {
  for (const ir::NodeId id : graph.order()) {
    const ir::Node& node = graph.node(id);
    f(node);
    for (const auto& body : node.bodies) each_node(*body, f);
  }
}

ir::ValueId first_output(const ir::Node& node) { return node.outputs.empty() ? ir::kNone : node.outputs[0]; }

/// Kernels, reasons and passes recur: each text is written once.
class Writer {
 public:
  std::vector<std::byte> write(const ir::Graph& graph, const BuildReport& report) {
    std::vector<flatbuffers::Offset<fb::Named>> tensors;
    for (const NamedTensor& t : report.tensors) tensors.push_back(fb::CreateNamed(fb_, text(t.name), list(t.origins)));
    std::vector<flatbuffers::Offset<fb::PassRun>> passes;
    for (const PassRun& p : report.passes.passes)
      passes.push_back(fb::CreatePassRun(fb_, text(p.name), p.enabled, p.rewrites, p.nodes_before, p.nodes_after));
    std::vector<flatbuffers::Offset<fb::Rewrite>> rewrites;
    for (const Rewrite& r : report.passes.rewrites)
      rewrites.push_back(fb::CreateRewrite(fb_, text(r.pass), text(r.what), text(r.node), list(r.origins)));
    std::vector<flatbuffers::Offset<fb::NearMiss>> misses;
    for (const NearMiss& m : report.passes.near_misses)
      misses.push_back(
          fb::CreateNearMiss(fb_, text(m.pass), text(m.pattern), text(m.node), text(m.reason), list(m.origins)));
    std::map<ir::NodeId, ir::ValueId> values;
    each_node(graph, [&](const ir::Node& node) { values.emplace(node.id, first_output(node)); });
    std::vector<flatbuffers::Offset<fb::Choice>> choices;
    for (const plan::Choice& c : report.choices) {
      const auto value = values.find(c.id);
      choices.push_back(choice(c, value == values.end() ? ir::kNone : value->second));
    }
    std::vector<flatbuffers::Offset<fb::Seen>> seen;
    for (const auto& [name, q] : report.seen)
      seen.push_back(fb::CreateSeen(fb_, text(name), q.low, q.high, q.clipped, q.signal_to_noise));
    const auto tensor_list = fb_.CreateVector(tensors);
    const auto pass_list = fb_.CreateVector(passes);
    const auto rewrite_list = fb_.CreateVector(rewrites);
    const auto miss_list = fb_.CreateVector(misses);
    const auto choice_list = fb_.CreateVector(choices);
    fb_.Finish(fb::CreateBuildRecord(fb_, tensor_list, pass_list, rewrite_list, miss_list, choice_list,
                                     fb_.CreateVector(seen)));
    const auto* begin = reinterpret_cast<const std::byte*>(fb_.GetBufferPointer());
    return {begin, begin + fb_.GetSize()};
  }

 private:
  flatbuffers::Offset<flatbuffers::String> text(const std::string& s) { return fb_.CreateSharedString(s); }
  flatbuffers::Offset<flatbuffers::Vector<std::uint32_t>> list(const ir::OriginSet& origins) {
    return fb_.CreateVector(origins);
  }
  flatbuffers::Offset<fb::Choice> choice(const plan::Choice& c, ir::ValueId value) {
    std::vector<flatbuffers::Offset<fb::Accepted>> accepted;
    for (const std::string& kernel : c.accepted) accepted.push_back(fb::CreateAccepted(fb_, text(kernel)));
    std::vector<flatbuffers::Offset<fb::Timed>> timed;
    for (const auto& [kernel, us] : c.timed) timed.push_back(fb::CreateTimed(fb_, text(kernel), us));
    std::vector<flatbuffers::Offset<fb::Refused>> refused;
    for (const auto& [kernel, reason] : c.refused)
      refused.push_back(fb::CreateRefused(fb_, text(kernel), text(reason)));
    const auto node = text(c.node), op = text(c.op), kernel = text(c.kernel);
    const auto timed_list = fb_.CreateVector(timed);
    const auto refused_list = fb_.CreateVector(refused);
    return fb::CreateChoice(fb_, value, node, op, kernel, timed_list, refused_list, fb_.CreateVector(accepted));
  }

  flatbuffers::FlatBufferBuilder fb_{1 << 16};
};

/// Reads the tables of a record. Texts recur, so they are written once and shared: a small file could have a large list
/// share a large text. What is made of a record stays in proportion to it.
class RecordReader {
 public:
  RecordReader(std::span<const std::byte> record, const ir::Graph& graph)
      : graph_(graph), left_(kMostTimes * record.size()) {}

  BuildReport read(const fb::BuildRecord& record) {
    BuildReport report;
    for (const fb::Named* t : *record.tensors()) {
      take(sizeof(NamedTensor));
      report.tensors.push_back({text(t->name()), origins(*t->origins())});
    }
    read_passes(record, report.passes);
    report.choices = choices(record);
    if (record.seen() != nullptr)
      for (const fb::Seen* v : *record.seen()) {
        take(sizeof(quant::RangeQuality));
        report.seen[text(v->value())] = {v->low(), v->high(), v->clipped(), v->signal_to_noise()};
      }
    return report;
  }

 private:
  static constexpr std::uint64_t kMostTimes = 64;

  void take(std::uint64_t bytes) {
    if (bytes > left_) fail("it is more than {} times its size when it is read", kMostTimes);
    left_ -= bytes;
  }
  std::string text(const flatbuffers::String* s) {
    take(s->size());
    return s->str();
  }
  ir::OriginSet origins(const flatbuffers::Vector<std::uint32_t>& list) {
    take(sizeof(std::uint32_t) * list.size());
    ir::OriginSet origins;
    for (const std::uint32_t o : list) {
      if (o >= graph_.model().origins.size() || (!origins.empty() && o <= origins.back()))
        fail("origin {} of {} of the model", o, graph_.model().origins.size());
      origins.push_back(o);
    }
    return origins;
  }

  void read_passes(const fb::BuildRecord& record, PassReport& passes) {
    for (const fb::PassRun* p : *record.passes()) {
      take(sizeof(PassRun));
      passes.passes.push_back({.name = text(p->name()),
                               .enabled = p->enabled(),
                               .rewrites = p->rewrites(),
                               .nodes_before = p->nodes_before(),
                               .nodes_after = p->nodes_after()});
    }
    for (const fb::Rewrite* r : *record.rewrites()) {
      take(sizeof(Rewrite));
      passes.rewrites.push_back({text(r->pass()), text(r->what()), text(r->node()), origins(*r->origins())});
    }
    for (const fb::NearMiss* m : *record.near_misses()) {
      take(sizeof(NearMiss));
      passes.near_misses.push_back(
          {text(m->pass()), text(m->pattern()), text(m->node()), text(m->reason()), origins(*m->origins())});
    }
  }

  std::vector<plan::Choice> choices(const fb::BuildRecord& record) {
    std::map<ir::ValueId, ir::NodeId> nodes;
    each_node(graph_, [&](const ir::Node& node) {
      if (!node.outputs.empty()) nodes.emplace(node.outputs[0], node.id);
    });
    std::vector<plan::Choice> choices;
    for (const fb::Choice* c : *record.choices()) {
      take(sizeof(plan::Choice));
      plan::Choice choice;
      if (const auto it = nodes.find(c->value()); it != nodes.end()) choice.id = it->second;
      choice.node = text(c->node());
      choice.op = text(c->op());
      choice.kernel = text(c->kernel());
      const flatbuffers::Vector<flatbuffers::Offset<fb::Accepted>>* accepted = c->accepted();
      const std::uint64_t accepted_count = accepted == nullptr ? 0 : accepted->size();
      take(sizeof(choice.accepted[0]) * accepted_count + sizeof(choice.timed[0]) * c->timed()->size() +
           sizeof(choice.refused[0]) * c->refused()->size());
      if (accepted != nullptr)
        for (const fb::Accepted* a : *accepted) choice.accepted.push_back(text(a->kernel()));
      for (const fb::Timed* t : *c->timed()) choice.timed.emplace_back(text(t->kernel()), t->us());
      for (const fb::Refused* r : *c->refused()) choice.refused.emplace_back(text(r->kernel()), text(r->reason()));
      choices.push_back(std::move(choice));
    }
    return choices;
  }

  const ir::Graph& graph_;
  std::uint64_t left_;
};

}  // namespace

std::vector<std::byte> write_record(const ir::Graph& graph, const BuildReport& report) {
  return Writer().write(graph, report);
}

BuildReport read_record(const engine_file::Image& image, const Limits& limits) {
  if (image.graph.empty() || image.record.empty())
    fail_hint("ask the ONNX file, or build the engine without --strip",
              "the engine was built with --strip: it keeps neither its graph nor what its build chose");
  std::unique_ptr<ir::Graph> planned = read_carried_graph(image, limits);
  BuildReport report;
  try {
    // Checked and read from a copy: the file may be changed in between.
    const std::vector<std::byte> record(image.record.begin(), image.record.end());
    // A table that lists share is visited once for each of them, but no more are than the record has room for.
    constexpr std::size_t kLeastBytes = 12;  // of a table and of its place in a list
    constexpr flatbuffers::uoffset_t kMostDepth = 64;
    flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(record.data()), record.size(), kMostDepth,
                                   static_cast<flatbuffers::uoffset_t>(record.size() / kLeastBytes));
    if (!verifier.VerifyBuffer<fb::BuildRecord>()) fail("it cannot be read");
    report = RecordReader(record, *planned).read(*flatbuffers::GetRoot<fb::BuildRecord>(record.data()));
    report.planned = std::move(planned);
    for (const auto& [name, bytes] : image.carried) report.carried[name].assign(bytes.begin(), bytes.end());
  } catch (const Error& e) {
    throw Error("the record of the engine's build is damaged: " + e.fact(),
                "copy the file again, or rebuild with: monza build MODEL --output FILE");
  }
  return report;
}

}  // namespace monza
