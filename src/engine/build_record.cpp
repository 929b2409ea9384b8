#include "engine/build_record.h"

#include <map>
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
    const auto tensor_list = fb_.CreateVector(tensors);
    const auto pass_list = fb_.CreateVector(passes);
    const auto rewrite_list = fb_.CreateVector(rewrites);
    const auto miss_list = fb_.CreateVector(misses);
    fb_.Finish(fb::CreateBuildRecord(fb_, tensor_list, pass_list, rewrite_list, miss_list, fb_.CreateVector(choices)));
    const auto* begin = reinterpret_cast<const std::byte*>(fb_.GetBufferPointer());
    return {begin, begin + fb_.GetSize()};
  }

 private:
  flatbuffers::Offset<flatbuffers::String> text(const std::string& s) { return fb_.CreateSharedString(s); }
  flatbuffers::Offset<flatbuffers::Vector<std::uint32_t>> list(const ir::OriginSet& origins) {
    return fb_.CreateVector(origins);
  }
  flatbuffers::Offset<fb::Choice> choice(const plan::Choice& c, ir::ValueId value) {
    std::vector<flatbuffers::Offset<flatbuffers::String>> accepted;
    for (const std::string& kernel : c.accepted) accepted.push_back(text(kernel));
    std::vector<flatbuffers::Offset<fb::Timed>> timed;
    for (const auto& [kernel, us] : c.timed) timed.push_back(fb::CreateTimed(fb_, text(kernel), us));
    std::vector<flatbuffers::Offset<fb::Refused>> refused;
    for (const auto& [kernel, reason] : c.refused)
      refused.push_back(fb::CreateRefused(fb_, text(kernel), text(reason)));
    const auto node = text(c.node), op = text(c.op), kernel = text(c.kernel);
    const auto accepted_list = fb_.CreateVector(accepted);
    const auto timed_list = fb_.CreateVector(timed);
    return fb::CreateChoice(fb_, value, node, op, kernel, accepted_list, timed_list, fb_.CreateVector(refused));
  }

  flatbuffers::FlatBufferBuilder fb_{1 << 16};
};

ir::OriginSet origins_of(const flatbuffers::Vector<std::uint32_t>& list, const ir::Graph& graph) {
  ir::OriginSet origins;
  for (const std::uint32_t o : list) {
    if (o >= graph.model().origins.size() || (!origins.empty() && o <= origins.back()))
      fail("origin {} of {} of the model", o, graph.model().origins.size());
    origins.push_back(o);
  }
  return origins;
}

void read_passes(const fb::BuildRecord& record, const ir::Graph& graph, PassReport& passes) {
  for (const fb::PassRun* p : *record.passes())
    passes.passes.push_back({.name = p->name()->str(),
                             .enabled = p->enabled(),
                             .rewrites = p->rewrites(),
                             .nodes_before = p->nodes_before(),
                             .nodes_after = p->nodes_after()});
  for (const fb::Rewrite* r : *record.rewrites())
    passes.rewrites.push_back({r->pass()->str(), r->what()->str(), r->node()->str(), origins_of(*r->origins(), graph)});
  for (const fb::NearMiss* m : *record.near_misses())
    passes.near_misses.push_back({m->pass()->str(), m->pattern()->str(), m->node()->str(), m->reason()->str(),
                                  origins_of(*m->origins(), graph)});
}

std::vector<plan::Choice> read_choices(const fb::BuildRecord& record, const ir::Graph& graph) {
  std::map<ir::ValueId, ir::NodeId> nodes;
  each_node(graph, [&](const ir::Node& node) {
    if (!node.outputs.empty()) nodes.emplace(node.outputs[0], node.id);
  });
  std::vector<plan::Choice> choices;
  for (const fb::Choice* c : *record.choices()) {
    plan::Choice choice;
    if (const auto it = nodes.find(c->value()); it != nodes.end()) choice.id = it->second;
    choice.node = c->node()->str();
    choice.op = c->op()->str();
    choice.kernel = c->kernel()->str();
    for (const flatbuffers::String* kernel : *c->accepted()) choice.accepted.push_back(kernel->str());
    for (const fb::Timed* t : *c->timed()) choice.timed.emplace_back(t->kernel()->str(), t->us());
    for (const fb::Refused* r : *c->refused()) choice.refused.emplace_back(r->kernel()->str(), r->reason()->str());
    choices.push_back(std::move(choice));
  }
  return choices;
}

}  // namespace

std::vector<std::byte> write_record(const ir::Graph& graph, const BuildReport& report) {
  return Writer().write(graph, report);
}

BuildReport read_record(const engine_file::Image& image, const Limits& limits) {
  if (image.graph.empty() || image.record.empty())
    fail_hint("ask the ONNX file, or build the engine without --strip",
              "the engine was built with --strip: it keeps neither its graph nor what its build chose");
  BuildReport report;
  report.planned = read_carried_graph(image, limits);
  try {
    flatbuffers::Verifier verifier(reinterpret_cast<const std::uint8_t*>(image.record.data()), image.record.size());
    if (!verifier.VerifyBuffer<fb::BuildRecord>()) fail("it cannot be read");
    const fb::BuildRecord& record = *flatbuffers::GetRoot<fb::BuildRecord>(image.record.data());
    for (const fb::Named* t : *record.tensors())
      report.tensors.push_back({t->name()->str(), origins_of(*t->origins(), *report.planned)});
    read_passes(record, *report.planned, report.passes);
    report.choices = read_choices(record, *report.planned);
  } catch (const Error& e) {
    throw Error("the record of the engine's build is damaged: " + e.fact(),
                "copy the file again, or rebuild with: monza build MODEL --output FILE");
  }
  return report;
}

}  // namespace monza
