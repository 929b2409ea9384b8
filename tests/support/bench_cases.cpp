#include "support/bench_cases.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "ir/text.h"
#include "monza/error.h"
#include "ops/elementwise/elementwise.def.h"

namespace monza::test {
namespace {

BenchCase make_case(const std::string& family, std::string name, const std::string& text) {
  BenchCase c{family, std::move(name), 1, nullptr};
  char* rest = nullptr;
  if (const long count = std::strtol(c.name.c_str(), &rest, 10);
      count > 0 && std::string_view(rest).starts_with("x ")) {
    c.count = static_cast<int>(count);
    c.name = std::string(rest + 2);
  }
  const std::size_t bar = text.find('|');
  if (bar == std::string::npos) throw Error("there is no '|' between the inputs and the node");
  c.graph =
      ir::parse("graph \"case\" (" + text.substr(0, bar) + ") {\n" + text.substr(bar + 1) + "\nreturn (y: %y)\n}");
  return c;
}

void read_file(const std::string& family, const std::filesystem::path& file, std::vector<BenchCase>& cases) {
  std::ifstream in(file);
  std::string line, name;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.empty() || line[0] == '#') continue;
    if (!line.starts_with("  ")) {
      name = line;
      continue;
    }
    try {
      cases.push_back(make_case(family, name, line));
    } catch (const Error& e) {
      throw e.at(fmt::format("{}:{}", file.filename().string(), number));
    }
  }
}

}  // namespace

std::vector<BenchCase> bench_cases(const std::filesystem::path& ops) {
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(ops))
    if (entry.is_directory()) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  std::vector<BenchCase> cases;
  for (const std::filesystem::path& folder : folders) {
    const std::string family = folder.filename().string();
    read_file(family, folder / (family + ".bench.txt"), cases);
    if (family != "elementwise") continue;
    for (const ops::UnaryOp& op : ops::kUnary)
      if (ops::takes(op.types, DType::f32))
        cases.push_back(
            make_case(family, "vgg16 3211264", fmt::format("%x: f32[1,64,224,224] | %y = {}(%x)", op.name)));
    for (const ops::BinaryOp& op : ops::kBinary)
      if (ops::takes(op.types, DType::f32))
        cases.push_back(
            make_case(family, "resnet50 802816",
                      fmt::format("%x: f32[1,256,56,56], %z: f32[1,256,56,56] | %y = {}(%x, %z)", op.name)));
  }
  return cases;
}

}  // namespace monza::test
