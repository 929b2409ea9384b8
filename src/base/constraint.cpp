#include "base/constraint.h"

#include <algorithm>

#include "base/error.h"

namespace monza {
namespace {

template <typename E, std::size_t N>
std::optional<E> found_in(const E (&all)[N], const char* (*name_of)(E), std::string_view name) {
  for (const E e : all)
    if (name == name_of(e)) return e;
  return std::nullopt;
}

template <typename E, std::size_t N>
std::string joined(const E (&all)[N], const char* (*name_of)(E), SetOf<E> set) {
  std::string text;
  for (const E e : all)
    if (set.contains(e)) text += std::string(text.empty() ? "" : ",") + name_of(e);
  return text;
}

template <typename E>
bool intersect(SetOf<E>& a, SetOf<E> b) {
  if (b.empty()) return true;
  a = a.empty() ? b : a & b;
  return !a.empty();
}

}  // namespace

const char* precision_name(Precision precision) {
  switch (precision) {
    case Precision::fp32: return "fp32";
    case Precision::bf16: return "bf16";
    case Precision::fp16: return "fp16";
    case Precision::int8: return "int8";
  }
  return "?";
}

const char* device_name(Device device) {
  switch (device) {
    case Device::cpu: return "cpu";
    case Device::reference: return "reference";
    case Device::cuda: return "cuda";
  }
  return "?";
}

std::optional<Precision> find_precision(std::string_view name) { return found_in(kPrecisions, precision_name, name); }
std::optional<Device> find_device(std::string_view name) { return found_in(kDevices, device_name, name); }
std::string to_string(Precisions precisions) { return joined(kPrecisions, precision_name, precisions); }
std::string to_string(Devices devices) { return joined(kDevices, device_name, devices); }

Constraint parse_constraint(std::string_view names) {
  Constraint constraint;
  for (std::size_t begin = 0; begin <= names.size();) {
    const std::size_t end = std::min(names.find(',', begin), names.size());
    const std::string_view name = names.substr(begin, end - begin);
    if (const auto precision = find_precision(name)) constraint.precisions.insert(*precision);
    else if (const auto device = find_device(name)) constraint.devices.insert(*device);
    else
      fail_hint("fp32, bf16, fp16, int8, cpu, reference or cuda", "'{}' is no precision and no device",
                std::string(name));
    begin = end + 1;
  }
  return constraint;
}

std::optional<Constraint> both(const Constraint& a, const Constraint& b) {
  Constraint c = a;
  if (!intersect(c.precisions, b.precisions) || !intersect(c.devices, b.devices)) return std::nullopt;
  return c;
}

}  // namespace monza
