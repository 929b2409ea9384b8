// Running an engine on samples: what all that looks at a model's answers shares.
#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "monza/engine.h"
#include "monza/error.h"

namespace monza::eval {

/// An inference failed: the words of Context::describe().
class RunError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What the caller said does not fit the model: of mean, crop, size and the like.
class SettingsError : public Error {
 public:
  using Error::Error;
};

/// Takes what a person should know and a program need not; may be empty.
using WarnFn = std::function<void(std::string_view text)>;

/// Runs the context. Throws RunError with its words when that fails.
void run(Context& context);
/// Throws RunError with the context's words when `status` is an error.
void check(const Context& context, const Status& status);
/// Binds all inputs of a context, in the order of the engine's. Throws RunError.
void bind_inputs(const Engine& engine, Context& context, const std::vector<Tensor>& inputs);

/// "3 of 100 elements are NaN, 2 are infinite"; empty when all are finite or the type has no such values.
std::string not_finite(const TensorRef& tensor);

/// How long the stages of one sample took.
struct StageTimes {
  double preprocess_ms = 0, inference_ms = 0, postprocess_ms = 0;
};

/// Milliseconds since it was made or last asked: for the stages of a sample.
class LapTimer {
 public:
  double lap_ms() noexcept {
    const auto now = std::chrono::steady_clock::now();
    const double ms = std::chrono::duration<double, std::milli>(now - start_).count();
    start_ = now;
    return ms;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace monza::eval
