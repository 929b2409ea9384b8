// Files that detect writes beside annotated pictures: labels as text, and cut-outs.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "tools/vision/objects.h"

namespace monza::tool {

/// Folders, which are made where they are missing; empty for none.
struct SaveArgs {
  std::string labels;   ///< FOLDER/NAME.txt for each frame with objects
  bool scores = false;  ///< in the labels
  std::string crops;    ///< FOLDER/CLASS/NAME.jpg for each object
};

/// Not thread-safe.
class ObjectFiles {
 public:
  /// Throws Error when a folder cannot be made.
  explicit ObjectFiles(SaveArgs args);
  /// Throws Error when a file cannot be written.
  void save(const vision::Frame& frame, const Objects& found, const std::vector<std::string>& labels);

 private:
  std::string free_name(const std::string& stem);
  SaveArgs args_;
  std::map<std::string, int> used_;  ///< how often a name was taken
};

}  // namespace monza::tool
