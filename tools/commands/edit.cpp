// monza edit: ONNX in, ONNX out.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/output_file.h"
#include "engine/edit_model.h"
#include "import/onnx/onnx_import.h"
#include "tools/args/command.h"
#include "tools/args/model_args.h"
#include "tools/args/shape_text.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct EditArgs {
  std::string model, output;
  std::vector<std::string> inputs, outputs, shapes, types;
  bool strip = false, sanitise = false, json = false;
};

/// --shape: of an input or of a value in --inputs, or of an open dimension by its name.
std::map<std::string, std::vector<std::int64_t>> shapes_of(const EditArgs& o) {
  std::map<std::string, std::vector<std::int64_t>> shapes;
  const std::vector<OnnxInput> inputs = onnx_inputs(o.model);
  for (const std::string& text : o.shapes) {
    const auto [name, value] = split_assignment(text, "--shape");
    const std::vector<std::int64_t> extents = parse_extents(value);
    const auto is_named = [&, name = name](const OnnxInput& i) { return i.name == name; };
    const bool cut = std::find(o.inputs.begin(), o.inputs.end(), name) != o.inputs.end();
    if (const auto it = std::find_if(inputs.begin(), inputs.end(), is_named); it != inputs.end() || cut) {
      if (it != inputs.end() && it->has_shape && it->shape.size() != extents.size())
        throw UsageError(
            message("--shape '{}' has {} dimensions, the input has {}", text, extents.size(), it->shape.size()));
      shapes[name] = extents;
      continue;
    }
    bool found = false;
    for (const OnnxInput& i : inputs)
      for (std::size_t a = 0; a < i.symbols.size(); ++a)
        if (i.symbols[a] == name && !name.empty()) {
          if (extents.size() != 1) throw UsageError(message("--shape '{}': a dimension takes one extent", text));
          std::vector<std::int64_t>& shape =
              shapes.try_emplace(i.name, std::vector<std::int64_t>(i.shape.size(), -1)).first->second;
          shape[a] = extents[0];
          found = true;
        }
    if (!found)
      throw UsageError(
          message("--shape '{}': the model has no input and no dimension of that name\n  try: monza "
                  "inspect {}",
                  text, o.model));
  }
  return shapes;
}

int run(const EditArgs& o) {
  ModelEdit edit;
  edit.inputs = o.inputs;
  edit.outputs = o.outputs;
  edit.shapes = shapes_of(o);
  for (const std::string& text : o.types) {
    const auto [name, value] = split_assignment(text, "--type");
    edit.types[name] = parse_dtype_name(value);
  }
  edit.strip = o.strip;
  edit.sanitise = o.sanitise;
  const EditedModel edited = edit_model(o.model, edit);
  write_file(o.output, edited.bytes);
  if (o.json) {
    print_json({{"output", o.output},
                {"file_bytes", edited.bytes.size()},
                {"nodes_before", edited.nodes_before},
                {"nodes", edited.nodes_after},
                {"folded", edited.folded},
                {"remarks", edited.remarks}});
    return kExitOk;
  }
  print("{}: {}, {} of {} nodes{}\n", o.output, bytes_text(static_cast<double>(edited.bytes.size())),
        edited.nodes_after, edited.nodes_before,
        edited.folded > 0 ? fmt::format(", {} folded", count_text(edited.folded, "value")) : "");
  for (const std::string& remark : edited.remarks) note(remark);
  return kExitOk;
}

}  // namespace

void add_edit(Commands& commands) {
  const auto o = std::make_shared<EditArgs>();
  CommandOptions app = commands.add(
      "edit", "Changes an ONNX model: takes a part out, sets shapes, cleans.",
      "  monza edit yolov8n.onnx -o backbone.onnx --outputs /model.9/cv2/act/Mul_output_0\n"
      "  monza edit model.onnx -o middle.onnx --inputs a,b --outputs c\n"
      "  monza edit bert.onnx -o bert_1x128.onnx --shape batch=1 --shape sequence=128 --sanitise\n"
      "  monza edit model.onnx -o small.onnx --sanitise --strip\n"
      "Values are named as `monza inspect MODEL --graph` prints them. All that nothing reads is left out, and weights "
      "of other files come into the new one.",
      [o] { return run(*o); });
  app.add_option("MODEL", o->model, "the ONNX file").required().type_name("FILE").file(FileRole::reads_model);
  app.add_option("--output,-o", o->output, "the ONNX file to write")
      .required()
      .type_name("FILE")
      .file(FileRole::writes);
  app.add_option("--inputs", o->inputs, "values that become the inputs: what makes them is cut off (repeat, or a,b,c)")
      .allow_extra_args(false)
      .delimiter(',')
      .type_name("NAME");
  app.add_option("--outputs", o->outputs, "values that become the outputs, in place of the model's (repeat, or a,b,c)")
      .allow_extra_args(false)
      .delimiter(',')
      .type_name("NAME");
  app.add_option("--shape", o->shapes,
                 "extents of an input, or of a dimension by its name: images=1x3x640x640, batch=4; ? leaves one open")
      .allow_extra_args(false)
      .type_name("NAME=1x3x..");
  app.add_option("--type", o->types, "element type of a value in --inputs, where nothing else says it")
      .allow_extra_args(false)
      .type_name("NAME=TYPE");
  app.add_flag("--sanitise,--sanitize", o->sanitise,
               "fold what is constant (with --shape: shape arithmetic too), leave out Identity");
  app.add_flag("--strip", o->strip, "leave out doc strings, metadata, the producer and types of inner values");
  app.add_flag("--json", o->json, "for a program to read");
}

}  // namespace monza::tool
