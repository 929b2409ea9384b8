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

/// Runs a loaded engine at its least, usual and largest shapes on arbitrary data, with sequences, lists and optionals
/// where it takes them. Statuses are fine, and so is an Error
/// when a context cannot be made: only a crash or a sanitizer's finding is not. Returns how many of the three runs
/// ended well. An input of more than max_elements is not tried. What came of each run, its status or its outputs with
/// every byte, is added to `trace`.
int run_hostile(const Engine& engine, unsigned seed, std::int64_t max_elements = 1 << 22, std::string* trace = nullptr);

}  // namespace monza::test
