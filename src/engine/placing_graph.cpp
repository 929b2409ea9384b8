#include "engine/placing_graph.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/import_model.h"
#include "engine/pass_stages.h"
#include "quant/passes.h"

namespace monza {

std::unique_ptr<ir::Graph> graph_to_place(const std::string& model_path, const BuildOptions& options) {
  ImportedModel model = import_model(model_path, options, {});
  const auto& all = quant::quantising_pipeline();
  const std::vector<const Pass*> before(all.begin(), std::find(all.begin(), all.end(), &quant::place_pass));
  run_passes_constrained(*model.graph, model.tensors, before, options);
  return std::move(model.graph);
}

}  // namespace monza
