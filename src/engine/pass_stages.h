// What passes make of an imported graph under changing options: kept on the way, so that others go on from there.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "engine/import_model.h"
#include "ir/graph.h"
#include "monza/engine.h"
#include "passes/constant_pool.h"
#include "passes/pass.h"

namespace monza {

/// Runs the passes on an imported graph and puts on it what the options ask of nodes: behind the passes that begin the
/// list and do not look at that (Pass::before_constraints), so that what these make is the same whatever is asked. With
/// `optimize` off no pass runs. Throws Error as run_passes and constrain_nodes do.
PassReport run_passes_constrained(ir::Graph& graph, const std::vector<NamedTensor>& tensors,
                                  const std::vector<const Pass*>& passes, const BuildOptions& options);

/// The graphs that passes made of one imported model last, whole and on the way. Not thread-safe.
class PassStages {
 public:
  struct Result {
    std::unique_ptr<ir::Graph> graph;
    PassReport report;
    int passes_run = 0;  ///< the others had run for a graph that was kept
  };
  /// What run_passes_constrained makes of a copy of the model's graph: goes on from the kept graph that came furthest
  /// under options which make no difference until there.
  Result run(const ImportedModel& model, const std::vector<const Pass*>& passes, const BuildOptions& options);
  /// Another model comes.
  void clear() { kept_.clear(); }

 private:
  struct Stage {
    std::vector<const Pass*> passes;
    BuildOptions options;     ///< that it was made under; those that passes see
    std::string constraints;  ///< constraints_key; "" where they are not on it yet
    PassProgress progress;
    std::unique_ptr<const ir::Graph> graph;
  };
  /// Null where none will do. All that would do are kept the longer.
  const Stage* furthest(const std::vector<const Pass*>& passes, const BuildOptions& options);
  void keep(Stage stage);

  std::deque<Stage> kept_;  ///< what served last at the end
  ConstantPool constants_;
};

}  // namespace monza
