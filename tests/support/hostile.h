// Small models of every operator family and of everything that a plan can hold: what hostile files are made from.
#pragma once

#include <string>
#include <vector>

#include "monza/engine.h"
#include "plan/data/profile.h"

namespace monza::test {

struct HostileGraph {
  const char* name;
  const char* text;
  plan::Profile profile = {};
  bool optimized = false;
  std::vector<plan::Profile> further = {};  ///< profiles beside the first
};

const std::vector<HostileGraph>& hostile_graphs();

/// What inputs hold: any bits and extremes among small numbers, or small numbers alone (floats in [-1, 1)), for those
/// who compare results that are rounded.
enum class InputData { any, tame };

/// What came of a run: the words of its failure, or its outputs, the tensors of lists one by one.
struct HostileRun {
  std::string status;
  std::vector<Tensor> outputs;
};

/// Runs a loaded engine at its least, usual and largest shapes on arbitrary data, with sequences, lists and optionals
/// where it takes them. Statuses are fine, and so is an Error
/// when a context cannot be made: only a crash or a sanitizer's finding is not. Returns how many of the three runs
/// ended well. An input of more than max_elements is not tried. What came of each run is added to `runs`.
int run_hostile(const Engine& engine, unsigned seed, std::int64_t max_elements = 1 << 22,
                std::vector<HostileRun>* runs = nullptr, InputData data = InputData::any);

}  // namespace monza::test
