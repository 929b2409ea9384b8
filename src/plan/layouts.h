// The choice of kernels and layouts over a whole region. Internal to src/plan.
#pragma once

#include "kernel/kernel.h"
#include "plan/place.h"

namespace monza::plan {

class RegionPlanner;

/// A place, without a storage, of one of the four forms: dense, channels_last, blocked8, blocked16.
Place form_place(Port form, const ir::SymShape& shape);
/// The form that a place has, or is nearest to.
Port form_of(const Place& place, const ir::SymShape& shape);

/// Fills the region's assignment from measured times. Leaves it empty when nothing could be timed.
void choose_layouts(RegionPlanner& region);

}  // namespace monza::plan
