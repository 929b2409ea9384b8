// What a detector found, drawn into its picture.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "monza/vision/image.h"
#include "monza/vision/objects.h"

namespace monza::vision {

/// Each object as a frame, turned where its box is, with "name score" above it, or inside where there is no room above;
/// masks tint their pixels, key points are dots, those of people with the lines of a body. Lines and letters grow with
/// the picture. The best objects are drawn last, on top.
void draw_objects(Image& image, std::span<const Object> objects, const std::vector<std::string>& labels);

}  // namespace monza::vision
