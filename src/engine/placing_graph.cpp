#include "engine/placing_graph.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/import_model.h"
#include "engine/pass_stages.h"
#include "quant/passes.h"
#include "quant/placement.h"

namespace monza {

GraphToPlace graph_to_place(const std::string& model_path, const BuildOptions& options) {
  ImportedModel model = import_model(model_path, options, {});
  GraphToPlace found;
  for (const ir::ValueId id : model.graph->values()) {
    const ir::Value& v = std::as_const(*model.graph).value(id);
    if (!v.name.empty() && v.type.kind == ir::ValueKind::tensor) found.ranks[v.name] = static_cast<int>(v.type.rank());
  }
  const auto& all = quant::quantising_pipeline();
  const std::vector<const Pass*> before(all.begin(), std::find(all.begin(), all.end(), &quant::place_pass));
  run_passes_constrained(*model.graph, model.tensors, before, options);
  found.graph = std::move(model.graph);
  return found;
}

std::map<std::string, ValueRange> placed_ranges(const std::string& model_path, const BuildOptions& options,
                                                const QuantizationPlan& plan) {
  BuildOptions with_plan = options;
  with_plan.quantization = std::make_shared<QuantizationPlan>(plan);
  const GraphToPlace model = graph_to_place(model_path, with_plan);
  std::map<std::string, ValueRange> ranges;
  for (const quant::PlacedValue& v : quant::decide_placement(*model.graph, plan).values)
    ranges[std::as_const(*model.graph).value(v.value).name] = quant::range_of(v.affine);
  return ranges;
}

}  // namespace monza
