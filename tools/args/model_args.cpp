#include "tools/args/model_args.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/cpu.h"
#include "base/error.h"
#include "base/file_kind.h"
#include "base/limits.h"
#include "engine/build_report.h"
#include "engine/options_key.h"
#include "import/onnx/onnx_import.h"
#include "import/onnx/tensor_file.h"
#include "tensor/dtype.h"
#include "tools/args/command.h"
#include "tools/args/help.h"
#include "tools/args/language_inputs.h"
#include "tools/text/terminal.h"

namespace monza::tool {

DType parse_dtype_name(const std::string& text) {
  static constexpr std::pair<const char*, DType> kOther[] = {
      {"fp32", DType::f32},    {"float32", DType::f32}, {"float", DType::f32},   {"fp64", DType::f64},
      {"float64", DType::f64}, {"fp16", DType::f16},    {"float16", DType::f16}, {"bfloat16", DType::bf16},
      {"int8", DType::i8},     {"uint8", DType::u8},    {"int32", DType::i32},   {"int64", DType::i64}};
  for (const auto& [name, type] : kOther)
    if (text == name) return type;
  const DType type = parse_dtype(text);
  if (type == DType::invalid)
    throw UsageError(message("'{}' is no element type\n  try: f32, f16, bf16, u8, i8, i32 or i64", text));
  return type;
}

namespace {

template <typename T, std::size_t N>
T named(const std::string& text, const T (&all)[N], const char* (*name)(T)) {
  std::string known;
  for (T value : all) {
    if (text == name(value)) return value;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", name(value));
  }
  throw UsageError(message("'{}' is not known\n  try: one of {}", text, known));
}
Precision parse_precision(const std::string& text) { return named(text, kPrecisions, precision_name); }
Device parse_device(const std::string& text) { return named(text, kDevices, device_name); }

/// "NODE=fp32,bf16,cpu": names of precisions and devices, in any order.
NodeConstraint parse_node_constraint(const std::string& text) {
  const std::size_t at = text.rfind('=');
  if (at == text.npos || at == 0 || at + 1 == text.size())
    throw UsageError(message("--constrain '{}' is not of the form NODE=fp32,bf16,..", text));
  try {
    return {text.substr(0, at), parse_constraint(std::string_view(text).substr(at + 1))};
  } catch (const Error& e) {
    throw UsageError(e.at(message("--constrain '{}'", text)).what());
  }
}

/// An option that may be given several times, one value each.
Option repeated(CommandOptions& app, const std::string& name, std::vector<std::string>& values,
                const std::string& help) {
  return app.add_option(name, values, help).allow_extra_args(false).type_name("TEXT");
}

}  // namespace

void ModelArgs::add_to(CommandOptions& app, Use use) {
  if (use == Use::source)
    app.add_option("--model", model, "an ONNX file or an engine file").type_name("FILE").file(FileRole::reads_model);
  else if (use != Use::serve)
    app.add_option("MODEL", model,
                   fmt::format("{}{}", takes_language_models ? "an ONNX file, a GGUF file" : "an ONNX file",
                               use == Use::build ? "" : " or an engine file"))
        .required()
        .type_name("FILE")
        .file(FileRole::reads_model);
  repeated(app, "--plugin", plugins_, "a shared library with operators that MODEL needs (repeat for more)")
      .type_name("FILE")
      .file(FileRole::loads);
  const char* shapes = "Shapes";
  repeated(app, "--shape", shapes_, "extents of an input, or of a dimension by its name: images=1x3x640x640, batch=4")
      .group(shapes)
      .type_name("NAME=1x3x..");
  repeated(app, "--min-shape", min_shapes_, "smallest extents of a dynamic input")
      .group(shapes)
      .type_name("NAME=1x3x..");
  repeated(app, "--opt-shape", opt_shapes_, "extents to plan and tune for").group(shapes).type_name("NAME=1x3x..");
  repeated(app, "--max-shape", max_shapes_, "largest extents; memory is planned for them")
      .group(shapes)
      .type_name("NAME=1x3x..");
  repeated(app, "--profile", profiles_,
           "a range of shapes with a plan of its own: images=1x3x224x224..4x3x224x224..8x3x224x224 (min..opt..max, or "
           "min..max) or batch=1..4..8; more inputs or dimensions behind a space; repeat for more profiles")
      .group(shapes)
      .type_name("NAME=MIN..OPT..MAX");
  const char* build = use == Use::build ? "Build" : "Build (when MODEL is an ONNX file)";
  app.add_option("--precision", precision_, "fp32 (default), bf16, fp16 or int8")
      .one_of({"fp32", "bf16", "fp16", "int8"})
      .group(build)
      .type_name("P");
  app.add_option("--device", device_, "cpu (default), cuda, or reference: plain loops to compare with")
      .one_of({"cpu", "cuda", "reference"})
      .group(build)
      .type_name("D");
  repeated(app, "--constrain", constraints_,
           "precisions and devices that the nodes of that name may use, in place of --precision and --device; * and ? "
           "stand for any text and any character, the last that names a node counts")
      .group(build)
      .type_name("NODE=P,..");
  app.add_flag(
         "--allow-cpu-nodes", allow_cpu_nodes_,
         "a node for which --device has no kernel runs on the CPU, with copies around it (inspect --plan shows them)")
      .group(build);
  app.add_option("--threads", threads, "threads of each run (default: all that this process may use)")
      .range(1, 4096)
      .type_name("N");
  app.add_option("--isa", isa_, "use a lower instruction set: baseline, avx2, avx512, avx512vnni, ...")
      .group(build)
      .type_name("ISA");
  repeated(app, "--outputs", outputs_, "keep only this output and what it needs (repeat, or a,b,c)")
      .group(build)
      .delimiter(',')
      .type_name("NAME");
  repeated(
      app, "--feed", feed_,
      "keep an initializer that the model lists among its inputs as an input of the engine (`run --input` does it by "
      "itself)")
      .group(build)
      .delimiter(',')
      .type_name("NAME");
  repeated(
      app, "--io-type", io_types_,
      "element type of an input or output, which the engine converts: images=u8; without NAME: of all that hold floats")
      .group(build)
      .type_name("[NAME=]TYPE");
  app.add_option("--timing-cache", timing_cache_,
                 "file of kernel timings, read and written: a second build measures nothing")
      .group(build)
      .type_name("FILE")
      .file(FileRole::updates);
  app.add_option("--max-memory", max_memory_,
                 "refuse to build what needs more for weights and activations at its largest shapes: bytes, 256M, 2G")
      .group(build)
      .type_name("BYTES");
  app.add_option("--max-build-seconds", max_build_seconds_, "stop timing kernels after this long; 0: no limit")
      .capture_default_str()
      .non_negative()
      .group(build)
      .type_name("S");
  for (const LimitInfo& limit : limit_list()) {
    const std::string option = limit_option(limit.field);
    const std::int64_t value = Limits{}.*limit.field;
    app.add_option(option, limits_[option],
                   fmt::format("limit of {} (default {})", limit.bounds,
                               limit.bytes ? size_text(value) : std::to_string(value)))
        .group(kLimitsGroup)
        .type_name(limit.bytes ? "BYTES" : "N");
  }
  app.add_help_of_limits();
  // Not one flag with a default: an option that is absent must leave the default of the command alone.
  app.add_flag_callback(
         "--tune", [this] { tune_ = true; },
         tune_by_default ? "time candidate kernels (the default)" : "time candidate kernels")
      .group(build);
  app.add_flag_callback(
         "--no-tune", [this] { tune_ = false; },
         tune_by_default ? "take the first kernel that fits" : "take the first kernel that fits (the default)")
      .group(build);
  repeated(app, "--disable-pass", disabled_passes_, "skip a pass by name")
      .group(build)
      .delimiter(',')
      .type_name("NAME");
  app.add_option("--max-rewrites", max_rewrites_, "stop the passes after this many rewrites, to bisect a wrong output")
      .group(build)
      .type_name("N");
  app.add_flag("--strict-rewrites", strict_rewrites_, "fail where a rewrite cannot be made, instead of leaving it out")
      .group(build);
  app.add_option("--tactic-seed", tactic_seed_, "time nothing: draw kernels and layouts from this seed, to test plans")
      .group(build)
      .type_name("N");
  app.add_flag("--no-optimize", no_optimize_, "no fusions, no layouts, reference kernels: to compare with")
      .group(build);
  app.add_flag("--batch-invariant", batch_invariant_, "only kernels whose row results do not depend on the batch")
      .group(build);
  if (use == Use::build) {
    app.add_flag("--strip", strip_, "leave the graph and original weights out of the engine").group(build);
    app.add_flag("--external-weights", external_weights_,
                 "leave weights that need no packing in the model's data files, which must lie in the engine's folder")
        .group(build);
    repeated(app, "--metadata", metadata_, "text stored in the engine").group(build).type_name("KEY=VALUE");
  } else {
    const char* load = "Load";
    app.add_flag("--verify", verify_, "check the checksum of every weight block of an engine file").group(load);
    app.add_flag("--copy-weights", copy_weights_,
                 "copy the weights of an engine file instead of mapping them: what happens to the file later does not "
                 "matter")
        .group(load);
    app.add_flag("--prefault", prefault_, "touch all pages of weights and activations before the first run")
        .group(load);
    app.add_flag("--pin", pin_, "bind each worker thread to one CPU").group(load);
  }
  app.add_flag("--quiet,-q", quiet_, "no progress and no notes on standard error");
}

bool ModelArgs::is_engine() const { return Engine::is_engine_file(model); }
bool ModelArgs::is_language_model() const { return takes_language_models && file_kind(model) == FileKind::gguf; }

std::vector<ModelInput> ModelArgs::declared_inputs() const {
  if (is_engine()) return {};
  if (is_language_model()) return language_model_inputs();
  return typed(onnx_inputs(model, limits()));
}

std::vector<ModelInput> ModelArgs::default_inputs() const {
  return is_engine() || is_language_model() ? std::vector<ModelInput>{} : typed(onnx_defaults(model, limits()));
}

std::vector<ModelInput> ModelArgs::typed(std::vector<OnnxInput> declared) const {
  std::vector<ModelInput> inputs;
  for (OnnxInput& i : declared)
    inputs.push_back({std::move(i.name), i.dtype, i.has_shape, std::move(i.shape), std::move(i.symbols)});
  const auto types = io_types();
  for (ModelInput& i : inputs) {
    if (const auto it = types.find(i.name); it != types.end()) i.dtype = it->second;
    else if (const auto all = types.find(""); all != types.end() && is_float(i.dtype)) i.dtype = all->second;
  }
  return inputs;
}

Limits ModelArgs::limits() const {
  Limits limits;
  for (const LimitInfo& limit : limit_list())
    if (const auto it = limits_.find(limit_option(limit.field)); it != limits_.end() && !it->second.empty())
      limits.*limit.field =
          limit.bytes ? parse_bytes(it->second, it->first.c_str()) : parse_count(it->second, it->first.c_str());
  return limits;
}

std::map<std::string, DType> ModelArgs::io_types() const {
  std::map<std::string, DType> types;
  for (const std::string& text : io_types_) {
    const std::size_t at = text.rfind('=');
    const std::string name = at == std::string::npos ? "" : text.substr(0, at);
    types[name] = parse_dtype_name(at == std::string::npos ? text : text.substr(at + 1));
  }
  return types;
}

std::map<std::string, std::vector<std::int64_t>> ModelArgs::shapes_of(const std::vector<std::string>& given,
                                                                      const char* option,
                                                                      const std::vector<ModelInput>& inputs) const {
  std::map<std::string, std::vector<std::int64_t>> shapes;
  const auto shape_for = [&](const ModelInput& input) -> std::vector<std::int64_t>& {
    return shapes.try_emplace(input.name, input.shape).first->second;
  };
  for (const std::string& text : given) {
    std::string name, value = text;
    if (text.find('=') != std::string::npos) {
      std::tie(name, value) = split_assignment(text, option);
    } else if (inputs.size() == 1) {
      name = inputs[0].name;
    } else {
      throw UsageError(
          message("{0} '{1}' names no input, and the model has {2}\n  try: {0} NAME={1}", option, text, inputs.size()));
    }
    const auto extents = parse_extents(value);
    const auto input = std::find_if(inputs.begin(), inputs.end(), [&](const ModelInput& i) { return i.name == name; });
    if (input != inputs.end()) {
      auto& shape = shape_for(*input);
      if (!input->has_shape) shape.assign(extents.size(), -1);
      if (extents.size() != shape.size())
        throw UsageError(message("{} '{}' has {} dimensions, the input has {} ({})", option, text, extents.size(),
                                 shape.size(), extents_text(input->shape)));
      for (std::size_t a = 0; a < extents.size(); ++a) {
        if (extents[a] < 0) continue;
        if (a < input->shape.size() && input->shape[a] >= 0 && input->shape[a] != extents[a])
          throw UsageError(message("{} '{}' asks for {} in dimension {}, which the model fixes at {}", option, text,
                                   extents[a], a, input->shape[a]));
        shape[a] = extents[a];
      }
      continue;
    }
    bool found = false;
    for (const ModelInput& i : inputs)
      for (std::size_t a = 0; a < i.symbols.size(); ++a)
        if (i.symbols[a] == name && !name.empty()) {
          if (extents.size() != 1) throw UsageError(message("{} '{}': a dimension takes one extent", option, text));
          shape_for(i)[a] = extents[0];
          found = true;
        }
    if (!found) {
      std::string known;
      for (const ModelInput& i : inputs) {
        known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", i.name, extents_text(i.shape));
        for (const std::string& s : i.symbols)
          if (!s.empty() && known.find("'" + s + "'") == std::string::npos) known += fmt::format(", dimension '{}'", s);
      }
      throw UsageError(message("{} '{}': the model has no input and no dimension of that name\n  try: one of {}",
                               option, text, known));
    }
  }
  // A dimension's name means the same extent in every input.
  std::map<std::string, std::int64_t> by_symbol;
  for (const ModelInput& i : inputs)
    if (const auto it = shapes.find(i.name); it != shapes.end())
      for (std::size_t a = 0; a < i.symbols.size(); ++a)
        if (!i.symbols[a].empty() && it->second[a] >= 0) by_symbol.emplace(i.symbols[a], it->second[a]);
  for (const ModelInput& i : inputs)
    for (std::size_t a = 0; a < i.symbols.size(); ++a)
      if (const auto it = by_symbol.find(i.symbols[a]); it != by_symbol.end() && shape_for(i)[a] < 0)
        shape_for(i)[a] = it->second;
  return shapes;
}

std::vector<std::vector<std::int64_t>> ModelArgs::shapes_for(const std::vector<ModelInput>& inputs) const {
  const auto given = shapes_of(shapes_, "--shape", inputs);
  std::vector<std::vector<std::int64_t>> shapes;
  for (const ModelInput& i : inputs) {
    const auto it = given.find(i.name);
    shapes.push_back(it == given.end() ? i.shape : it->second);
  }
  return shapes;
}

namespace {

std::vector<ModelInput> inputs_of(const Engine& engine) {
  std::vector<ModelInput> inputs;
  for (const TensorInfo& i : engine.inputs()) {
    ModelInput input{i.name, i.dtype, true, i.min, i.symbols};
    for (std::size_t a = 0; a < i.min.size(); ++a)
      if (i.min[a] != i.max[a]) input.shape[a] = -1;
    inputs.push_back(std::move(input));
  }
  return inputs;
}

}  // namespace

std::vector<ModelInput> ModelArgs::all_inputs() const {
  return is_engine() ? inputs_of(Engine::load(model, load_options())) : declared_inputs();
}

std::vector<std::string> ModelArgs::output_names() const {
  std::vector<std::string> names;
  if (is_language_model()) return {"logits"};
  if (!is_engine()) {
    for (const OnnxInterface::Value& o : onnx_interface(model, limits()).outputs) names.push_back(o.name);
    return names;
  }
  for (const TensorInfo& o : Engine::load(model, load_options()).outputs()) names.push_back(o.name);
  return names;
}

std::vector<std::vector<std::int64_t>> ModelArgs::run_shapes(const Engine& engine) const {
  const std::vector<ModelInput> inputs = inputs_of(engine);
  auto shapes = shapes_for(inputs);
  for (std::size_t k = 0; k < shapes.size(); ++k)
    for (std::size_t a = 0; a < shapes[k].size(); ++a)
      if (shapes[k][a] < 0) shapes[k][a] = engine.inputs()[k].opt[a];
  return shapes;
}

std::map<std::string, ShapeProfile> ModelArgs::ranges_of(const std::vector<std::string>& min_shapes,
                                                         const std::vector<std::string>& opt_shapes,
                                                         const std::vector<std::string>& max_shapes, const char* option,
                                                         const std::vector<ModelInput>& inputs) const {
  std::map<std::string, ShapeProfile> ranges;
  const auto fixed = shapes_of(shapes_, "--shape", inputs),
             low = shapes_of(min_shapes, option ? option : "--min-shape", inputs),
             best = shapes_of(opt_shapes, option ? option : "--opt-shape", inputs),
             high = shapes_of(max_shapes, option ? option : "--max-shape", inputs);
  for (const ModelInput& i : inputs) {
    const auto find = [&](const auto& shapes) {
      const auto it = shapes.find(i.name);
      return it == shapes.end() ? std::vector<std::int64_t>{} : it->second;
    };
    std::vector<std::int64_t> min = find(low), opt = find(best), max = find(high);
    if (const auto all = find(fixed); !all.empty()) {
      const auto fill = [&](std::vector<std::int64_t>& shape) {
        if (shape.empty()) shape = all;
        for (std::size_t a = 0; a < all.size(); ++a)
          if (shape[a] < 0) shape[a] = all[a];
      };
      fill(min);
      fill(opt);
      fill(max);
    }
    if (min.empty() && opt.empty() && max.empty()) continue;
    // What is not said follows from what is: the best shape is the largest, the smallest is the best.
    const auto first = [](const auto&... shapes) {
      std::vector<std::int64_t> found;
      ((found = found.empty() ? shapes : found), ...);
      return found;
    };
    const ShapeProfile profile{first(min, opt, max), first(opt, max, min), first(max, opt, min)};
    for (std::size_t a = 0; a < profile.min.size(); ++a)
      if (profile.min[a] >= 0 && profile.opt[a] >= 0 && profile.max[a] >= 0 &&
          (profile.min[a] > profile.opt[a] || profile.opt[a] > profile.max[a]))
        throw UsageError(
            message("input '{}': the shapes are not in order min <= opt <= max in dimension {} ({} / {} / {})", i.name,
                    a, extents_text(profile.min), extents_text(profile.opt), extents_text(profile.max)));
    ranges[i.name] = profile;
  }
  return ranges;
}

BuildOptions ModelArgs::build_options(const std::vector<ModelInput>& inputs) const {
  BuildOptions options = options_without_shapes();
  options.shapes = ranges_of(min_shapes_, opt_shapes_, max_shapes_, nullptr, inputs);
  if (!profiles_.empty() && !(min_shapes_.empty() && opt_shapes_.empty() && max_shapes_.empty()))
    throw UsageError("--profile gives ranges of its own\n  try: leave --min-shape, --opt-shape and --max-shape out");
  for (const std::string& text : profiles_) {
    std::vector<std::string> low, best, high;
    std::istringstream parts(text);
    for (std::string part; parts >> part;) {
      const auto [name, value] = split_assignment(part, "--profile");
      const std::size_t first = value.find(".."), last = value.rfind("..");
      const auto add = [&, name = name](std::vector<std::string>& list, const std::string& shape) {
        list.push_back(name + "=" + shape);
      };
      add(low, value.substr(0, first));
      add(high, last == value.npos ? value : value.substr(last + 2));
      if (first != last) add(best, value.substr(first + 2, last - first - 2));
    }
    if (low.empty()) throw UsageError("--profile '' names no input\n  try: --profile batch=1..4..8");
    options.profiles.push_back(ranges_of(low, best, high, "--profile", inputs));
  }
  return options;
}

BuildOptions ModelArgs::options_without_shapes() const {
  BuildOptions options;
  if (!max_memory_.empty()) options.max_memory = parse_bytes(max_memory_, "--max-memory");
  options.limits = limits();
  options.outputs = outputs_;
  options.io_types = io_types();
  if (!precision_.empty()) options.precision = parse_precision(precision_);
  if (!device_.empty()) options.device = parse_device(device_);
  for (const std::string& text : constraints_) options.constraints.push_back(parse_node_constraint(text));
  options.threads = threads;
  options.isa = isa_;
  options.tune = tune_.value_or(tune_by_default);
  options.optimize = !no_optimize_;
  options.max_build_seconds = max_build_seconds_;
  options.timing_cache = timing_cache_;
  options.disabled_passes = disabled_passes_;
  options.max_rewrites = max_rewrites_;
  options.strict_rewrites = strict_rewrites_;
  if (tactic_seed_ >= 0) options.tactic_seed = static_cast<std::uint64_t>(tactic_seed_);
  options.batch_invariant = batch_invariant_;
  options.strip = strip_;
  options.external_weights = external_weights_;
  options.allow_cpu_nodes = allow_cpu_nodes_;
  for (const std::string& text : metadata_) {
    const std::size_t at = text.find('=');
    if (at == std::string::npos || at == 0)
      throw UsageError(message("--metadata '{}' is not of the form KEY=VALUE", text));
    options.metadata[text.substr(0, at)] = text.substr(at + 1);
  }
  return options;
}

void ModelArgs::check_engine(const Engine& engine) const {
  const Engine::Stats stats = engine.stats();
  const auto differs = [&](const char* what, const std::string& built, const std::string& asked) {
    throw Error(message("the engine was built for {} {}, not {}", what, built, asked),
                fmt::format("build it again from the ONNX file with --{} {}, or leave the option out", what, asked))
        .at("engine '" + model + "'");
  };
  if (!precision_.empty() && parse_precision(precision_) != stats.precision)
    differs("precision", precision_name(stats.precision), precision_);
  if (!device_.empty() && parse_device(device_) != stats.device) differs("device", device_name(stats.device), device_);
  if (!isa_.empty() && isa_name(parse_isa(isa_)) != stats.isa && parse_isa(isa_) != parse_isa(stats.isa))
    differs("isa", stats.isa, isa_);
  refuse_build_options();
}

void ModelArgs::refuse_build_options() const {
  const auto build_only = [&](bool given, const char* option) {
    if (given)
      throw UsageError(
          message("{} acts at build, and '{}' is an engine that is built already\n  try: build it again from the "
                  "ONNX file with {}",
                  option, model, option));
  };
  build_only(!outputs_.empty(), "--outputs");
  build_only(!io_types_.empty(), "--io-type");
  build_only(!feed_.empty(), "--feed");
  build_only(!constraints_.empty(), "--constrain");
  build_only(!min_shapes_.empty(), "--min-shape");
  build_only(!opt_shapes_.empty(), "--opt-shape");
  build_only(!max_shapes_.empty(), "--max-shape");
  build_only(!profiles_.empty(), "--profile");
  build_only(!disabled_passes_.empty(), "--disable-pass");
  build_only(max_rewrites_ >= 0, "--max-rewrites");
  build_only(strict_rewrites_, "--strict-rewrites");
  build_only(no_optimize_, "--no-optimize");
  build_only(batch_invariant_, "--batch-invariant");
}

void ModelArgs::note_threads() const {
  const int usable = cpu_info().usable_threads;
  if (threads > usable && !quiet_)
    note(message("{} for {}: they wait for each other", count_text(threads, "thread"), count_text(usable, "CPU")));
}

ModelArgs::Opened ModelArgs::open(const std::function<void(BuildOptions&)>& adjust, const BuildHooks* hooks) const {
  if (is_engine()) {
    note_threads();
    const Stopwatch watch;
    Engine engine = Engine::load(model, load_options());
    const double ms = watch.ms();
    check_engine(engine);
    return {std::move(engine), false, 0, ms};
  }
  note_threads();
  BuildOptions options = build_options(declared_inputs());
  if (adjust) adjust(options);
  Progress progress(!quiet_);
  options.progress = [&](std::string_view stage, double fraction) { progress.update(stage, fraction); };
  BuildHooks own = hooks != nullptr ? *hooks : BuildHooks{};
  own.fed_initializers.insert(own.fed_initializers.end(), feed_.begin(), feed_.end());
  const Stopwatch watch;
  Engine engine = build_engine(model, options, own);
  const double ms = watch.ms();
  progress.clear();
  return {std::move(engine), true, ms, 0};
}

ModelArgs::Opened ModelArgs::rebuild() const {
  refuse_build_options();
  for (const auto& [given, option] :
       {std::pair(!shapes_.empty(), "--shape"), std::pair(!precision_.empty(), "--precision"),
        std::pair(!device_.empty(), "--device"), std::pair(external_weights_, "--external-weights"),
        std::pair(allow_cpu_nodes_, "--allow-cpu-nodes")})
    if (given)
      throw UsageError(
          message("{} needs the ONNX file: '{}' is an engine, whose graph is planned again as it is", option, model));
  BuildOptions options = build_options({});
  Progress progress(!quiet_);
  options.progress = [&](std::string_view stage, double fraction) { progress.update(stage, fraction); };
  const Stopwatch watch;
  Engine engine = Engine::build(model, options);
  const double ms = watch.ms();
  progress.clear();
  return {std::move(engine), true, ms, 0};
}

std::string ModelArgs::cache_key(const std::map<std::string, std::string>& metadata) const {
  BuildOptions options = options_without_shapes();
  for (const auto& [name, value] : metadata) options.metadata[name] = value;
  std::string key = options_key(options);
  // What shapes mean depends on the model's inputs, which are not read for a key; --feed is no option of a build.
  for (const auto* list : {&shapes_, &min_shapes_, &opt_shapes_, &max_shapes_, &profiles_, &feed_, &plugins_}) {
    key += " |";
    for (const std::string& text : *list) key += fmt::format(" {}:{}", text.size(), text);
  }
  return key;
}

ModelArgs ModelArgs::with(const std::string& key, const std::string& value) const {
  ModelArgs changed = *this;
  if (key == "precision") {
    changed.precision_ = precision_name(parse_precision(value));
    return changed;
  }
  const std::vector<std::int64_t> number = parse_extents(value);
  if (number.size() != 1 || number[0] < 1) throw UsageError(message("{}={}: give a number above 0", key, value));
  if (key == "threads") {
    changed.threads = static_cast<int>(std::min<std::int64_t>(number[0], 4096));
    return changed;
  }
  const std::vector<ModelInput> inputs = all_inputs();
  std::string known;
  bool found = false;
  for (const ModelInput& i : inputs) {
    for (const std::string& s : i.symbols) {
      found = found || s == key;
      if (!s.empty() && known.find("'" + s + "'") == std::string::npos)
        known += (known.empty() ? "'" : ", '") + s + "'";
    }
  }
  if (found) {
    changed.shapes_.push_back(key + "=" + value);
    return changed;
  }
  if (key == "batch")
    for (const ModelInput& i : inputs)
      if (!i.shape.empty() && i.shape[0] < 0) {
        std::string shape = value;
        for (std::size_t a = 1; a < i.shape.size(); ++a) shape += "x?";
        changed.shapes_.push_back(i.name + "=" + shape);
        found = true;
      }
  if (!found)
    throw UsageError(message(
        "the model leaves no dimension '{}' open{}\n  try: export it with a dynamic {}, or sweep threads or precision",
        key, known.empty() ? "" : " (it has " + known + ")", key));
  return changed;
}

ContextOptions ModelArgs::context_options() const { return {.threads = threads, .pin = pin_, .prefault = prefault_}; }

}  // namespace monza::tool
