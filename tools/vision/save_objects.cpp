#include "tools/vision/save_objects.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/output_file.h"
#include "monza/vision/labels.h"

namespace monza::tool {
namespace fs = std::filesystem;
namespace {

void make_folder(const fs::path& folder, const char* option) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error || !fs::is_directory(folder))
    fail_hint("the name of a folder, or one that nothing has", "{} {}: cannot be made a folder", option,
              folder.string());
}

/// A frame's file without folders and ending; "#" and the number of a video's frame stay as "_12".
std::string stem_of(const vision::Frame& frame) {
  const std::size_t number = frame.name.rfind('#');
  if (number == frame.name.npos) return fs::path(frame.name).stem().string();
  return fs::path(frame.name.substr(0, number)).stem().string() + "_" + frame.name.substr(number + 1);
}

/// A class's name as that of a folder.
std::string folder_name(std::string name) {
  for (char& c : name)
    if (c == '/' || c == '\\' || static_cast<unsigned char>(c) < ' ') c = '_';
  return name == "." || name == ".." ? "_" : name;
}

vision::Image cut_out(const vision::Image& image, const vision::Detection& d) {
  const auto pixel = [](float v, int limit) { return std::clamp(static_cast<int>(v), 0, limit); };
  const int left = pixel(std::floor(d.x1), image.width - 1), top = pixel(std::floor(d.y1), image.height - 1);
  const int right = std::max(pixel(std::ceil(d.x2), image.width), left + 1);
  const int bottom = std::max(pixel(std::ceil(d.y2), image.height), top + 1);
  vision::Image part(right - left, bottom - top);
  for (int y = top; y < bottom; ++y) std::copy_n(image.row(y) + 3 * left, part.stride(), part.row(y - top));
  return part;
}

}  // namespace

ObjectFiles::ObjectFiles(SaveArgs args) : args_(std::move(args)) {
  if (!args_.labels.empty()) make_folder(args_.labels, "--save-txt");
  if (!args_.crops.empty()) make_folder(args_.crops, "--save-crop");
}

std::string ObjectFiles::free_name(const std::string& stem) {
  // Pictures of several folders may have one name.
  const int before = used_[stem]++;
  return before == 0 ? stem : free_name(fmt::format("{}-{}", stem, before + 1));
}

void ObjectFiles::save(const vision::Frame& frame, const Objects& found, const std::vector<std::string>& labels) {
  if (args_.labels.empty() && args_.crops.empty()) return;
  const std::string name = free_name(stem_of(frame));
  const std::string lines =
      args_.labels.empty() ? "" : label_lines(found, frame.image.width, frame.image.height, args_.scores);
  if (!lines.empty()) write_file(fs::path(args_.labels) / (name + ".txt"), lines);
  if (args_.crops.empty()) return;
  std::map<fs::path, int> count;
  for (const vision::Object& object : found) {
    const fs::path folder = fs::path(args_.crops) / folder_name(vision::label_of(labels, object.box.class_id));
    make_folder(folder, "--save-crop");
    const int before = count[folder]++;
    const std::string file = before == 0 ? name : fmt::format("{}_{}", name, before + 1);
    vision::save_image(cut_out(frame.image, object.box), folder / (file + ".jpg"));
  }
}

}  // namespace monza::tool
