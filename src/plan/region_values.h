// Where the values of a region lie, on which devices and in which forms, and who will still read them. Internal to
// src/plan.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "kernel/kernel.h"
#include "plan/place.h"
#include "plan/region_scope.h"

namespace monza::plan {

/// A value lies where it was computed, and wherever it has been brought since: rearranged for a kernel, or copied to
/// another device. Only the host is connected with every device, so a value goes from one to another by way of its
/// memory. Copies between devices move dense elements; what lies otherwise is rearranged on the device where it lies.
class RegionValues {
 public:
  /// The scope must outlive it.
  explicit RegionValues(RegionScope& scope) : s_(scope), uses_(scope.facts.uses()) {}

  /// Where the value lies, first where it was computed; a constant at least on `device`.
  const std::vector<Place>& places(ir::ValueId value, int device = 0);
  bool is_placed(ir::ValueId value) const { return places_.contains(value); }
  void add_place(ir::ValueId value, const Place& place);
  /// The same, before all others: readers take the value from there.
  void prefer_place(ir::ValueId value, const Place& place);
  /// Makes the place the only one that the value lies at.
  void set_place(ir::ValueId value, const Place& place);
  /// What a body that captures the value is given: one place on each device that it lies on, that of places()[0] first.
  std::vector<Place> one_a_device(ir::ValueId value);
  /// Whether the value's dense elements begin where the place does.
  bool lies_dense_at(ir::ValueId value, const Place& place);

  /// A place of the value that the port takes on `device`; rearranges it, at build where it is constant, when there is
  /// none. `uniform`: the form that operands at uniform ports share.
  Place ensure(ir::ValueId value, Port port, int device, const Place* uniform = nullptr);
  /// The first place of the value on the device, dense and brought there when there is none.
  Place on_device(ir::ValueId value, int device);
  /// Writes the value to the place, from wherever it lies, by a step of that name.
  void deliver(ir::ValueId value, const Place& to, const std::string& name);

  /// The node's reads are planned: what nobody else reads is free.
  void mark_read(const ir::Node& node);
  /// Whether the node may write over this input, which nobody reads after it.
  bool may_overwrite(const ir::Node& node, int input);

 private:
  bool lies_on(ir::ValueId value, int device);

  RegionScope& s_;
  std::map<ir::ValueId, std::vector<Place>> places_;
  std::map<int, std::vector<ir::ValueId>> holders_;  ///< by storage: values that lay there and may be read again
  std::map<ir::ValueId, int> uses_;                  ///< reads still to come
};

}  // namespace monza::plan
