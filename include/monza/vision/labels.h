// Class names: from a text file, one a line, or from the `names` entry of an ONNX file's metadata.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace monza::vision {

/// One name a line, in the order of the classes. White space around names and empty lines at the end are dropped.
/// Throws Error when the file cannot be read, is larger than 4 MiB, or holds no name.
std::vector<std::string> load_labels(const std::filesystem::path& path);
std::vector<std::string> parse_label_lines(std::string_view text);

/// What exporters write under the key `names`: a dictionary {0: 'person', 1: "it's"} with the classes as keys, or a
/// list ['person', 'bicycle'], in Python's or JSON's spelling. Throws Error that shows where the text stops making
/// sense.
std::vector<std::string> parse_names_metadata(std::string_view text);

/// The name of a class, or "class 7" when there is none.
std::string label_of(const std::vector<std::string>& labels, int class_id);

}  // namespace monza::vision
