// Completion scripts, the manual page and the table of operators: made from the code, so they must be whole.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "cli/driver.h"
#include "cli/text.h"

namespace monza::test {
namespace {

/// The commands as --help lists them.
std::vector<std::string> commands(const Tool& tool) {
  std::istringstream help(tool.run("--help").out);
  std::vector<std::string> names;
  bool inside = false;
  for (std::string line; std::getline(help, line);) {
    if (line.starts_with("Subcommands:")) inside = true;
    else if (inside && line.starts_with("  ") && line[2] != ' ') names.push_back(line.substr(2, line.find(' ', 2) - 2));
    else if (inside && !line.starts_with(" ")) break;
  }
  return names;
}

/// What bash completes `words` to, the last of which is being typed.
std::string completed(const Tool& tool, const std::string& words, int last) {
  const std::string script = "source completion.bash; COMP_WORDS=(" + words + "); COMP_CWORD=" + std::to_string(last) +
                             "; _monza; echo \"${COMPREPLY[*]}\"";
  tool.write("ask.sh", script);
  const std::string command = "cd '" + tool.path("").string() + "' && bash ask.sh >answer.txt 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << tool.read("answer.txt");
  std::string answer = tool.read("answer.txt");
  while (!answer.empty() && answer.back() == '\n') answer.pop_back();
  return answer;
}

TEST(CliCompletion, BashCompletesCommandsOptionsAndValues) {
  const Tool tool;
  const auto names = commands(tool);
  ASSERT_GE(names.size(), 10u);
  tool.write("completion.bash", tool.run("completion bash").out);
  const std::string all = " " + completed(tool, "monza ''", 1) + " ";
  for (const std::string& name : names) EXPECT_TRUE(has(all, " " + name + " ")) << name;
  EXPECT_EQ(completed(tool, "monza pro", 1), "profile");
  EXPECT_EQ(completed(tool, "monza build m.onnx --prec", 3), "--precision");
  EXPECT_EQ(completed(tool, "monza build m.onnx --precision b", 4), "bf16");
  EXPECT_EQ(completed(tool, "monza build m.onnx --threads ''", 4), "");
  tool.write("model-of-mine.onnx", "");
  EXPECT_EQ(completed(tool, "monza build model-of", 2), "model-of-mine.onnx");
  EXPECT_EQ(completed(tool, "monza completion z", 2), "zsh");
}

TEST(CliCompletion, ZshListsEveryCommandAndParses) {
  const Tool tool;
  const std::string script = tool.run("completion zsh").out;
  EXPECT_TRUE(script.starts_with("#compdef monza\n"));
  for (const std::string& name : commands(tool)) {
    EXPECT_TRUE(has(script, "    '" + name + ":")) << name;
    EXPECT_TRUE(has(script, "\n    " + name + ")\n")) << name;
  }
  EXPECT_TRUE(has(script, "(fp32 bf16 fp16 int8)"));
  if (std::system("command -v zsh >/dev/null") == 0) {
    tool.write("_monza", script);
    EXPECT_EQ(std::system(("zsh -n '" + tool.path("_monza").string() + "'").c_str()), 0);
  }
}

TEST(CliCompletion, RefusesOtherShells) {
  const Tool tool;
  const Ran ran = tool.run("completion fish");
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err, "fish not in {bash,zsh}")) << ran.err;
}

TEST(CliMan, HasEveryCommandAndOption) {
  const Tool tool;
  const std::string page = tool.run("man").out;
  EXPECT_TRUE(has(page, ".TH MONZA 1 "));
  for (const std::string& name : commands(tool)) EXPECT_TRUE(has(page, "\n.SS monza " + name)) << name;
  EXPECT_TRUE(has(page, ".B \\-\\-precision \\fIP\\fR"));
  if (std::system("command -v man >/dev/null") == 0 && std::system("command -v groff >/dev/null") == 0) {
    tool.write("monza.1", page);
    const std::string check = "groff -man -Tascii -ww '" + tool.path("monza.1").string() + "' >/dev/null 2>'" +
                              tool.path("warnings").string() + "'";
    EXPECT_EQ(std::system(check.c_str()), 0);
    EXPECT_EQ(tool.read("warnings"), "");
  }
}

TEST(CliOps, ListsOperatorsAndTheirKernels) {
  const Tool tool;
  const std::string page = tool.run("ops --markdown").out;
  for (const char* heading : {"## ai.onnx", "## ai.onnx.ml", "## com.microsoft"})
    EXPECT_TRUE(has(page, heading)) << heading;
  EXPECT_TRUE(has(page, "| Softmax | 1+ | yes |")) << page;
  EXPECT_TRUE(has(tool.run("ops").out, "Relu"));
  EXPECT_TRUE(has(tool.run("ops --json").out, "\"operator\": \"Conv\""));
}

}  // namespace
}  // namespace monza::test
