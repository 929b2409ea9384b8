// Constraints in words, and what several ask together.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "monza/constraint.h"

namespace monza {

inline constexpr Precision kPrecisions[] = {Precision::fp32, Precision::bf16, Precision::fp16, Precision::int8};
inline constexpr Device kDevices[] = {Device::cpu, Device::reference, Device::cuda};

/// What a node may compute in that nothing is asked of: none of it rounds more than the model says.
inline constexpr Precisions kOwnPrecisions{Precision::fp32, Precision::int8};
/// The same for a build of that precision: its kernels compete with those that need no asking.
constexpr Precisions allowed_by(Precision precision) {
  Precisions allowed = kOwnPrecisions;
  allowed.insert(precision);
  return allowed;
}
inline Precisions allowed_precisions(const Constraint& c) {
  return c.precisions.empty() ? kOwnPrecisions : c.precisions;
}

const char* precision_name(Precision precision);
const char* device_name(Device device);
std::optional<Precision> find_precision(std::string_view name);
std::optional<Device> find_device(std::string_view name);
/// "fp32,bf16": names in the order of their numbers.
std::string to_string(Precisions precisions);
std::string to_string(Devices devices);

/// The names of precisions and devices in any order, "fp32,bf16,cpu". Throws Error for another name, or none.
Constraint parse_constraint(std::string_view names);

/// What both ask: of two sets that say something what they have in common. nullopt when that is nothing.
std::optional<Constraint> both(const Constraint& a, const Constraint& b);

}  // namespace monza
