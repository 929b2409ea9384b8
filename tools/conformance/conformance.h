// Test folders in the layout of ONNX's backend tests, and running them so that one crash stops nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "monza/engine.h"

namespace monza::tool {

/// A folder with model.onnx and test_data_set_N/{input_K.pb, output_K.pb}; or NAME.onnx with NAME_output_K.pb beside
/// it, which ONNX's runner feeds element i of n with i / n (its light models).
struct ConformanceCase {
  std::string name;              ///< of the folder or file
  std::filesystem::path folder;  ///< empty for a light model
  std::filesystem::path model;
};

/// All cases below `root` (which may be one itself), by name.
std::vector<ConformanceCase> find_cases(const std::filesystem::path& root);

/// Builds the model for each data set, runs it, compares as ONNX's runner does. "" when it passes, else the reason
/// in one line. Throws nothing but std::bad_alloc.
std::string run_case(const ConformanceCase& test, const BuildOptions& options);

struct CaseResult {
  std::size_t index = 0;
  std::string reason;  ///< empty: passed
};
/// Calls `run(i)` for 0 <= i < count in `jobs` child processes, and `done` here for each as it ends, in any order.
/// A child that crashes, or takes longer than `seconds` for one, gives that one a reason, and another child goes on.
/// Must be called before this process has other threads.
void run_isolated(std::size_t count, int jobs, double seconds, const std::function<std::string(std::size_t)>& run,
                  const std::function<void(const CaseResult&)>& done);

/// Reads "name: reason" lines; '#' begins a comment. A reason that begins with "random" is of a test whose result is
/// chance: it may pass, too. Throws Error on a line without a reason.
std::map<std::string, std::string> read_expectations(const std::filesystem::path& file);
bool may_pass(const std::string& reason);
/// Writes such a file.
void write_expectations(const std::filesystem::path& file, const std::map<std::string, std::string>& reasons);

}  // namespace monza::tool
