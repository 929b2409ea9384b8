// How much of a difference between two scores is chance.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "eval/data_set.h"

namespace monza::eval {

/// The weighted mean of a number for each sample: Accuracy::weighted of scores that are means.
std::function<double(std::span<const double>)> weighted_mean(std::vector<double> values);

struct Interval {
  double low = 0, high = 0;  ///< 95 % of what other samples of this kind would show lie between them
  double error = 0;          ///< the standard error
};
/// Of first.value - second.value, which were measured on the same samples in the same order: a paired bootstrap (Efron
/// and Tibshirani 1993, "An Introduction to the Bootstrap", 8 and 13) of 400 resamples, the same ones each time.
/// Both must be weighted.
Interval difference_interval(const Accuracy& first, const Accuracy& second);

}  // namespace monza::eval
