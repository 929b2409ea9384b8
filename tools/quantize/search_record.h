// What searches for a plan have measured, in a file: another search begins with it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace monza::tool {

/// Numbers by the hash of what they were measured of. The file has a line for each, the hash and the number in
/// hexadecimal, so that a number comes back to the last bit. Not thread-safe.
class SearchRecord {
 public:
  /// "": nothing is kept. Reads the file if there is one. Throws Error where it is no such record; lines that are
  /// damaged are left out.
  explicit SearchRecord(std::string path);
  std::optional<double> find(std::uint64_t key) const;
  /// Writes the file anew, so that what is known by then outlives the process. Throws Error.
  void add(std::uint64_t key, double number);

 private:
  std::string path_;
  std::map<std::uint64_t, double> numbers_;
};

/// A hash of the files below `path`, or of the file: names, sizes and when they were last changed. 0 where there is
/// none.
std::uint64_t hash_of_files(const std::string& path);

}  // namespace monza::tool
