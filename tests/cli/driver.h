// Runs the built tool, and writes the small models that its tests give it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "onnx.pb.h"

namespace monza::test {

struct Ran {
  int code = -1;  ///< the exit code; 128 + the signal for a crash
  std::string out, err;
};

/// A folder of its own for each test, removed at the end, and the tool run in it.
class Tool {
 public:
  Tool();
  ~Tool();
  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;

  /// Arguments as the shell sees them.
  Ran run(const std::string& arguments) const;
  /// The same with words of the shell before: "MONZA_ISA=avx2", "ulimit -f 8;", "<lines".
  Ran run_with(const std::string& before, const std::string& arguments) const;
  std::filesystem::path path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, const std::string& bytes) const;
  std::string read(const std::string& name) const;
  /// Writes a model after `change`: y = Relu(x) + w with x and w of 2x3 floats, opset 17.
  void model(const std::string& name, const std::function<void(onnx::ModelProto&)>& change = {}) const;
  /// A .npy file of `count` floats start, start + 1, ... in `shape` ("(2, 3)").
  void array(const std::string& name, const std::string& shape, int count, float start = 0) const;

 private:
  std::filesystem::path folder_;
};

/// Runs the command lines of the file tests/`table`, a block each: the exit code and the command line
/// ("2 $ monza run m.onnx", where words of the shell may stand before "monza"), and two spaces in, to the letter, what
/// is said of what went wrong: standard error behind "monza: error: ", or, where there is none, standard output. FOLDER
/// stands for the test's folder; lines that begin with "#" explain.
void expect_messages(const Tool& tool, const std::string& table);

}  // namespace monza::test
