#include "engine/import_model.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "base/error.h"
#include "decoder/open_model.h"
#include "engine/import_language_model.h"
#include "engine/io_types.h"
#include "engine/options_key.h"
#include "import/onnx/onnx_import.h"
#include "import/onnx/plausible_shape.h"

namespace monza {
namespace {

using Shapes = std::map<std::string, ShapeProfile>;

std::string symbol_name(const ir::Expr& extent) {
  std::string name;
  ir::substitute(extent, [&](const ir::Atom& atom) -> std::optional<ir::Expr> {
    if (atom.kind == ir::AtomKind::symbol) name = atom.name;
    return std::nullopt;
  });
  return name.empty() ? ir::to_string(extent) : name;
}

/// What each profile says of every input: its own word, else that of `shapes`.
std::vector<Shapes> shapes_of(const BuildOptions& options) {
  if (options.profiles.empty()) return {options.shapes};
  std::vector<Shapes> all;
  for (Shapes own : options.profiles) {
    own.insert(options.shapes.begin(), options.shapes.end());
    all.push_back(std::move(own));
  }
  return all;
}

/// Extents that are equal in min, opt and max of all profiles are fixed at import; the others stay symbols with ranges.
OnnxImportOptions import_options(const BuildOptions& options, const std::vector<Shapes>& profiles) {
  OnnxImportOptions import;
  import.limits = options.limits;
  import.outputs = options.outputs;
  import.element_values = options.shape_values;
  for (std::size_t k = 0; k < profiles.size(); ++k)
    for (const auto& [name, profile] : profiles[k]) {
      const std::vector<std::int64_t>& max = profile.max.empty() ? profile.opt : profile.max;
      if ((!profile.min.empty() && profile.min.size() != max.size()) ||
          (!profile.opt.empty() && profile.opt.size() != max.size()))
        fail("the profile of input '{}' has shapes of different ranks", name);
      std::vector<std::int64_t> fixed(max.size(), -1);
      for (std::size_t a = 0; a < max.size(); ++a) {
        const std::int64_t low = profile.min.empty() ? max[a] : profile.min[a];
        if (low > max[a]) fail("the profile of input '{}' has min {} above max {} on axis {}", name, low, max[a], a);
        if (low == max[a]) fixed[a] = max[a];
      }
      std::vector<std::int64_t>& bounds = import.bounds.try_emplace(name, max).first->second;
      const std::vector<std::int64_t>& min = profile.min.empty() ? max : profile.min;
      std::vector<std::int64_t>& least = import.least.try_emplace(name, min).first->second;
      for (std::size_t a = 0; a < max.size() && a < bounds.size(); ++a) {
        bounds[a] = std::max(bounds[a], max[a]);
        least[a] = std::min(least[a], min[a]);
      }
      const auto [it, added] = import.shapes.try_emplace(name, fixed);
      if (added) {
        if (k > 0) it->second.assign(fixed.size(), -1);  // the profiles before left it open
        continue;
      }
      if (it->second.size() != fixed.size()) fail("the profiles of input '{}' have shapes of different ranks", name);
      for (std::size_t a = 0; a < fixed.size(); ++a)
        if (it->second[a] != fixed[a]) it->second[a] = -1;
    }
  return import;
}

/// A dimension as the model names it, which need not be an identifier as symbols are; "" where it has no name.
std::string declared_dimension(const std::vector<OnnxInput>& inputs, const std::string& name, std::size_t axis) {
  const auto it = std::find_if(inputs.begin(), inputs.end(), [&](const OnnxInput& i) { return i.name == name; });
  return it != inputs.end() && axis < it->symbols.size() ? it->symbols[axis] : std::string();
}

/// What the model's file says of its inputs, for messages.
struct Declared {
  std::vector<OnnxInput> inputs;
  std::map<std::string, std::vector<std::int64_t>> plausible;
  /// What may be proposed for an open dimension.
  std::int64_t proposed(const std::string& name, std::size_t axis) const {
    const auto found = plausible.find(name);
    return found != plausible.end() && axis < found->second.size() ? found->second[axis] : 1;
  }
};

/// The ranges of the graph's symbols in one profile. `declared` reads the model's inputs, for messages.
plan::Profile symbol_ranges(const ir::Graph& graph, const Shapes& shapes, const std::function<Declared()>& declared) {
  plan::Profile ranges;
  std::string missing, suggestion;
  std::optional<Declared> file;
  for (const ir::ValueId id : graph.inputs()) {
    const ir::Value& value = graph.value(id);
    const auto profile = shapes.find(value.name);
    bool unknown = false;
    for (std::size_t a = 0; a < value.type.shape.size(); ++a) {
      const ir::Expr& e = value.type.shape[a];
      if (e.is_constant() || value.type.kind == ir::ValueKind::state) continue;
      const std::string symbol = symbol_name(e);
      if (profile != shapes.end()) {
        const ShapeProfile& p = profile->second;
        const std::vector<std::int64_t>& max = p.max.empty() ? p.opt : p.max;
        if (a < max.size() && max[a] >= 0) {
          plan::Extent r;
          r.max = max[a];
          r.min = p.min.empty() ? max[a] : p.min[a];
          r.opt = p.opt.empty() ? max[a] : p.opt[a];
          if (r.opt < r.min || r.opt > r.max)
            fail("the profile of input '{}' has opt {} outside [{}, {}] on axis {}", value.name, r.opt, r.min, r.max,
                 a);
          const auto [it, added] = ranges.emplace(symbol, r);
          if (!added && (it->second.min != r.min || it->second.max != r.max))
            fail("dimension '{}' is given different ranges by two inputs ('{}' is the second)", symbol, value.name);
          continue;
        }
      }
      unknown = true;
    }
    if (!unknown) continue;
    std::string shape, example;
    bool still = false;
    for (std::size_t a = 0; a < value.type.shape.size(); ++a) {
      const ir::Expr& e = value.type.shape[a];
      const bool open = !e.is_constant() && !ranges.contains(symbol_name(e));
      still |= open;
      if (!file) file = declared();
      const std::string name = e.is_constant() ? "" : declared_dimension(file->inputs, value.name, a);
      shape += (a ? "," : "") + (name.empty() ? ir::to_string(e) : name);
      example += (a ? "x" : "") + std::to_string(e.is_constant() ? e.constant() : file->proposed(value.name, a));
    }
    if (!still) continue;
    missing += message("\n  {} [{}]", value.name, shape);
    suggestion += fmt::format("{}--shape {}={}", suggestion.empty() ? "" : " ", value.name, example);
  }
  if (!missing.empty())
    fail_hint(
        suggestion +
            " (or ranges: --min-shape, --opt-shape and --max-shape; in C++ and C: the shapes of the build's options)",
        "these inputs have dimensions without a profile:{}", Lines{missing});
  return ranges;
}

/// Tensors that nodes make, in the model's order, those of bodies after their node.
std::vector<NamedTensor> tensors_of(const ir::Graph& graph) {
  std::vector<NamedTensor> tensors;
  for (const ir::ValueId id : graph.values()) {
    const ir::Value& value = graph.value(id);
    const ir::Node* producer = graph.producer(id);
    if (producer != nullptr && !value.name.empty()) tensors.push_back({value.name, producer->origins});
  }
  for (const ir::NodeId id : graph.order())
    for (const auto& body : graph.node(id).bodies)
      for (NamedTensor& t : tensors_of(*body)) tensors.push_back(std::move(t));
  return tensors;
}

}  // namespace

ImportedModel import_model(const std::string& path, const BuildOptions& options,
                           const std::vector<std::string>& fed_initializers) {
  if (is_language_model(path)) return import_language_model(path, options);
  const std::vector<Shapes> profiles = shapes_of(options);
  OnnxImportOptions import = import_options(options, profiles);
  import.fed_initializers.insert(fed_initializers.begin(), fed_initializers.end());
  ImportedModel model;
  model.graph = import_onnx(path, import);
  if (!options.io_types.empty()) set_io_types(*model.graph, options.io_types);
  const auto declared = [&] {
    return Declared{onnx_inputs(path, options.limits), plausible_shapes(path, options.limits)};
  };
  for (const Shapes& shapes : profiles) model.profiles.push_back(symbol_ranges(*model.graph, shapes, declared));
  model.tensors = tensors_of(*model.graph);
  return model;
}

std::string import_key(const BuildOptions& options, const std::vector<std::string>& fed_initializers) {
  BuildOptions told;
  told.shapes = options.shapes;
  told.profiles = options.profiles;
  told.shape_values = options.shape_values;
  told.io_types = options.io_types;
  told.outputs = options.outputs;
  told.limits = options.limits;
  std::string key = options_key(told);
  for (const std::string& name : fed_initializers) key += fmt::format(" {}:{}", name.size(), name);
  return key;
}

}  // namespace monza
