// Folders of pictures whose answers are known, as data sets for a sweep.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "eval/classifier.h"
#include "eval/data_set.h"

namespace monza::eval {

/// A classifier's top-1 and top-5 on the pictures of `folder` that the file `truth` names; at most `samples`, 0 for
/// all. `side` is taken for the height and width that a model leaves open, 0 for what its kind usually has. `warn` is
/// told of pictures that cannot be read, which are left out.
std::unique_ptr<DataSet> open_classified(const std::string& folder, const std::string& truth, std::int64_t samples,
                                         int side, const ClassifySettings& settings, WarnFn warn = {});
/// A detector's mean average precision on the pictures of `folder` that the COCO instances file describes. `labels` is
/// a file of class names, or "" for the model's own; `head` as Detector takes it.
std::unique_ptr<DataSet> open_detected(const std::string& folder, const std::string& instances, std::int64_t samples,
                                       int side, const std::string& labels, const std::string& head, WarnFn warn = {});

}  // namespace monza::eval
