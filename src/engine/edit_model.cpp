#include "engine/edit_model.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/nearest.h"
#include "engine/value_types.h"
#include "import/onnx/onnx_editor.h"
#include "passes/pass.h"
#include "passes/rewrite.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

/// Larger values stay as the model says them: an Expand of one number is shorter than what it makes.
constexpr std::int64_t kMostFolded = 1 << 20;

class Edit {
 public:
  Edit(const std::string& path, const ModelEdit& edit)
      : path_(path), edit_(edit), editor_(OnnxFile::open(path, edit.limits)) {}

  EditedModel run() {
    result_.nodes_before = editor_.node_count();
    for (const auto* list : {&edit_.inputs, &edit_.outputs})
      for (const std::string& name : *list) require(name);
    const bool needs_types = !edit_.inputs.empty() || !edit_.outputs.empty() || !edit_.shapes.empty();
    if (needs_types || edit_.sanitise) infer();
    if (!edit_.shapes.empty()) set_shapes();
    // Folding first: what a cut makes an input is no constant.
    if (edit_.sanitise) sanitise();
    if (!edit_.outputs.empty()) set_outputs(edit_.outputs);
    else if (!edit_.shapes.empty()) set_outputs(own_outputs());
    for (const std::string& name : edit_.inputs) cut_before(name);
    if (edit_.strip) editor_.strip();
    result_.bytes = editor_.finish(0);
    result_.nodes_after = editor_.node_count();
    return std::move(result_);
  }

 private:
  void require(const std::string& name) const {
    if (editor_.maker_of(name) != OnnxEditor::Maker::none) return;
    const std::string near = one_of(nearest_names(name, editor_.made_values()));
    throw Error(message("the model has no value '{}'", name),
                near.empty() ? "`monza inspect MODEL --graph` lists them" : near)
        .at("'" + path_ + "'");
  }

  /// Types of all values that shape inference tells, with the shapes that were asked for.
  void infer() {
    OnnxImportOptions options;
    options.limits = edit_.limits;
    options.shapes = edit_.shapes;
    // By these names, too, where a value has several: an Identity's result is its input.
    if (!edit_.inputs.empty() || !edit_.outputs.empty()) {
      options.outputs = edit_.outputs.empty() ? own_outputs() : edit_.outputs;
      options.outputs.insert(options.outputs.end(), edit_.inputs.begin(), edit_.inputs.end());
    }
    try {
      graph_ = import_onnx(path_, options);
    } catch (const Error& e) {
      // An operator that is refused need not be in the way of cutting it out.
      result_.remarks.push_back(
          message("types of inner values are those that the file declares, and nothing is folded: {}", e.what()));
      return;
    }
    types_ = value_types(*graph_);
  }

  std::optional<OnnxInput> type_of(const std::string& name) const {
    if (const auto it = types_.find(name); it != types_.end()) return it->second;
    return editor_.declared_type(name);
  }

  void set_shapes() {
    for (const auto& [name, extents] : edit_.shapes) {
      OnnxInput input = editor_.declared_type(name).value_or(OnnxInput{name, DType::invalid, true, {}, {}});
      input.has_shape = true;
      if (input.shape.size() != extents.size()) input.shape.assign(extents.size(), -1);
      input.symbols.resize(extents.size());
      for (std::size_t a = 0; a < extents.size(); ++a)
        if (extents[a] >= 0) input.shape[a] = extents[a], input.symbols[a].clear();
      if (editor_.maker_of(name) == OnnxEditor::Maker::input) editor_.make_input(input);
      else types_.insert_or_assign(name, input);  // of a value that --inputs makes one
    }
    editor_.forget_types();
  }

  std::vector<std::string> own_outputs() const {
    std::vector<std::string> names;
    for (const OnnxInput& o : onnx_outputs(path_, edit_.limits)) names.push_back(o.name);
    return names;
  }
  void set_outputs(const std::vector<std::string>& names) {
    std::vector<OnnxInput> outputs;
    for (const std::string& name : names)
      outputs.push_back(type_of(name).value_or(OnnxInput{name, DType::invalid, false, {}, {}}));
    editor_.set_outputs(outputs);
  }

  void cut_before(const std::string& name) {
    if (editor_.maker_of(name) == OnnxEditor::Maker::initializer)
      throw Error(message("'{}' is a constant, which cannot become an input", name),
                  "a value that a node makes from the model's inputs")
          .at("'" + path_ + "'");
    OnnxInput type = type_of(name).value_or(OnnxInput{name, DType::invalid, false, {}, {}});
    if (const auto it = edit_.types.find(name); it != edit_.types.end()) type.dtype = it->second;
    if (type.dtype == DType::invalid)
      throw Error(message("nothing says which element type '{}' has", name), "--type " + name + "=f32")
          .at("'" + path_ + "'");
    editor_.make_input(type);
  }

  void sanitise() {
    fold();
    const int handed_on = editor_.drop_identities();
    if (handed_on > 0) result_.remarks.push_back(fmt::format("Identity and Dropout left out: {}", handed_on));
  }

  /// What the passes that fold make constant is an initializer.
  void fold() {
    if (graph_ == nullptr) return;
    std::set<std::string> outputs;
    for (const auto& o : graph_->outputs()) outputs.insert(o.name);
    OnnxImportOptions options;
    options.limits = edit_.limits;
    options.shapes = edit_.shapes;
    for (const std::string& name : editor_.made_values())
      if (const auto it = types_.find(name); it != types_.end() && !outputs.contains(name) &&
                                             it->second.dtype != DType::string && dtype_bits(it->second.dtype) >= 8)
        options.outputs.push_back(name);
    if (options.outputs.empty()) return;
    const auto graph = import_onnx(path_, options);
    static const std::vector<const Pass*> kFolding = {&identities_pass, &known_sequences_pass, &shape_arithmetic_pass,
                                                      &fold_constants_pass};
    PassReport report;
    run_passes(*graph, kFolding, {}, report);
    for (const auto& o : graph->outputs()) {
      const auto& constant = graph->value(o.value).constant;
      if (constant == nullptr || constant->bytes.size() > kMostFolded || editor_.is_constant(o.name)) continue;
      editor_.make_initializer(o.name, *constant);
      ++result_.folded;
    }
  }

  const std::string& path_;
  const ModelEdit& edit_;
  OnnxEditor editor_;
  std::unique_ptr<ir::Graph> graph_;
  std::map<std::string, OnnxInput> types_;
  EditedModel result_;
};

}  // namespace

EditedModel edit_model(const std::string& path, const ModelEdit& edit) { return Edit(path, edit).run(); }

}  // namespace monza
