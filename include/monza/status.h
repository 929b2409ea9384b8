// The result of running: a code and a static text, cheap to return and free of allocation.
#pragma once

#include <cstdint>

namespace monza {

enum class StatusCode : std::uint8_t {
  ok = 0,
  invalid_argument,    ///< an input is missing, or its type or shape does not fit
  out_of_range,        ///< an index or extent in the data lies outside its bounds
  resource_exhausted,  ///< a pool or a bound set at build is full
  unavailable,         ///< the device or the engine is not usable now
  internal,            ///< a broken promise inside Monza
};

/// What a run, or a kernel, returns. `message` points to static storage and is never null.
class [[nodiscard]] Status {
 public:
  constexpr Status() noexcept = default;
  constexpr Status(StatusCode code, const char* message) noexcept : code_(code), message_(message) {}

  constexpr bool ok() const noexcept { return code_ == StatusCode::ok; }
  constexpr explicit operator bool() const noexcept { return ok(); }
  constexpr StatusCode code() const noexcept { return code_; }
  constexpr const char* message() const noexcept { return message_; }

  /// The plan's step that failed, or -1. Context::describe() turns it into the ONNX node's name.
  constexpr std::int32_t step() const noexcept { return step_; }
  constexpr Status at_step(std::int32_t step) const noexcept {
    Status s = *this;
    s.step_ = step;
    return s;
  }
  /// The sequence of the bound batch that it is about, counted from 0, or -1.
  constexpr std::int32_t row() const noexcept { return row_; }
  constexpr Status at_row(std::int64_t row) const noexcept {
    Status s = *this;
    s.row_ = static_cast<std::int32_t>(row);
    return s;
  }

 private:
  StatusCode code_ = StatusCode::ok;
  const char* message_ = "ok";
  std::int32_t step_ = -1, row_ = -1;
};

}  // namespace monza
