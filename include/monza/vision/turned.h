// Boxes turned around their centre, as aerial pictures have them.
#pragma once

#include <array>
#include <vector>

#include "monza/vision/boxes.h"

namespace monza::vision {

using Point = std::array<float, 2>;  // x, y

/// Sides in pixels, `angle` in radians from the x axis towards the y axis, which is down.
struct TurnedBox {
  float cx = 0, cy = 0, width = 0, height = 0, angle = 0;
  /// In turn around the box, from the one at +width/2, +height/2 of the box that is not turned.
  std::array<Point, 4> corners() const noexcept;
};

/// How much two boxes are alike, 0..1, taken as normal distributions (arXiv:2106.06072): what the heads of this kind
/// were trained and measured with in place of the intersection over union.
float probabilistic_iou(const TurnedBox& a, const TurnedBox& b) noexcept;

struct TurnedCandidate {
  Detection box;  // of which only class, score and candidate count
  TurnedBox turned;
};

/// Drops what is more alike than options.iou to a better candidate of its class, be that one kept or not (fast NMS, as
/// this family does it), by falling score.
std::vector<TurnedCandidate> suppress_turned(std::vector<TurnedCandidate> candidates, const NmsOptions& options = {});

/// A box of the network's input in pixels of the source; its corners may lie outside.
TurnedBox to_source(const TurnedBox& turned, const Letterbox& box) noexcept;

/// The upright box around it, clipped to the source.
void bound(Detection& detection, const TurnedBox& turned, const Letterbox& box) noexcept;

}  // namespace monza::vision
