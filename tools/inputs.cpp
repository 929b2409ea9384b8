#include "tools/inputs.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.h"
#include "import/onnx/tensor_file.h"
#include "io/npy.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tools/command.h"
#include "tools/picture.h"
#include "tools/terminal.h"

namespace monza::tool {
namespace {

/// Integer inputs of at most this many elements may decide extents; their values go to the build.
constexpr std::int64_t kMaxShapeElements = 64;

using Given = std::map<std::string, Tensor>;

/// Reads the files; `inputs` are the model's, in order, and `shapes` the extents that a picture is made to fit.
Given read_inputs(const std::vector<std::string>& files, const std::vector<ModelInput>& inputs,
                  const std::vector<std::vector<std::int64_t>>& shapes) {
  Given given;
  const auto known = [&](const std::string& name) {
    return std::any_of(inputs.begin(), inputs.end(), [&](const ModelInput& i) { return i.name == name; });
  };
  const auto add = [&](const std::string& name, Tensor tensor, const std::string& file) {
    const auto input = std::find_if(inputs.begin(), inputs.end(), [&](const ModelInput& i) { return i.name == name; });
    if (input == inputs.end()) {
      std::string names;
      for (const ModelInput& i : inputs) names += (names.empty() ? "'" : ", '") + i.name + "'";
      throw UsageError(fmt::format("the model has no input '{}' (for '{}'); it has {}", name, file, names));
    }
    tensor = io::as_model_type(tensor, input->dtype);
    if (tensor.dtype() != input->dtype && input->dtype != DType::invalid)
      throw Error(fmt::format("the file holds {}, the model's input is {}", dtype_name(tensor.dtype()),
                              dtype_name(input->dtype)),
                  fmt::format("convert it: numpy.save(FILE, array.astype(...)) for {}", dtype_name(input->dtype)))
          .at(fmt::format("input '{}' from '{}'", name, file));
    if (!given.emplace(name, std::move(tensor)).second)
      throw UsageError(fmt::format("input '{}' is given twice", name));
  };
  for (const std::string& text : files) {
    // NAME=FILE, where names and files may hold '=' too: the longest known name that the text begins with decides.
    std::string name, file = text;
    for (const ModelInput& i : inputs)
      if (text.size() > i.name.size() && text.starts_with(i.name) && text[i.name.size()] == '=' &&
          i.name.size() >= name.size()) {
        name = i.name;
        file = text.substr(i.name.size() + 1);
      }
    if (name.empty() && text.find('=') != std::string::npos && !std::filesystem::exists(text))
      std::tie(name, file) = split_assignment(text, "--input");
    if (is_picture(file)) {
      const auto input = std::find_if(inputs.begin(), inputs.end(),
                                      [&](const ModelInput& i) { return i.name == name || inputs.size() == 1; });
      if (input == inputs.end())
        throw UsageError(fmt::format("which input is '{}' for?\n  try: --input NAME={}", file, file));
      add(input->name, picture_tensor(file, input->dtype, shapes[std::size_t(input - inputs.begin())]), file);
      continue;
    }
    std::vector<io::NamedTensor> found = read_tensor_file(file);
    if (!name.empty()) {
      if (found.size() != 1)
        throw UsageError(
            fmt::format("'{}' holds {} arrays; leave out '{}=' to take each by its name", file, found.size(), name));
      add(name, std::move(found[0].tensor), file);
    } else if (found.size() == 1 && inputs.size() == 1 && !known(found[0].name)) {
      add(inputs[0].name, std::move(found[0].tensor), file);
    } else {
      for (io::NamedTensor& t : found) {
        if (t.name.empty())
          throw UsageError(fmt::format("'{}' does not say which of the model's {} inputs it is\n  try: --input NAME={}",
                                       file, inputs.size(), file));
        add(t.name, std::move(t.tensor), file);
      }
    }
  }
  return given;
}

[[noreturn]] void missing_input(const std::string& name, DType dtype, const std::vector<std::int64_t>& shape) {
  throw UsageError(fmt::format("input '{}' ({} {}) is not given\n  try: --input {}=FILE.npy, or --random", name,
                               dtype_name(dtype), extents_text(shape), name));
}

void check_shape(const ModelInput& input, const std::vector<std::int64_t>& wanted, const Tensor& tensor) {
  bool fits = !input.has_shape || wanted.size() == tensor.shape().size();
  for (std::size_t a = 0; fits && input.has_shape && a < wanted.size(); ++a)
    fits = wanted[a] < 0 || wanted[a] == tensor.shape()[a];
  if (!fits)
    throw Error(fmt::format("input '{}' has the shape {}, the model takes {}", input.name, extents_text(tensor.shape()),
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

Prepared prepare_onnx(const ModelArgs& model, const InputArgs& args, const BuildHooks* hooks) {
  const std::vector<ModelInput> inputs = model.declared_inputs();
  auto shapes = model.shapes_for(inputs);
  Given given = read_inputs(args.files, inputs, shapes);
  given.insert(args.tensors.begin(), args.tensors.end());
  for (std::size_t k = 0; k < inputs.size(); ++k)
    if (const auto it = given.find(inputs[k].name); it != given.end()) {
      check_shape(inputs[k], shapes[k], it->second);
      shapes[k] = it->second.shape();
    }
  spread_symbols(inputs, shapes);
  std::map<std::string, std::vector<std::int64_t>> values;
  std::string fixed;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const ModelInput& input = inputs[k];
    const bool known = (input.has_shape || !shapes[k].empty() || given.contains(input.name)) && closed(shapes[k]);
    if (!given.contains(input.name) && args.random && known)
      given.emplace(input.name, random_tensor(input.dtype, shapes[k], args.seed + k));
    const auto it = given.find(input.name);
    if (it == given.end()) continue;
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
  if (!args.random)
    for (const ModelInput& i : inputs)
      if (!given.contains(i.name) && model.keeps_all_outputs()) missing_input(i.name, i.dtype, i.shape);
  Prepared prepared{model.open(adjust, hooks), {}};
  if (!fixed.empty() && !model.quiet())
    note("dimensions that the model leaves open are those of the inputs (min = opt = max): " + fixed);
  const Engine& engine = prepared.opened.engine;
  for (std::size_t k = 0; k < engine.inputs().size(); ++k) {
    const TensorInfo& info = engine.inputs()[k];
    const auto it = given.find(info.name);
    if (it == given.end() && !args.random) missing_input(info.name, info.dtype, info.opt);
    prepared.inputs.push_back(it != given.end() ? it->second : random_tensor(info.dtype, info.opt, args.seed + k));
  }
  return prepared;
}

Prepared prepare_engine(const ModelArgs& model, const InputArgs& args) {
  Prepared prepared{model.open(), {}};
  const Engine& engine = prepared.opened.engine;
  const auto shapes = model.run_shapes(engine);
  std::vector<ModelInput> inputs;
  for (const TensorInfo& i : engine.inputs()) inputs.push_back({i.name, i.dtype, true, i.min, i.symbols});
  Given given = read_inputs(args.files, inputs, shapes);
  given.insert(args.tensors.begin(), args.tensors.end());
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const TensorInfo& info = engine.inputs()[k];
    const auto it = given.find(info.name);
    if (it == given.end() && !args.random) missing_input(info.name, info.dtype, info.opt);
    Tensor tensor = it != given.end() ? it->second : random_tensor(info.dtype, shapes[k], args.seed + k);
    bool fits = tensor.shape().size() == info.min.size();
    for (std::size_t a = 0; fits && a < info.min.size(); ++a)
      fits = tensor.shape()[a] >= info.min[a] && tensor.shape()[a] <= info.max[a];
    if (!fits) {
      const bool fixed = info.min == info.max;
      throw Error(
          fmt::format("input '{}' has the shape {}, the engine takes {}", info.name, extents_text(tensor.shape()),
                      fixed ? extents_text(info.min) : extents_text(info.min) + " to " + extents_text(info.max)),
          fixed ? "build an engine with --shape, or with --min-shape and --max-shape around it"
                : "build an engine with a wider --min-shape and --max-shape");
    }
    prepared.inputs.push_back(std::move(tensor));
  }
  return prepared;
}

}  // namespace

void InputArgs::add_to(CommandOptions& app, bool random_by_default) {
  random = random_by_default;
  app.add_option("--input,-i", files,
                 "a tensor: NAME=FILE.npy or NAME=FILE.pb; an .npz gives all of its arrays by name; a picture is "
                 "stretched to fit, in 0..1")
      .allow_extra_args(false)
      .type_name("[NAME=]FILE");
  if (!random_by_default) app.add_flag("--random", random, "random values for the inputs that no file gives");
  app.add_option("--seed", seed, "of random inputs").type_name("N");
}

std::vector<io::NamedTensor> read_tensor_file(const std::filesystem::path& path) {
  const std::string ending = path.extension().string();
  if (ending == ".npy") return {{"", io::read_npy(path)}};
  if (ending == ".npz") return io::read_npz(path);
  if (ending == ".pb") {
    const OnnxTensorFile file = read_onnx_tensor(path);
    return {{file.name, tensor_of(*file.value)}};
  }
  throw UsageError(
      fmt::format("'{}' is of no known kind\n  try: a file that ends in .npy, .npz or .pb (or, as an input, a picture)",
                  path.string()));
}

std::vector<std::int64_t> shape_values(const Tensor& tensor) {
  std::vector<std::int64_t> values;
  if (!is_integer(tensor.dtype()) || dtype_bits(tensor.dtype()) < 8 || tensor.numel() > kMaxShapeElements)
    return values;
  const ElementAccess& access = element_access(tensor.dtype());
  for (std::int64_t i = 0; i < tensor.numel(); ++i) values.push_back(access.load_int(tensor.ref().data, i));
  return values;
}

Tensor tensor_of(const ir::Constant& constant) {
  if (constant.dtype == DType::string)
    return Tensor::of_strings(std::vector<std::string_view>(constant.strings.begin(), constant.strings.end()),
                              {constant.shape.dim, constant.shape.dim + constant.shape.rank});
  Tensor tensor(constant.dtype, {constant.shape.dim, constant.shape.dim + constant.shape.rank});
  if (!constant.bytes.empty()) std::memcpy(tensor.ref().data, constant.bytes.data(), constant.bytes.size());
  return tensor;
}

Tensor random_tensor(DType dtype, const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  Tensor tensor(dtype, shape);
  const ElementAccess& access = element_access(dtype);
  if (access.store == nullptr && dtype != DType::c64)
    fail_hint("--input NAME=FILE", "random values of type {} are not supported", dtype_name(dtype));
  // SplitMix64: enough for test data, and the same on every machine.
  std::uint64_t state = seed * 0x9e3779b97f4a7c15u + 0x2545f4914f6cdd1du;
  const auto next = [&] {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  };
  const std::int64_t count = tensor.numel();
  void* data = tensor.ref().data;
  if (dtype == DType::f32 || dtype == DType::c64) {
    auto* out = static_cast<float*>(data);
    for (std::int64_t i = 0; i < (dtype == DType::c64 ? 2 * count : count); ++i)
      out[i] = float(next() >> 40) * 0x1p-24f;
  } else if (is_float(dtype)) {
    for (std::int64_t i = 0; i < count; ++i) access.store(data, i, double(next() >> 11) * 0x1p-53);
  } else {
    const bool byte = dtype == DType::u8 || dtype == DType::i8;
    for (std::int64_t i = 0; i < count; ++i) access.store_int(data, i, std::int64_t(next() >> 32 & (byte ? 255 : 1)));
  }
  return tensor;
}

Prepared prepare(const ModelArgs& model, const InputArgs& args, const BuildHooks* hooks) {
  return model.is_engine() ? prepare_engine(model, args) : prepare_onnx(model, args, hooks);
}

void check(const Context& context, const Status& status) {
  if (!status) throw RunError(context.describe(status));
}

void bind_inputs(const Engine& engine, Context& context, const std::vector<Tensor>& inputs) {
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Status status = context.bind_input(k, inputs[k]);
    if (!status) throw RunError(fmt::format("input '{}': {}", engine.inputs()[k].name, context.describe(status)));
  }
}

}  // namespace monza::tool
