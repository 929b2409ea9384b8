// Every message that a model can meet, shown: src/ops/<family>/*.messages.txt and tests/messages/*.txt hold models (see
// support/onnx_notation.h) and, indented below each, what Monza says of it:
//
//   Conv(x: f32[1,3,8,8], w: f32[4,3,3,3] = 0; group = 0)
//     group is 0
//     try: ...                        (the hint, where there is one)
//     at: ...                         (the whole place; optional. The model is DIR/m. Of a run: what describe() adds)
//
// A model is one line; one that ends in \ goes on in the next. A model that begins with `graph` is a carried graph
// (ir/text.h), whose name may be left out; support/step_notation.h has the words that ask the operators' rules and
// kernels. What is said of a node's inputs (lines "input 0:
// ...") is compared only where the case shows it. Lines that begin with # are comments; adding a case compiles nothing.
//
// MONZA_MESSAGES=FILE prints the cases of FILE with what is said of each, for writing them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/error.h"
#include "import/onnx/proto_file.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "support/data.h"
#include "support/engine_from_text.h"
#include "support/onnx_notation.h"
#include "support/step_notation.h"
#include "support/temporary.h"

namespace monza {
namespace {

using test::NotedModel;

struct Case {
  int line = 0;
  std::string model, expected;
};

std::vector<Case> read_cases(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Case> cases;
  int number = 0;
  bool goes_on = false;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    if (line[0] != ' ' || goes_on) {
      if (!goes_on) cases.push_back({number, {}, {}});
      goes_on = line.back() == '\\';
      if (goes_on) line.pop_back();
      cases.back().model += line + "\n";
    } else {
      if (cases.empty()) throw Error(fmt::format("{}:{}: a message without a model", path.string(), number));
      std::string& expected = cases.back().expected;
      expected += (expected.empty() ? "" : "\n") + line.substr(std::min<std::size_t>(2, line.size()));
    }
  }
  return cases;
}

/// What Monza says of a model.
struct Said {
  std::string fact, hint, where;
  bool is_status = false;
};

Tensor tensor_of(const onnx::TensorProto& proto, const std::filesystem::path& folder) {
  auto model = std::make_shared<onnx::ModelProto>();
  *model->mutable_graph()->add_initializer() = proto;
  const auto constant = OnnxFile::around(model, folder)->constant(model->graph().initializer(0));
  const std::vector<std::int64_t> shape(constant->shape.dim, constant->shape.dim + constant->shape.rank);
  if (constant->dtype == DType::string) {
    const std::vector<std::string_view> views(constant->strings.begin(), constant->strings.end());
    return Tensor::of_strings(views, shape);
  }
  Tensor tensor(constant->dtype, shape);
  if (tensor.bytes() > 0) std::memcpy(tensor.ref().data, constant->bytes.data(), tensor.bytes());
  return tensor;
}

std::optional<Said> said_of(const Context& context, const Status& status) {
  if (status.ok()) return std::nullopt;
  const std::string message = status.message();
  const std::string added = context.describe(status).substr(message.size());
  return Said{message, {}, added.substr(std::min(added.find_first_not_of(": "), added.size())), true};
}

/// What is said of a run on the inputs that the case gives, and zeros.
std::optional<Said> say_run(const Engine& engine, const NotedModel& noted, const std::filesystem::path& path) {
  Context context = engine.create_context();
  std::vector<Tensor> held;
  held.reserve(engine.inputs().size());
  std::deque<Tensor> listed;
  std::deque<std::vector<TensorRef>> lists;
  for (const TensorInfo& info : engine.inputs()) {
    if (info.kind != ValueKind::tensor) {
      const auto given = noted.run_lists.find(info.name);
      if (given == noted.run_lists.end()) {
        if (const Status status = context.bind_input_absent(info.name); !status) return said_of(context, status);
        continue;
      }
      std::vector<TensorRef>& list = lists.emplace_back();
      for (const auto& t : given->second) list.push_back(listed.emplace_back(tensor_of(t, path)));
      if (const Status status = context.bind_input_list(info.name, list); !status) return said_of(context, status);
      continue;
    }
    const onnx::TensorProto* given = nullptr;
    for (const auto& t : noted.run_inputs.initializer())
      if (t.name() == info.name) given = &t;
    held.push_back(given != nullptr ? tensor_of(*given, path) : Tensor(info.dtype, info.opt));
    if (const Status status = context.bind_input(info.name, held.back()); !status) return said_of(context, status);
  }
  return said_of(context, context.run());
}

constexpr const char* kNotHere = "(this CPU cannot run the kernel)";

std::optional<Said> say(const std::string& text, const std::filesystem::path& folder) {
  try {
    if (text.starts_with("graph") || text.starts_with("model")) {
      constexpr std::string_view kNoName = "graph (";
      const std::string named = text.starts_with(kNoName) ? "graph \"g\" (" + text.substr(kNoName.size()) : text;
      if (const auto answer = test::ask_step(named)) {
        if (!answer->here) return Said{kNotHere, {}, {}, true};
        if (answer->refusal.empty()) return std::nullopt;
        return Said{answer->refusal, {}, {}, true};
      }
      test::engine_from_text(named, {}, true);
      return std::nullopt;
    }
    NotedModel noted = test::parse_onnx_notation(text);
    const auto path = folder / "m";
    std::ofstream(path, std::ios::binary) << noted.model.SerializeAsString();
    const Engine engine = Engine::build(path.string(), noted.options);
    if (!noted.runs) return std::nullopt;
    return say_run(engine, noted, path);
  } catch (const Error& e) {
    return Said{e.fact(), e.hint(), e.where()};
  } catch (const std::exception& e) {
    return Said{std::string("NO ERROR OF MONZA'S: ") + e.what(), {}, {}};
  }
}

bool is_evidence(std::string_view line) { return line.starts_with("  input ") && line.find(": ") != line.npos; }

/// As a case shows it: the fact (without what it says of inputs, unless wanted), the hint, the place if wanted.
std::string shown(const Said& said, const std::string& folder, bool evidence, bool place) {
  std::string text;
  const auto add = [&](const std::string& line) { text += (text.empty() ? "" : "\n") + line; };
  std::istringstream lines(said.fact);
  for (std::string line; std::getline(lines, line);)
    if (evidence || !is_evidence(line)) add(line);
  if (!said.hint.empty()) add("try: " + said.hint);
  if (place) add("at: " + said.where);
  for (std::size_t at = text.find(folder); at != text.npos; at = text.find(folder))
    text.replace(at, folder.size(), "DIR");
  return text;
}

std::string got_for(const Case& c, const std::filesystem::path& folder, bool of_operator) {
  const auto said = say(c.model, folder);
  if (!said) return "(nothing is wrong)";
  // What an operator's importer or definition says must name the node. (A status is placed by Context::describe.)
  const bool unplaced = of_operator && !said->is_status && said->where.find("node '") == std::string::npos;
  return shown(*said, folder.string(), c.expected.find("\n  input ") != std::string::npos,
               unplaced || c.expected.find("\nat: ") != std::string::npos);
}

std::string indented(const std::string& text) {
  std::string out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) out += "  " + line + "\n";
  return out;
}

std::vector<std::filesystem::path> files() {
  const auto root = std::filesystem::path(test::fixture("")).parent_path().parent_path().parent_path();
  std::vector<std::filesystem::path> found;
  for (const auto& e : std::filesystem::recursive_directory_iterator(root / "src"))
    if (e.path().string().ends_with(".messages.txt")) found.push_back(e.path());
  for (const auto& e : std::filesystem::directory_iterator(root / "tests" / "messages"))
    if (e.path().string().ends_with(".messages.txt")) found.push_back(e.path());
  std::sort(found.begin(), found.end());
  return found;
}

class Messages : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Messages, AreAsShown) {
  const test::TemporaryFolder folder;
  const auto cases = read_cases(GetParam());
  EXPECT_FALSE(cases.empty());
  const bool of_operator = GetParam().string().find("/src/ops/") != std::string::npos;
  for (const Case& c : cases) {
    const std::string got = got_for(c, folder.path(), of_operator);
    if (got != c.expected && got != kNotHere)
      ADD_FAILURE_AT(GetParam().c_str(), c.line) << c.model << "expected\n"
                                                 << indented(c.expected) << "got\n"
                                                 << indented(got);
  }
}

TEST(MessagesOf, AFile) {
  const char* path = std::getenv("MONZA_MESSAGES");
  if (path == nullptr) GTEST_SKIP() << "MONZA_MESSAGES=FILE prints the cases of a file with what is said of each";
  const test::TemporaryFolder folder;
  for (const Case& c : read_cases(path))
    std::cout << c.model << indented(got_for(c, folder.path(), true)) << std::flush;
}

INSTANTIATE_TEST_SUITE_P(In, Messages, testing::ValuesIn(files()), [](const auto& info) {
  std::string name = info.param.filename().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace monza
