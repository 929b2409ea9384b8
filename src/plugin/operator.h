// An operator of a loaded plugin, as both halves see it: the run side makes kernels and a rule of it, the compiler a
// definition and an importer.
#pragma once

#include <cstddef>
#include <string>

#include "monza/dtype.h"
#include "monza/plugin.h"

namespace monza::plugin {

/// Whether the interface has a name for the element type: strings and encodings in blocks are not passed to plugins.
constexpr bool has_name(DType dtype) {
  return (dtype >= DType::f32 && dtype <= DType::c128) || dtype == DType::i4 || dtype == DType::u4;
}

struct Operator {
  const monza_plugin_operator* declared = nullptr;  ///< the plugin's own words, checked
  std::string name;                                 ///< in graphs and engines (base/plugin_operator.h)
  std::string file;                                 ///< of the plugin
};

/// Tells the compiler of an operator. Null in a program that links monza_run alone; monza_build makes the linker take
/// it (cmake/MonzaTargets.cmake).
extern "C" [[gnu::weak]] void monza_define_operator(const Operator& op);

}  // namespace monza::plugin
