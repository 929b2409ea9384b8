#include "eval/tensor_files.h"

#include <algorithm>

#include "base/error.h"
#include "eval/sample_source.h"
#include "io/npy.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::eval {
namespace {

namespace fs = std::filesystem;

bool is_flat(const Tensor& tensor) {
  const ElementAccess& access = element_access(tensor.dtype());
  if (!is_float(tensor.dtype()) || access.load == nullptr) return false;  // ids may well be equal
  for (std::int64_t i = 1; i < tensor.numel(); ++i)
    if (access.load(tensor.ref().data, i) != access.load(tensor.ref().data, 0)) return false;
  return tensor.numel() > 1;
}

class TensorSource final : public SampleSource {
 public:
  TensorSource(const std::string& source, std::int64_t most, std::vector<ModelInput> inputs)
      : files_(tensor_files(source, most)), inputs_(std::move(inputs)) {}

  bool next(Sample& sample) override {
    if (next_ == files_.size()) return false;
    TensorSample read = read_tensor_sample(files_[next_++], inputs_);
    sample.file = std::move(read.file);
    sample.inputs = std::move(read.inputs);
    sample.is_flat = !sample.inputs.empty() && std::all_of(sample.inputs.begin(), sample.inputs.end(),
                                                           [](const auto& input) { return is_flat(input.second); });
    return true;
  }
  std::int64_t size_estimate() const override { return static_cast<std::int64_t>(files_.size()); }

 private:
  std::vector<fs::path> files_;
  std::vector<ModelInput> inputs_;
  std::size_t next_ = 0;
};

}  // namespace

std::vector<fs::path> tensor_files(const std::string& source, std::int64_t most) {
  std::vector<fs::path> files;
  if (fs::is_directory(source)) {
    for (const auto& entry : fs::directory_iterator(source)) {
      const std::string ending = entry.path().extension().string();
      if (ending == ".npz" || ending == ".npy" || ending == ".pb") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
  } else if (fs::exists(source)) {
    files.emplace_back(source);
  }
  if (files.empty())
    throw Error("there are no samples",
                "a folder of .npz files with the inputs by name, or of pictures with --truth or --coco")
        .at("'" + source + "'");
  if (most > 0 && files.size() > static_cast<std::size_t>(most)) files.resize(static_cast<std::size_t>(most));
  return files;
}

TensorSample read_tensor_sample(const fs::path& file, const std::vector<ModelInput>& inputs) {
  TensorSample sample;
  sample.file = file.string();
  std::vector<io::NamedTensor> arrays = read_tensor_file(file);
  if (arrays.size() == 1 && inputs.size() == 1 && is_nameless(arrays[0], sample.file)) arrays[0].name = inputs[0].name;
  for (io::NamedTensor& t : arrays) {
    const auto input =
        std::find_if(inputs.begin(), inputs.end(), [&](const ModelInput& i) { return i.name == t.name; });
    if (input != inputs.end()) sample.inputs.emplace(t.name, io::as_model_type(t.tensor, input->dtype));
    else sample.answers.emplace(t.name, std::move(t.tensor));
  }
  return sample;
}

std::unique_ptr<SampleSource> open_tensor_source(const std::string& source, std::int64_t most,
                                                 const std::vector<ModelInput>& inputs) {
  return std::make_unique<TensorSource>(source, most, inputs);
}

}  // namespace monza::eval
