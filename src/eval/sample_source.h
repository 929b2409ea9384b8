// Inputs for a model, sample by sample, without answers: what calibration reads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "eval/run.h"
#include "eval/tensors.h"
#include "monza/engine.h"

namespace monza::eval {

struct Sample {
  std::string file;
  std::map<std::string, Tensor> inputs;  ///< by the names of the model's inputs; of pictures valid until the next one
  bool is_flat = false;                  ///< all pixels, or all elements of each float input, are equal
};

/// Binds the sample's inputs and runs. Throws Error when one is missing, RunError when the run fails.
void run_on_sample(const Engine& engine, Context& context, const Sample& sample);

/// Use from one thread at a time.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  /// False at the end. Throws Error that names the file.
  virtual bool next(Sample& sample) = 0;
  virtual std::int64_t size_estimate() const = 0;
};

/// An .npz, .npy or .pb, or a folder of them; at most `most`, 0 for all. Throws Error when there is none.
std::unique_ptr<SampleSource> open_tensor_source(const std::string& source, std::int64_t most,
                                                 const std::vector<ModelInput>& inputs);

/// Looks at the samples of a calibration as they come: data that cannot tell a range, or that is no such data as the
/// model will see, is found before ranges are believed.
class SampleCheck {
 public:
  /// Throws Error when an element is NaN or infinite.
  void see(const Sample& sample);
  /// What is odd about the samples, a sentence each.
  std::vector<std::string> findings() const;
  /// Throws Error when they tell nothing: there are none, all are flat, or all are the same. `source` names them.
  void refuse_useless(const std::string& source) const;

 private:
  std::int64_t samples_ = 0, flat_ = 0;
  std::string first_flat_;
  std::map<std::uint64_t, std::string> seen_;  ///< the first file of each content
  std::vector<std::string> repeated_;
};

/// The names of files in `first` whose content is in `second`, too (files, or folders without those inside). Data that
/// a model was calibrated on says little of how right it is on others.
std::vector<std::string> shared_files(const std::string& first, const std::string& second);

}  // namespace monza::eval
