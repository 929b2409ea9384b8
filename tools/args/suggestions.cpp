#include "tools/args/suggestions.h"

#include <CLI/App.hpp>

#include "base/nearest.h"

namespace monza::tool {
namespace {

/// Options of trtexec, Polygraphy, benchmark_app and yolo, by their names without dashes.
struct Foreign {
  const char *name, *ours;
};
constexpr Foreign kForeign[] = {
    {"fp16", "--precision fp16"},
    {"bf16", "--precision bf16"},
    {"infer_precision", "--precision P"},
    {"half", "--precision fp16"},
    {"int8", "monza quantize MODEL --data FOLDER, which calibrates and scores"},
    {"best", "--precision P: each precision is chosen by name, what it costs is measured by monza quantize"},
    {"onnx", "MODEL by itself: monza build model.onnx"},
    {"loadEngine", "the engine file in the place of MODEL"},
    {"engine", "the engine file in the place of MODEL"},
    {"path_to_model", "MODEL by itself: monza bench model.onnx"},
    {"saveEngine", "monza build MODEL --output FILE"},
    {"save-engine", "monza build MODEL --output FILE"},
    {"shapes", "--shape NAME=1x3x224x224"},
    {"input-shapes", "--shape NAME=1x3x224x224"},
    {"minShapes", "--min-shape NAME=1x3x224x224"},
    {"optShapes", "--opt-shape NAME=1x3x224x224"},
    {"maxShapes", "--max-shape NAME=1x3x224x224"},
    {"imgsz", "--size N in detect and classify, --shape NAME=1x3xNxN elsewhere"},
    {"batch", "--shape batch=N, or --sweep batch=1,2,4 in bench"},
    {"conf", "--score S"},
    {"max-det", "--max-boxes N"},
    {"max_det", "--max-boxes N"},
    {"save_txt", "--save-txt FOLDER"},
    {"save-conf", "--save-scores"},
    {"save_conf", "--save-scores"},
    {"save_crop", "--save-crop FOLDER"},
    {"vid-stride", "--stride N"},
    {"vid_stride", "--stride N"},
    {"source", "the source by itself: monza detect bus.jpg"},
    {"weights", "--model FILE"},
    {"names", "--labels FILE"},
    {"warmUp", "--warmup S"},
    {"useSpinWait", "nothing: threads of a run spin before they sleep"},
    {"infStreams", "--streams N"},
    {"nstreams", "--streams N"},
    {"nthreads", "--threads N"},
    {"nireq", "--streams N"},
    {"niter", "--iterations N"},
    {"dumpProfile", "monza profile MODEL"},
    {"exportProfile", "monza profile MODEL --json"},
    {"exportTimes", "--export-times FILE"},
    {"dumpLayerInfo", "monza inspect MODEL --plan"},
    {"exportLayerInfo", "monza inspect MODEL --json"},
    {"timingCacheFile", "--timing-cache FILE"},
    {"verbose", "monza explain MODEL NODE, or monza inspect MODEL --fusions"},
    {"memPoolSize", "--max-memory BYTES"},
    {"workspace", "--max-memory BYTES"},
    {"plugins", "--plugin FILE"},
    {"onnxrt", "monza bench MODEL --against onnxruntime"},
    {"save-outputs", "--output FILE"},
    {"load-inputs", "--input FILE"},
    {"layerPrecisions", "--constrain NODE=P"},
};

/// An option's words without dashes, dots and a value.
std::string bare(const std::string& option) {
  const std::size_t begin = std::min(option.find_first_not_of('-'), option.size());
  return option.substr(begin, option.find('=') == option.npos ? option.npos : option.find('=') - begin);
}

}  // namespace

std::string suggest_command(const CLI::App& root, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* command : root.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  const std::vector<std::string> near = nearest_names(word, names, 2);
  return near.empty() ? "monza --help" : one_of(near);
}

std::string unknown_option(const std::vector<std::string>& words) {
  for (const std::string& word : words)
    if (word.size() > 1 && word[0] == '-') return word.substr(0, word.find('='));
  return {};
}

std::string suggest_option(const CLI::App& command, const std::string& option) {
  const std::string help = "monza " + command.get_name() + " --help", name = bare(option);
  for (const Foreign& foreign : kForeign)
    if (name == foreign.name) return foreign.ours + (" (" + help + ")");
  std::vector<std::string> names;
  for (const CLI::Option* o : command.get_options())
    for (const std::string& own : o->get_lnames()) names.push_back(own);
  std::string near;
  for (const std::string& own : nearest_names(name, names, 2)) near += (near.empty() ? "--" : " or --") + own;
  return near.empty() ? help : near + " (" + help + ")";
}

}  // namespace monza::tool
