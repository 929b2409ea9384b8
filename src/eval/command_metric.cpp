#include "eval/command_metric.h"

#include <sys/wait.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "io/npz.h"

namespace monza::eval {
namespace {

/// What the command prints, and what it ends with.
std::pair<std::string, int> output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return {"", -1};
  std::string text;
  std::array<char, 4096> piece;
  while (const std::size_t n = std::fread(piece.data(), 1, piece.size(), pipe)) text.append(piece.data(), n);
  const int status = ::pclose(pipe);
  return {text, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
}

double last_number(const std::string& text) {
  const std::size_t end = text.find_last_not_of(" \t\r\n");
  const std::size_t before = end == text.npos ? text.npos : text.find_last_of(" \t\r\n", end);
  const std::string word = end == text.npos ? "" : text.substr(before + 1, end - before);
  double value = NAN;
  const auto [at, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || at != word.data() + word.size() || !std::isfinite(value))
    fail_hint("a command whose last printed word is the score", "it printed no number at its end, but '{}'", word);
  return value;
}

class CommandMetric final : public DataSet {
 public:
  CommandMetric(OpenSamples open, std::string command) : open_(std::move(open)), command_(std::move(command)) {}

  Accuracy measure(const Engine& engine, const ContextOptions& options, const ProgressFn& progress) override {
    Context context = engine.create_context(options);
    const TemporaryFolder folder("the outputs that --metric is given");
    const auto source = open_();
    const std::int64_t total = source->size_estimate();
    Accuracy result;
    result.metric = command_;
    for (Sample sample; source->next(sample); ++result.samples) {
      run_on_sample(engine, context, sample);
      std::vector<io::NamedRef> outputs;
      for (const TensorInfo& info : engine.outputs())
        if (info.kind == ValueKind::tensor && info.dtype != DType::string)
          outputs.push_back({info.name, context.output(info.name)});
      const std::string name = std::filesystem::path(sample.file).stem().string();
      io::write_npz(fmt::format("{}/{:06}-{}.npz", folder.path(), result.samples, name), outputs);
      if (total > 0) progress(static_cast<double>(result.samples) / static_cast<double>(total));
    }
    try {
      const auto [text, code] = output_of(command_ + " " + shell_quoted(folder.path()));
      if (code != 0) fail_hint("what it says of a folder of .npz files", "it ended with {}", code);
      result.value = last_number(text);
    } catch (const Error& e) {
      throw e.at(message("--metric '{}'", command_));
    }
    return result;
  }

  std::map<std::string, Tensor> example(const std::vector<ModelInput>&) const override { return {}; }

 private:
  OpenSamples open_;
  std::string command_;
};

}  // namespace

std::unique_ptr<DataSet> open_command_metric(OpenSamples open, std::string command) {
  return std::make_unique<CommandMetric>(std::move(open), std::move(command));
}

}  // namespace monza::eval
