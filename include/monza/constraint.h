// What a node of a model may compute in, and what it may run on.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

namespace monza {

/// What numbers are while they are computed with. fp32: floats in 32 bits or more, anything else exactly. int8:
/// products of 8-bit integers, exactly. The others round the factors of a product.
enum class Precision : std::uint8_t { fp32, bf16, fp16, int8 };

/// The kind of device that a node runs on. `reference` is a second device in the host's memory that runs reference
/// kernels only: it proves plans over several devices, and errors in the fast kernels. Engine files carry the numbers.
enum class Device : std::uint8_t { cpu, reference, cuda };

/// A set of enumerators of numbers below 32.
template <typename E>
class SetOf {
 public:
  constexpr SetOf() = default;
  constexpr SetOf(std::initializer_list<E> list) {
    for (const E e : list) insert(e);
  }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool contains(E e) const { return (bits_ >> static_cast<unsigned>(e) & 1u) != 0; }
  constexpr void insert(E e) { bits_ |= 1u << static_cast<unsigned>(e); }
  friend constexpr SetOf operator&(SetOf a, SetOf b) {
    a.bits_ &= b.bits_;
    return a;
  }
  friend constexpr bool operator==(SetOf, SetOf) = default;

 private:
  std::uint32_t bits_ = 0;
};
using Precisions = SetOf<Precision>;
using Devices = SetOf<Device>;

/// What is asked of how a node is computed; an empty set asks nothing. The planner takes the cheapest kernel that does
/// all of it. Without precisions nothing lower than the model's own is taken.
struct Constraint {
  Precisions precisions;  ///< that its kernel computes in one of
  Devices devices;        ///< that it runs on one of
  bool empty() const { return precisions.empty() && devices.empty(); }
  friend bool operator==(const Constraint&, const Constraint&) = default;
};

/// A constraint on the nodes of a model that `nodes` names.
struct NodeConstraint {
  std::string nodes;  ///< name of an ONNX node, or of a tensor it makes; * stands for any text, ? for a character
  Constraint constraint;
};

}  // namespace monza
