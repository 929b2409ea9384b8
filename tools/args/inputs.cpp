#include "tools/args/inputs.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "engine/build_report.h"
#include "engine/carried_graph.h"
#include "engine/input_roles.h"
#include "engine/run/engine_impl.h"
#include "io/npy.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tools/args/command.h"
#include "tools/args/given_inputs.h"
#include "tools/args/input_numbers.h"
#include "tools/args/language_inputs.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

/// Integer inputs of at most this many elements may decide extents; their values go to the build.
constexpr std::int64_t kMaxShapeElements = 64;

void check_shape(const ModelInput& input, const std::vector<std::int64_t>& wanted,
                 const std::vector<std::int64_t>& shape) {
  bool fits = !input.has_shape || wanted.size() == shape.size();
  for (std::size_t a = 0; fits && input.has_shape && a < wanted.size(); ++a)
    fits = wanted[a] < 0 || wanted[a] == shape[a];
  if (!fits)
    throw Error(message("input '{}' has the shape {}, the model takes {}", input.name, extents_text(shape),
                        extents_text(wanted)),
                "give a tensor of that shape");
}

/// Extents by the names of dimensions: one name is one extent in all inputs.
void spread_symbols(const std::vector<ModelInput>& inputs, std::vector<std::vector<std::int64_t>>& shapes) {
  std::map<std::string, std::int64_t> known;
  for (std::size_t k = 0; k < inputs.size(); ++k)
    for (std::size_t a = 0; a < inputs[k].symbols.size(); ++a)
      if (!inputs[k].symbols[a].empty() && shapes[k][a] >= 0) known.emplace(inputs[k].symbols[a], shapes[k][a]);
  for (std::size_t k = 0; k < inputs.size(); ++k)
    for (std::size_t a = 0; a < inputs[k].symbols.size(); ++a)
      if (const auto it = known.find(inputs[k].symbols[a]); it != known.end() && shapes[k][a] < 0)
        shapes[k][a] = it->second;
}

bool closed(const std::vector<std::int64_t>& shape) {
  return std::all_of(shape.begin(), shape.end(), [](std::int64_t d) { return d >= 0; });
}

bool is_integral(DType dtype) { return is_integer(dtype) || dtype == DType::boolean; }

/// "'a', 'b'"
std::string quoted(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "'" : ", '") + name + "'";
  return list;
}

std::string random_hint(const std::vector<std::string>& names) {
  return fmt::format("--input {}=VALUE ({} {} random)", names[0], quoted(names), names.size() == 1 ? "was" : "were");
}

/// Says which random integers are more than data.
void note_roles(const ir::Graph& graph, const std::vector<std::string>& random_integers) {
  const InputRoles roles = input_roles(graph);
  const auto those = [&](const std::set<std::string>& role) {
    std::vector<std::string> names;
    for (const std::string& name : random_integers)
      if (role.contains(name)) names.push_back(name);
    return names;
  };
  const std::vector<std::string> deciding = those(roles.deciding), indices = those(roles.indices);
  std::string text;
  if (!deciding.empty()) text += quoted(deciding) + " decide shapes or branches";
  if (!indices.empty()) text += (text.empty() ? "" : "; ") + quoted(indices) + " are indices";
  if (!text.empty())
    note(message("random integers (0 or 1): {} (--input {}=VALUE gives them)", text,
                 deciding.empty() ? indices[0] : deciding[0]));
}

/// Engines with more weights than this are not read for their graph, only to say more in a note.
constexpr std::size_t kMostWeightsToRead = std::size_t{64} << 20;

void note_roles(const Engine& engine, const std::vector<std::string>& random_integers) {
  const engine_file::Image& image = engine.impl().image;
  if (image.graph.empty() || image.weights.size() > kMostWeightsToRead) return;
  note_roles(*read_carried_graph(image), random_integers);
}

/// What is refused on random integers may be right on others.
ModelArgs::Opened open(const ModelArgs& model, const std::function<void(BuildOptions&)>& adjust,
                       const BuildHooks* hooks, const std::vector<std::string>& random_integers) {
  try {
    return model.open(adjust, hooks);
  } catch (const Error& e) {
    if (random_integers.empty()) throw;
    const Error known(e.fact(),
                      fmt::format("{}{}{}", random_hint(random_integers), e.hint().empty() ? "" : "; or: ", e.hint()));
    throw e.where().empty() ? known : known.at(e.where());
  }
}

Prepared prepare_onnx(const ModelArgs& model, const InputArgs& args, const BuildHooks* hooks) {
  std::vector<ModelInput> inputs = model.declared_inputs();
  auto shapes = model.shapes_for(inputs);
  const std::vector<ModelInput> defaults = model.default_inputs();
  const auto fits = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    for (std::size_t k = 0; k < inputs.size(); ++k)
      if (inputs[k].name == name) return check_shape(inputs[k], shapes[k], shape);
    for (const ModelInput& i : defaults)
      if (i.name == name) return check_shape(i, i.shape, shape);
  };
  Given given = read_given(args, inputs, defaults, shapes, [&] { return model.output_names(); }, fits);
  BuildReport report;
  BuildHooks own = hooks != nullptr ? *hooks : BuildHooks{};
  if (own.report == nullptr) own.report = &report;
  for (const ModelInput& i : defaults)
    if (given.contains(i.name)) {
      own.fed_initializers.push_back(i.name);
      inputs.push_back(i);
      shapes.push_back(i.shape);
    }
  for (std::size_t k = 0; k < inputs.size(); ++k)
    if (const auto it = given.tensors.find(inputs[k].name); it != given.tensors.end()) shapes[k] = it->second.shape();
  spread_symbols(inputs, shapes);
  std::map<std::string, std::vector<std::int64_t>> values;
  std::vector<std::string> random_integers;
  std::string fixed;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const ModelInput& input = inputs[k];
    if (const auto it = given.numbers.find(input.name); it != given.numbers.end()) {
      if (!input.has_shape && shapes[k].empty() && it->second.find(',') != std::string::npos) shapes[k] = {-1};
      const auto tensor =
          given.tensors.emplace(input.name, tensor_of_numbers(input.name, it->second, input.dtype, shapes[k]));
      shapes[k] = tensor.first->second.shape();
    }
    const bool known = (input.has_shape || !shapes[k].empty() || given.contains(input.name)) && closed(shapes[k]);
    if (!given.contains(input.name) && args.random && known) {
      given.tensors.emplace(input.name, random_tensor(input.dtype, shapes[k], args.seed + k));
      if (is_integral(input.dtype)) random_integers.push_back(input.name);
    }
    const auto it = given.tensors.find(input.name);
    if (it == given.tensors.end()) continue;
    if (auto v = shape_values(it->second); !v.empty()) values.emplace(input.name, std::move(v));
    if (!input.has_shape || !closed(input.shape))
      fixed += fmt::format("{}{} = {}", fixed.empty() ? "" : ", ", input.name, extents_text(shapes[k]));
  }
  const auto adjust = [&](BuildOptions& options) {
    for (std::size_t k = 0; k < inputs.size(); ++k)
      if (given.contains(inputs[k].name) && (!inputs[k].has_shape || !closed(inputs[k].shape)))
        options.shapes.try_emplace(inputs[k].name, ShapeProfile{shapes[k], shapes[k], shapes[k]});
    options.shape_values = values;
  };
  if (!args.random && model.keeps_all_outputs()) {
    std::vector<Missing> missing;
    for (const ModelInput& i : inputs)
      if (!given.contains(i.name)) missing.push_back({i.name, i.dtype, i.shape});
    if (!missing.empty()) fail_missing(missing, args);
  }
  // What a report costs is two copies of the graph.
  const bool hooked = hooks != nullptr || !own.fed_initializers.empty() || !random_integers.empty();
  Prepared prepared{
      open(model, adjust, hooked ? &own : nullptr, random_integers), {}, std::move(random_integers), nullptr};
  if (!fixed.empty() && !model.quiet())
    note("dimensions that the model leaves open are those of the inputs (min = opt = max): " + fixed);
  if (const ir::Graph* graph = own.report->planned.get();
      graph != nullptr && !prepared.random_integers.empty() && !model.quiet())
    note_roles(*graph, prepared.random_integers);
  const Engine& engine = prepared.opened.engine;
  std::vector<Missing> missing;
  for (std::size_t k = 0; k < engine.inputs().size(); ++k) {
    const TensorInfo& info = engine.inputs()[k];
    const auto it = given.tensors.find(info.name);
    if (it == given.tensors.end() && !args.random) missing.push_back({info.name, info.dtype, info.opt});
    else
      prepared.inputs.push_back(it != given.tensors.end() ? it->second
                                                          : random_tensor(info.dtype, info.opt, args.seed + k));
  }
  if (!missing.empty()) fail_missing(missing, args);
  return prepared;
}

Prepared prepare_engine(const ModelArgs& model, const InputArgs& args) {
  ModelArgs::Opened opened = model.open();
  if (is_language_model(opened.engine)) return prepare_language_model(std::move(opened), model, args);
  Prepared prepared{std::move(opened), {}, {}, nullptr};
  const Engine& engine = prepared.opened.engine;
  const auto shapes = model.run_shapes(engine);
  std::vector<ModelInput> inputs;
  std::vector<std::string> outputs;
  for (const TensorInfo& i : engine.inputs()) inputs.push_back({i.name, i.dtype, true, i.min, i.symbols});
  for (const TensorInfo& o : engine.outputs()) outputs.push_back(o.name);
  const auto fits = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    for (const TensorInfo& i : engine.inputs())
      if (i.name == name) check_range(i, shape);
  };
  const Given given = read_given(args, inputs, {}, shapes, [&] { return outputs; }, fits);
  std::vector<Missing> missing;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const TensorInfo& info = engine.inputs()[k];
    Tensor tensor;
    if (const auto it = given.tensors.find(info.name); it != given.tensors.end()) {
      tensor = it->second;
    } else if (const auto number = given.numbers.find(info.name); number != given.numbers.end()) {
      tensor = tensor_of_numbers(info.name, number->second, info.dtype, shapes[k]);
    } else if (args.random) {
      tensor = random_tensor(info.dtype, shapes[k], args.seed + k);
      if (is_integral(info.dtype)) prepared.random_integers.push_back(info.name);
    } else {
      missing.push_back({info.name, info.dtype, info.opt});
      continue;
    }
    check_range(info, tensor.shape());
    prepared.inputs.push_back(std::move(tensor));
  }
  if (!missing.empty()) fail_missing(missing, args);
  if (!prepared.random_integers.empty() && !model.quiet()) note_roles(engine, prepared.random_integers);
  return prepared;
}

}  // namespace

void InputArgs::add_to(CommandOptions& app, bool random_by_default) {
  random = random_by_default;
  app.add_option("--input,-i", files,
                 "a tensor: NAME=FILE.npy or NAME=FILE.pb; an .npz gives all of its arrays by name; a picture is "
                 "stretched to fit, in 0..1; a number (sr=16000, mask=1) fills the input, more are its elements "
                 "(size=640,480)")
      .allow_extra_args(false)
      .type_name("[NAME=]FILE")
      .file(FileRole::reads);
  if (!random_by_default) app.add_flag("--random", random, "random values for the inputs that no file gives");
  app.add_option("--seed", seed, "of random inputs").type_name("N");
}

void take_inputs(std::vector<io::NamedTensor>& arrays, const std::string& file, const ModelArgs& model,
                 InputArgs& args) {
  std::set<std::string> names;
  for (const ModelInput& i : model.all_inputs()) names.insert(i.name);
  for (const ModelInput& i : model.default_inputs()) names.insert(i.name);
  args.tensors_from = file;
  for (const io::NamedTensor& t : arrays)
    if (names.contains(t.name)) args.tensors.emplace(t.name, t.tensor);
  std::erase_if(arrays, [&](const io::NamedTensor& t) { return names.contains(t.name); });
}

std::vector<std::int64_t> shape_values(const Tensor& tensor) {
  std::vector<std::int64_t> values;
  if (!is_integer(tensor.dtype()) || dtype_bits(tensor.dtype()) < 8 || tensor.numel() > kMaxShapeElements)
    return values;
  const ElementAccess& access = element_access(tensor.dtype());
  for (std::int64_t i = 0; i < tensor.numel(); ++i) values.push_back(access.load_int(tensor.ref().data, i));
  return values;
}

Prepared prepare(const ModelArgs& model, const InputArgs& args, const BuildHooks* hooks) {
  if (model.is_language_model()) return prepare_language_model(model.open({}, hooks), model, args);
  return model.is_engine() ? prepare_engine(model, args) : prepare_onnx(model, args, hooks);
}

std::string with_random_inputs(const std::string& what, const Prepared& prepared) {
  return prepared.random_integers.empty() ? what
                                          : fmt::format("{}\n  try: {}", what, random_hint(prepared.random_integers));
}

void begin_sequence(Context& context, const Prepared& prepared) {
  if (prepared.sequence == nullptr) return;
  context.unbind_sequences();
  check(context, prepared.sequence->truncate(0));
  check(context, prepared.sequence->reserve(prepared.inputs.at(0).numel()));
  check(context, context.bind_sequence(*prepared.sequence));
}

void run_checked(Context& context, const Prepared& prepared) {
  begin_sequence(context, prepared);
  if (const Status status = context.run(); !status)
    throw RunError(with_random_inputs(context.describe(status), prepared));
}

}  // namespace monza::tool
