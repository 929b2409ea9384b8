#include "tools/args/given_inputs.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/error.h"
#include "io/npy.h"
#include "tensor/dtype.h"
#include "tools/args/command.h"
#include "tools/args/input_numbers.h"
#include "tools/args/picture.h"

namespace monza::tool {
namespace {

class Reader {
 public:
  Reader(const std::vector<ModelInput>& inputs, const std::vector<ModelInput>& defaults,
         const std::vector<std::vector<std::int64_t>>& shapes, std::function<std::vector<std::string>()> outputs,
         ShapeCheck check)
      : inputs_(inputs), defaults_(defaults), shapes_(shapes), outputs_(std::move(outputs)), check_(std::move(check)) {}

  Given read(const InputArgs& args) {
    for (const std::string& text : args.files) take(text);
    for (const auto& [name, tensor] : args.tensors)
      if (!given_.contains(name) && find(name) != nullptr) add(name, tensor, args.tensors_from);
    return std::move(given_);
  }

 private:
  const ModelInput* find(const std::string& name) const {
    for (const auto* list : {&inputs_, &defaults_})
      for (const ModelInput& i : *list)
        if (i.name == name) return &i;
    return nullptr;
  }
  const ModelInput& known(const std::string& name, const std::string& what) const {
    if (const ModelInput* input = find(name)) return *input;
    std::string names;
    for (const ModelInput& i : inputs_) names += (names.empty() ? "'" : ", '") + i.name + "'";
    throw UsageError(message("the model has no input '{}' (for '{}'); it has {}", name, what, names));
  }
  void once(const std::string& name) const {
    if (given_.contains(name)) throw UsageError(message("input '{}' is given twice", name));
  }
  void add(const std::string& name, Tensor tensor, const std::string& file) {
    const ModelInput& input = known(name, file);
    once(name);
    tensor = io::as_model_type(tensor, input.dtype);
    if (tensor.dtype() != input.dtype && input.dtype != DType::invalid)
      throw Error(
          message("the file holds {}, the model's input is {}", dtype_name(tensor.dtype()), dtype_name(input.dtype)),
          fmt::format("convert it: numpy.save(FILE, array.astype(...)) for {}", dtype_name(input.dtype)))
          .at(file.empty() ? fmt::format("input '{}'", name) : fmt::format("input '{}' from '{}'", name, file));
    check_(name, tensor.shape());
    given_.tensors.emplace(name, std::move(tensor));
  }

  void take(const std::string& text) {
    // NAME=VALUE, where names and files may hold '=' too: the longest known name that the text begins with decides.
    std::string name, value = text;
    for (const auto* list : {&inputs_, &defaults_})
      for (const ModelInput& i : *list)
        if (text.size() > i.name.size() && text.starts_with(i.name) && text[i.name.size()] == '=' &&
            i.name.size() >= name.size()) {
          name = i.name;
          value = text.substr(i.name.size() + 1);
        }
    if (name.empty() && text.find('=') != std::string::npos && !std::filesystem::exists(text))
      std::tie(name, value) = split_assignment(text, "--input");
    if (!name.empty()) known(name, value);
    if (!name.empty() && is_numbers(value) && !std::filesystem::exists(value)) {
      once(name);
      given_.numbers.emplace(name, value);
    } else if (is_picture(value)) {
      take_picture(name, value);
    } else {
      take_arrays(name, value);
    }
  }
  void take_picture(const std::string& name, const std::string& file) {
    if (name.empty() && inputs_.size() != 1)
      throw UsageError(message("which input is '{}' for?\n  try: --input NAME={}", file, file));
    const ModelInput& input = name.empty() ? inputs_[0] : known(name, file);
    once(input.name);
    std::vector<std::int64_t> shape = input.shape;
    for (std::size_t k = 0; k < inputs_.size(); ++k)
      if (inputs_[k].name == input.name) shape = shapes_[k];
    add(input.name, picture_tensor(file, input.dtype, std::move(shape)), file);
  }
  void take_arrays(const std::string& name, const std::string& file) {
    std::vector<io::NamedTensor> found = read_tensor_file(file, [&](const std::string& array, const io::NpyInfo& info) {
      const std::string& input = name.empty() ? array : name;
      if (find(input) != nullptr) check_(input, info.shape);
    });
    if (!name.empty()) {
      if (found.size() != 1)
        throw UsageError(
            message("'{}' holds {} arrays; leave out '{}=' to take each by its name", file, found.size(), name));
      return add(name, std::move(found[0].tensor), file);
    }
    if (found.size() == 1 && inputs_.size() == 1 && find(found[0].name) == nullptr && is_nameless(found[0], file))
      return add(inputs_[0].name, std::move(found[0].tensor), file);
    bool any = false;
    std::string outputs;
    for (io::NamedTensor& t : found) {
      if (find(t.name) == nullptr && is_nameless(t, file))
        throw UsageError(message("'{}' does not say which of the model's {} inputs it is\n  try: --input NAME={}", file,
                                 inputs_.size(), file));
      if (find(t.name) == nullptr && is_output(t.name)) {
        outputs += (outputs.empty() ? "'" : ", '") + t.name + "'";
        continue;  // a file of `run --save-inputs` holds both
      }
      any = true;
      add(t.name, std::move(t.tensor), file);
    }
    if (!any && !outputs.empty())
      throw UsageError(
          message("'{}' holds outputs of the model alone: {}\n  try: a file of inputs; `monza run "
                  "MODEL --output FILE --save-inputs` writes both",
                  file, outputs));
  }
  bool is_output(const std::string& name) {
    if (!known_outputs_) known_outputs_ = outputs_();
    return std::find(known_outputs_->begin(), known_outputs_->end(), name) != known_outputs_->end();
  }

  const std::vector<ModelInput>&inputs_, &defaults_;
  const std::vector<std::vector<std::int64_t>>& shapes_;
  std::function<std::vector<std::string>()> outputs_;
  ShapeCheck check_;
  std::optional<std::vector<std::string>> known_outputs_;
  Given given_;
};

}  // namespace

Given read_given(const InputArgs& args, const std::vector<ModelInput>& inputs, const std::vector<ModelInput>& defaults,
                 const std::vector<std::vector<std::int64_t>>& shapes,
                 const std::function<std::vector<std::string>()>& outputs, const ShapeCheck& check) {
  return Reader(inputs, defaults, shapes, outputs, check).read(args);
}

void fail_missing(const std::vector<Missing>& missing, const InputArgs& args) {
  std::string list;
  for (const Missing& m : missing)
    list += fmt::format("{}'{}' ({} {})", list.empty() ? "" : ", ", m.name, dtype_name(m.dtype), extents_text(m.shape));
  const std::string fact =
      missing.size() == 1 ? fmt::format("input {} is not given", list) : fmt::format("inputs {} are not given", list);
  if (!args.tensors_from.empty())
    throw UsageError(
        message("{}, and '{}' has no array of that name\n  try: --input {}=FILE.npy; `monza run MODEL "
                "--output FILE --save-inputs` writes inputs and outputs",
                fact, args.tensors_from, missing[0].name));
  throw UsageError(message("{}\n  try: --input {}=FILE.npy, or --random", fact, missing[0].name));
}

void check_range(const TensorInfo& info, const std::vector<std::int64_t>& shape) {
  bool fits = shape.size() == info.min.size();
  for (std::size_t a = 0; fits && a < info.min.size(); ++a) fits = shape[a] >= info.min[a] && shape[a] <= info.max[a];
  if (fits) return;
  const bool fixed = info.min == info.max;
  throw Error(message("input '{}' has the shape {}, the engine takes {}", info.name, extents_text(shape),
                      fixed ? extents_text(info.min) : extents_text(info.min) + " to " + extents_text(info.max)),
              fixed ? "build an engine with --shape, or with --min-shape and --max-shape around it"
                    : "build an engine with a wider --min-shape and --max-shape");
}

}  // namespace monza::tool
