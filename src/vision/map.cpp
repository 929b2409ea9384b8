#include "vision/map.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

namespace monza::vision {
namespace {

constexpr std::size_t max_detections = 100;
constexpr std::size_t recall_points = 101;

double threshold_of(std::size_t t) { return 0.5 + 0.05 * static_cast<double>(t); }

/// Against a crowd region the union is the detection alone, so that any detection inside it fits.
double overlap(const std::array<double, 4>& found, const std::array<double, 4>& truth, bool crowd) {
  const double w = std::min(found[0] + found[2], truth[0] + truth[2]) - std::max(found[0], truth[0]);
  const double h = std::min(found[1] + found[3], truth[1] + truth[3]) - std::max(found[1], truth[1]);
  if (w <= 0 || h <= 0) return 0;
  const double both = w * h, area = found[2] * found[3];
  return both / (crowd ? area : area + truth[2] * truth[3] - both);
}

}  // namespace

/// Assigns one picture's detections of one category, best first, to its truth, and appends the outcomes.
void MatchedBoxes::match_picture(Truths truth, Founds found, std::size_t picture, std::vector<Match>& matches) {
  std::stable_sort(found.begin(), found.end(), [](auto* a, auto* b) { return a->score > b->score; });
  if (found.size() > max_detections) found.resize(max_detections);
  std::stable_partition(truth.begin(), truth.end(), [](auto* t) { return !t->crowd; });

  const std::size_t first = matches.size();
  for (const ScoredBox* f : found) matches.push_back({f->score, picture, {}});
  for (std::size_t t = 0; t < kThresholds; ++t) {
    std::vector<bool> taken(truth.size());
    for (std::size_t d = 0; d < found.size(); ++d) {
      double best = std::min(threshold_of(t), 1 - 1e-10);
      std::size_t chosen = truth.size();
      for (std::size_t g = 0; g < truth.size(); ++g) {
        if (taken[g] && !truth[g]->crowd) continue;
        // Crowd regions come last: they are considered only for a detection that fits no single object.
        if (chosen < truth.size() && !truth[chosen]->crowd && truth[g]->crowd) break;
        const double o = overlap(found[d]->box, truth[g]->box, truth[g]->crowd);
        if (o < best) continue;
        best = o;
        chosen = g;
      }
      Outcome& outcome = matches[first + d].outcome[t];
      if (chosen == truth.size()) {
        outcome = Outcome::miss;
      } else {
        taken[chosen] = true;
        outcome = truth[chosen]->crowd ? Outcome::ignored : Outcome::hit;
      }
    }
  }
}

/// The mean of the interpolated precision at 101 recalls. `matches` is sorted by falling score.
double MatchedBoxes::average_at(const std::vector<Match>& matches, std::size_t t, double positives,
                                std::span<const double> weights) {
  std::vector<double> recall, precision;
  double hits = 0, misses = 0;
  for (const Match& m : matches) {
    const double weight = weights.empty() ? 1 : weights[m.picture];
    if (weight == 0) continue;
    if (m.outcome[t] == Outcome::hit) hits += weight;
    if (m.outcome[t] == Outcome::miss) misses += weight;
    recall.push_back(hits / positives);
    precision.push_back(hits / (hits + misses + std::numeric_limits<double>::epsilon()));
  }
  for (std::size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
  double sum = 0;
  for (std::size_t r = 0; r < recall_points; ++r) {
    const double wanted = 0.01 * static_cast<double>(r);
    const auto at = static_cast<std::size_t>(std::lower_bound(recall.begin(), recall.end(), wanted) - recall.begin());
    if (at < precision.size()) sum += precision[at];
  }
  return sum / recall_points;
}

MatchedBoxes::MatchedBoxes(const std::vector<TruthBox>& truth, const std::vector<ScoredBox>& found,
                           const std::vector<int>& categories, const std::vector<std::int64_t>& image_ids) {
  std::map<std::int64_t, std::size_t> pictures;  // ascending by id
  for (std::size_t i = 0; i < image_ids.size(); ++i) pictures.emplace(image_ids[i], i);
  std::map<std::pair<int, std::int64_t>, std::pair<Truths, Founds>> groups;
  for (const int category : categories)
    for (const auto& [id, index] : pictures) groups[{category, id}];
  for (const TruthBox& t : truth)
    if (const auto group = groups.find({t.category, t.image_id}); group != groups.end())
      group->second.first.push_back(&t);
  for (const ScoredBox& f : found)
    if (const auto group = groups.find({f.category, f.image_id}); group != groups.end())
      group->second.second.push_back(&f);

  for (const int category : categories) {
    Category& c = categories_.emplace_back();
    for (const auto& [id, index] : pictures) {
      auto& [truths, founds] = groups.at({category, id});
      const auto positives = std::count_if(truths.begin(), truths.end(), [](auto* t) { return !t->crowd; });
      if (positives > 0) c.positives.emplace_back(index, static_cast<double>(positives));
      match_picture(truths, founds, index, c.matches);
    }
    std::stable_sort(c.matches.begin(), c.matches.end(),
                     [](const Match& a, const Match& b) { return a.score > b.score; });
  }
}

AveragePrecision MatchedBoxes::average(std::span<const double> weights) const {
  AveragePrecision result;
  double sum = 0, sum50 = 0, sum75 = 0;
  int counted = 0;
  for (const Category& c : categories_) {
    double positives = 0;
    for (const auto& [picture, count] : c.positives) positives += count * (weights.empty() ? 1 : weights[picture]);
    if (positives == 0) {
      result.per_category.emplace_back();
      continue;
    }
    std::array<double, kThresholds> at{};
    for (std::size_t t = 0; t < kThresholds; ++t) at[t] = average_at(c.matches, t, positives, weights);
    const double mean = std::accumulate(at.begin(), at.end(), 0.0) / kThresholds;
    result.per_category.emplace_back(mean);
    sum += mean, sum50 += at[0], sum75 += at[5];
    ++counted;
  }
  const auto mean_of = [&](double total) { return counted > 0 ? total / counted : -1.0; };
  result.map50_95 = mean_of(sum), result.map50 = mean_of(sum50), result.map75 = mean_of(sum75);
  return result;
}

AveragePrecision average_precision(const std::vector<TruthBox>& truth, const std::vector<ScoredBox>& found,
                                   const std::vector<int>& categories, const std::vector<std::int64_t>& image_ids) {
  return MatchedBoxes(truth, found, categories, image_ids).average();
}

}  // namespace monza::vision
