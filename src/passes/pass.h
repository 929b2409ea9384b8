// What a pass is, and the one function that runs every pass.
#pragma once

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "monza/engine.h"

namespace monza {

/// What constant folding may still spend on a model.
struct FoldBudget {
  std::int64_t one_bytes = 0;                                ///< of one constant
  std::int64_t all_bytes = 0;                                ///< of all that are still to be made
  std::int64_t operations = 0;                               ///< about that many
  double seconds = std::numeric_limits<double>::infinity();  ///< what operations do not tell: of this machine's time
  /// What the limits leave a graph: a model with more weights may fold more.
  static FoldBudget of(const ir::Graph& graph);
};

/// A rewrite that was made. `origins` are those of the node.
struct Rewrite {
  std::string pass, what, node;
  ir::OriginSet origins;
};
/// A pattern that almost matched, and why it was left alone.
struct NearMiss {
  std::string pass, pattern, node, reason;
  ir::OriginSet origins;
};

struct PassRun {
  std::string name;
  bool enabled = true;
  double seconds = 0;  ///< 0 where it is not known: an engine file does not keep it
  std::int64_t rewrites = 0;
  std::size_t nodes_before = 0, nodes_after = 0;
};

/// What a run of the pipeline did.
struct PassReport {
  std::vector<PassRun> passes;
  std::vector<Rewrite> rewrites;
  std::vector<NearMiss> near_misses;
};
/// A table of passes with their times and counts; then, when asked for, rewrites and near misses.
std::string to_string(const PassReport& report, bool details);

/// Where a run of passes stands between two of them. Together with a copy of the graph it can be gone on from.
struct PassProgress {
  std::size_t next = 0;  ///< the first pass that has not run
  PassReport report;
  std::int64_t rewrites = 0;
  FoldBudget fold;             ///< set by the first pass
  bool quantised = false;      ///< a pass has asked for BuildOptions::quantization
  std::set<std::string> seen;  ///< near misses that are noted: once, though passes run to a fixed point
};

/// What a pass sees beside the graph.
class PassContext {
 public:
  /// Both must outlive it.
  PassContext(const BuildOptions& options, PassProgress& progress) : options_(options), progress_(progress) {}

  const BuildOptions& options() const { return options_; }
  /// Asks for one rewrite at `node` and notes it. False once the limit is reached: leave the graph as it is.
  bool allow(std::string_view what, const ir::Graph& graph, const ir::Node& node);
  /// True while rewrites are still allowed: lets a pass stop early.
  bool open() const { return options_.max_rewrites < 0 || progress_.rewrites < options_.max_rewrites; }
  /// Notes why a pattern was left alone; of tens of thousands the first ones.
  void near_miss(std::string_view pattern, const ir::Graph& graph, const ir::Node& node, std::string reason);
  FoldBudget& fold_budget() { return progress_.fold; }
  /// BuildOptions::quantization, or null. What is made from here on is made for it alone.
  const QuantizationPlan* quantization() {
    progress_.quantised = true;
    return options_.quantization.get();
  }
  /// Whether the graph that the pass sees is the body of an If, Loop or Scan.
  bool in_body() const { return bodies_ > 0; }

 private:
  friend struct BodyScope;
  /// The run of the pass whose turn it is.
  PassRun& run() { return progress_.report.passes.back(); }
  const BuildOptions& options_;
  PassProgress& progress_;
  int bodies_ = 0;  // that the graph lies in
};

/// A transformation that keeps what the graph computes. `run` sees one graph; the runner gives it bodies too.
struct Pass {
  const char* name;  ///< "fold_constants": what --disable-pass takes
  const char* does;  ///< one line for people
  void (*run)(ir::Graph&, PassContext&);
  /// Whether it does not look at what is asked of nodes (ir::Node::constraint), and what it adds has the origins and
  /// the constraint of one node: constraints by name can be put on the graph before it or after it.
  bool before_constraints = false;
};

/// Runs the passes in order on the graph and its bodies: skipped when disabled, timed, the graph sorted, inferred
/// and verified after each that rewrote something, failures named after the pass. Of the options count disabled_passes,
/// max_rewrites and strict_rewrites. Throws Error, too, when one of disabled_passes is no pass.
void run_passes(ir::Graph& graph, const std::vector<const Pass*>& passes, const BuildOptions& options,
                PassReport& report);
/// The same, pass by pass: runs the one whose turn it is.
void run_next_pass(ir::Graph& graph, const std::vector<const Pass*>& passes, const BuildOptions& options,
                   PassProgress& progress);
/// Throws Error when one of disabled_passes is neither among these passes nor in pipeline().
void check_disabled_passes(const std::vector<const Pass*>& passes, const BuildOptions& options);
/// Whether these passes under `options` come to where the same passes have come under `made_for`, beside what
/// constraints do.
bool comes_to(const PassProgress& progress, const BuildOptions& made_for, const BuildOptions& options);

/// The list of every pass in the order in which a model goes through them (pipeline.cpp says why).
const std::vector<const Pass*>& pipeline();
/// Runs the whole pipeline.
PassReport optimize(ir::Graph& graph, const BuildOptions& options = {});

}  // namespace monza
