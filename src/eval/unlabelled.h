// How near an engine is to another on samples without answers.
#pragma once

#include <functional>
#include <memory>

#include "eval/data_set.h"
#include "eval/sample_source.h"

namespace monza::eval {

/// Opens the samples from the start.
using OpenSamples = std::function<std::unique_ptr<SampleSource>()>;

/// The cosine between the outputs of an engine and those of the reference (DataSet::take_reference), of the output that
/// is furthest, as a mean over samples. Both run side by side, so nothing is kept.
std::unique_ptr<DataSet> open_unlabelled(OpenSamples open);

}  // namespace monza::eval
