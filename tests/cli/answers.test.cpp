// The commands that answer questions about a model: explain, compare, inspect's pictures, profile and bench over time,
// the report.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/driver.h"
#include "io/npz.h"

namespace monza::test {
namespace {

using Json = nlohmann::json;

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size()) ++n;
  return n;
}
bool has(const std::string& text, const std::string& word) { return text.find(word) != std::string::npos; }

/// Every element that is opened is closed, in order: enough of XML to know that a name did not break out.
void expect_well_formed(const std::string& xml) {
  std::vector<std::string> open;
  for (std::size_t at = 0; (at = xml.find('<', at)) != std::string::npos;) {
    const std::size_t end = xml.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = xml.substr(at + 1, end - at - 1);
    at = end + 1;
    if (tag.empty() || tag[0] == '!' || tag[0] == '?' || tag.back() == '/') continue;
    const std::string name = tag.substr(tag[0] == '/' ? 1 : 0, tag.find_first_of(" \n") - (tag[0] == '/' ? 1 : 0));
    if (name == "meta") continue;
    if (tag[0] != '/') {
      open.push_back(name);
    } else {
      ASSERT_FALSE(open.empty()) << tag;
      ASSERT_EQ(open.back(), name);
      open.pop_back();
    }
  }
  EXPECT_TRUE(open.empty()) << open.back();
}

TEST(CliExplain, SaysWhatComputesANodeAndWhichKernelsDoNot) {
  const Tool tool;
  tool.model("m.onnx");
  const Ran ran = tool.run("explain m.onnx second --json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json report = Json::parse(ran.out);
  EXPECT_EQ(report.at("op_type"), "Add");
  const Json& made = report.at("computed_by").at(0);
  ASSERT_FALSE(made.at("candidates").empty());
  std::size_t refused = 0;
  bool taken = false;
  for (const Json& c : made.at("candidates")) {
    if (!c.at("fits").get<bool>()) {
      ++refused;
      EXPECT_FALSE(c.at("reason").get<std::string>().empty());
    }
    taken = taken || c.at("kernel") == made.at("kernel");
  }
  EXPECT_TRUE(taken);
  const Ran text = tool.run("explain m.onnx second");
  EXPECT_TRUE(has(text.out, "Add 'second'")) << text.out;
  EXPECT_TRUE(has(text.out, "candidates for")) << text.out;
  EXPECT_EQ(count(text.out, "refused: "), refused);
  EXPECT_TRUE(has(text.out, "f32[2,3]  dense")) << text.out;
}

TEST(CliExplain, NamesThatAlmostExistAreSuggested) {
  const Tool tool;
  tool.model("m.onnx");
  const Ran ran = tool.run("explain m.onnx secnd");
  EXPECT_EQ(ran.code, 3);
  EXPECT_TRUE(has(ran.err, "the model has no node and no tensor 'secnd'\n  try: one of 'second'")) << ran.err;
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  const Ran engine = tool.run("explain m.engine secnd");
  EXPECT_EQ(engine.code, 3);
  EXPECT_TRUE(has(engine.err, "no step of the engine computes a node 'secnd'\n  try: one of 'second'")) << engine.err;
  EXPECT_TRUE(has(tool.run("explain m.engine second").out, "explain the ONNX file to see them"));
}

TEST(CliCompare, AnEngineAgreesWithItsModelUnoptimised) {
  const Tool tool;
  tool.model("m.onnx");
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  for (const char* line : {"compare m.engine m.onnx", "compare m.onnx m.onnx --tensors", "compare m.engine m.engine"}) {
    const Ran ran = tool.run(line);
    EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
    EXPECT_TRUE(has(ran.out, "all agree")) << ran.out;
  }
  const Json report = Json::parse(tool.run("compare m.onnx m.onnx --tensors --json").out);
  EXPECT_EQ(report.at("ok"), true);
  EXPECT_GE(report.at("tensors").size(), 2u);
}

TEST(CliCompare, AnotherModelDiffersAndTheRebuiltOneSaysSo) {
  const Tool tool;
  tool.model("m.onnx");
  tool.model("other.onnx",
             [](onnx::ModelProto& m) { m.mutable_graph()->mutable_initializer(0)->set_float_data(5, 50); });
  ASSERT_EQ(tool.run("build other.onnx --output other.engine").code, 0);
  const Ran ran = tool.run("compare other.engine m.onnx");
  EXPECT_EQ(ran.code, 1) << ran.err;
  EXPECT_TRUE(has(ran.out, "1 of 6 elements differ, most at [1, 2]: ")) << ran.out;
  EXPECT_TRUE(
      has(ran.out, "'m.onnx' built now with the same options agrees: the engine is of another model or version"))
      << ran.out;
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  const Ran engines = tool.run("compare m.engine other.engine");
  EXPECT_EQ(engines.code, 1);
  EXPECT_TRUE(has(engines.out, "two engines do not say which node it was: compare each with the ONNX file"));
}

TEST(CliCompare, ArraysOfInnerTensorsNameTheFirstThatDiffers) {
  const Tool tool;
  tool.model("m.onnx");
  // The model's input, its inner tensor r = relu(x), which is wrong here, and its output, which is right.
  Tensor x(DType::f32, {2, 3}), r(DType::f32, {2, 3}), y(DType::f32, {2, 3});
  for (int i = 0; i < 6; ++i) {
    x.as<float>()[i] = float(i) - 3;
    r.as<float>()[i] = float(i);
    y.as<float>()[i] = std::max(0.f, float(i) - 3) + float(i);
  }
  io::write_npz(tool.path("all.npz"), std::vector<io::NamedRef>{{"x", x}, {"r", r}, {"y", y}});
  const Ran ran = tool.run("compare m.onnx all.npz --json");
  EXPECT_EQ(ran.code, 1) << ran.err;
  const Json report = Json::parse(ran.out);
  EXPECT_EQ(report.at("culprit").at("kind"), "node");
  EXPECT_EQ(report.at("culprit").at("tensor"), "r");
  EXPECT_TRUE(has(report.at("culprit").at("node"), "'first'"));
  for (const Json& t : report.at("tensors")) EXPECT_EQ(t.at("ok"), t.at("name") == "y");
  io::write_npz(tool.path("none.npz"), std::vector<io::NamedRef>{{"q", r}});
  const Ran none = tool.run("compare m.onnx none.npz");
  EXPECT_EQ(none.code, 3);
  EXPECT_TRUE(has(none.err,
                  "'none.npz': none of its arrays is a tensor of the model: 'q'\n  try: name the arrays as the model's "
                  "tensors"))
      << none.err;
}

TEST(CliCompare, RefusesWhatCannotBeCompared) {
  const Tool tool;
  tool.model("m.onnx");
  tool.model("z.onnx", [](onnx::ModelProto& m) {
    m.mutable_graph()->mutable_output(0)->set_name("z");
    m.mutable_graph()->mutable_node(1)->set_output(0, "z");
  });
  const Ran other = tool.run("compare m.onnx z.onnx");
  EXPECT_EQ(other.code, 3);
  EXPECT_TRUE(has(other.err, "the two have no output of the same name\n  try: compare engines of one model"))
      << other.err;
  tool.array("q.npy", "(2, 3)", 6);
  tool.write("q.npz", "");
  EXPECT_EQ(tool.run("compare m.onnx q.npz").code, 3);
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  const Ran tensors = tool.run("compare m.engine m.engine --tensors");
  EXPECT_EQ(tensors.code, 2);
  EXPECT_TRUE(has(tensors.err, "--tensors needs the ONNX file as one of the two")) << tensors.err;
}

TEST(CliInspect, DrawsGraphsAndMemory) {
  const Tool tool;
  tool.model("m.onnx",
             [](onnx::ModelProto& m) { m.mutable_graph()->mutable_node(0)->set_name("<script>alert('&')</script>"); });
  for (const char* what : {"", "--imported", "--memory"}) {
    ASSERT_EQ(tool.run(std::string("inspect m.onnx --svg p.svg ") + what).code, 0) << what;
    const std::string svg = tool.read("p.svg");
    EXPECT_TRUE(svg.starts_with("<svg xmlns=")) << what;
    expect_well_formed(svg);
    EXPECT_FALSE(has(svg, "<script"));
  }
  ASSERT_EQ(tool.run("inspect m.onnx --svg p.svg --imported").code, 0);
  EXPECT_TRUE(has(tool.read("p.svg"), "&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;"));
  EXPECT_TRUE(has(tool.read("p.svg"), ">Relu</text>"));
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  const Ran engine = tool.run("inspect m.engine --svg p.svg");
  EXPECT_EQ(engine.code, 2);
  EXPECT_TRUE(has(engine.err, "--svg draws the graph of an ONNX file\n  try: --memory --svg FILE")) << engine.err;
  EXPECT_EQ(tool.run("inspect m.engine --memory --svg p.svg").code, 0);
  EXPECT_EQ(tool.run("inspect m.onnx --svg no/such/folder/p.svg").code, 3);
}

TEST(CliInspect, FindsWeightsThatTwoEnginesShare) {
  const Tool tool;
  tool.model("a.onnx");
  tool.model("b.onnx", [](onnx::ModelProto& m) { m.mutable_graph()->mutable_node(0)->set_op_type("Sigmoid"); });
  tool.model("c.onnx", [](onnx::ModelProto& m) { m.mutable_graph()->mutable_initializer(0)->set_float_data(0, 7); });
  for (const char* name : {"a", "b", "c"})
    ASSERT_EQ(tool.run(std::string("build ") + name + ".onnx --output " + name + ".engine").code, 0);
  const Json same =
      Json::parse(tool.run("inspect a.engine --shared-with b.engine --json").out).at("shared_weights").at(0);
  EXPECT_GE(same.at("bytes").get<int>(), 24);
  EXPECT_EQ(same.at("blocks").at(0).at("name"), "w");
  const Ran none = tool.run("inspect a.engine --shared-with c.engine");
  EXPECT_TRUE(has(none.out, "weights shared with 'c.engine': ")) << none.out;
  EXPECT_TRUE(has(none.out, "in 0 blocks")) << none.out;
  const Ran wrong = tool.run("inspect a.engine --shared-with a.onnx");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_TRUE(has(wrong.err, "--shared-with 'a.onnx' is no engine file\n  try: build it with `monza build`"))
      << wrong.err;
}

TEST(CliProfile, ShowsWhatChangedAndDrawsRunTimes) {
  const Tool tool;
  tool.model("m.onnx");
  const Ran first = tool.run("profile m.onnx --iterations 30 --no-ceilings --json --histogram runs.svg");
  ASSERT_EQ(first.code, 0) << first.err;
  expect_well_formed(tool.read("runs.svg"));
  EXPECT_TRUE(has(tool.read("runs.svg"), "time of a run"));
  const Json report = Json::parse(first.out);
  std::size_t runs = report.at("histogram").at("above");
  for (const Json& n : report.at("histogram").at("counts")) runs += n.get<std::size_t>();
  EXPECT_EQ(runs, 30u);
  tool.write("before.json", first.out);
  const Ran again = tool.run("profile m.onnx --iterations 5 --no-ceilings --against before.json");
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(has(again.out, "since then: best run ")) << again.out;
  EXPECT_TRUE(has(again.out, "whole runs: 5 of them")) << again.out;
  const Json changes =
      Json::parse(tool.run("profile m.onnx --iterations 5 --no-ceilings --against before.json --json").out)
          .at("changes");
  EXPECT_EQ(changes.size(), report.at("layers").size());
  for (const char* wrong : {"{}", "[1, 2]", "nonsense", R"({"best_run_ms": 1, "layers": [{"name": 3}]})"}) {
    tool.write("wrong.json", wrong);
    const Ran ran = tool.run("profile m.onnx --iterations 1 --no-ceilings --against wrong.json");
    EXPECT_EQ(ran.code, 3) << wrong;
    EXPECT_TRUE(has(ran.err, "'wrong.json': it is no profile\n  try: give what `monza profile MODEL --json` printed"))
        << ran.err;
  }
}

/// y = relu(x) + w of the batch given at run time.
void open_batch(onnx::ModelProto& m) {
  auto& graph = *m.mutable_graph();
  for (auto* value : {graph.mutable_input(0), graph.mutable_output(0)})
    value->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_param("N");
  auto& w = *graph.mutable_initializer(0);
  w.set_dims(0, 1);
  w.mutable_float_data()->Truncate(3);
}

TEST(CliBench, SweepsTheBatchAndDrawsIt) {
  const Tool tool;
  tool.model("m.onnx", open_batch);
  const std::string quick = " --iterations 20 --warmup 0 --no-tune --quiet";
  const Ran ran = tool.run("bench m.onnx --sweep batch=1,2,4 --chart sweep.svg --json" + quick);
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json points = Json::parse(ran.out).at("points");
  ASSERT_EQ(points.size(), 3u);
  for (const Json& p : points)
    EXPECT_NEAR(p.at("items_per_s").get<double>(),
                p.at("throughput_per_s").get<double>() * std::stod(p.at("value").get<std::string>()), 1e-6);
  expect_well_formed(tool.read("sweep.svg"));
  EXPECT_EQ(count(tool.read("sweep.svg"), "<circle"), 3u);
  EXPECT_EQ(tool.run("bench m.onnx --sweep N=1,2" + quick).code, 0);
  EXPECT_EQ(tool.run("bench m.onnx --sweep threads=1,2 --shape N=1" + quick).code, 0);
  EXPECT_EQ(tool.run("bench m.onnx --sweep precision=fp32 --shape N=1" + quick).code, 0);
}

TEST(CliBench, RefusesASweepOfWhatIsFixed) {
  const Tool tool;
  tool.model("m.onnx");
  const auto error = [&](const std::string& line) { return tool.run("bench m.onnx " + line); };
  Ran ran = error("--sweep batch=1,2");
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err,
                  "the model leaves no dimension 'batch' open\n  try: export it with a dynamic batch, or sweep threads "
                  "or precision"))
      << ran.err;
  ran = error("--sweep threads=0");
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err, "threads=0: give a number above 0")) << ran.err;
  EXPECT_EQ(error("--sweep threads=one").code, 2);
  EXPECT_EQ(error("--sweep precision=fp7").code, 2);
  EXPECT_EQ(error("--sweep batch").code, 2);
  ran = error("--chart c.svg");
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err, "--chart draws a sweep\n  try: --sweep batch=1,2,4,8 --chart FILE.svg")) << ran.err;
  ASSERT_EQ(tool.run("build m.onnx --output m.engine").code, 0);
  ran = tool.run("bench m.engine --sweep precision=fp32,bf16");
  EXPECT_EQ(ran.code, 2);
  EXPECT_TRUE(has(ran.err, "--sweep precision builds anew, and the model is an engine that is built already"))
      << ran.err;
}

TEST(CliReport, IsOnePageThatEscapesTheModelsNames) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) {
    const std::string evil = "</title><script>alert(1)</script>\"'<!--";
    auto& graph = *m.mutable_graph();
    graph.mutable_node(0)->set_name(evil);
    graph.mutable_node(0)->set_output(0, evil + "r");
    graph.mutable_node(1)->set_input(0, evil + "r");
    graph.mutable_initializer(0)->set_name(evil + "w");
    graph.mutable_node(1)->set_input(1, evil + "w");
    auto& metadata = *m.add_metadata_props();
    metadata.set_key(evil);
    metadata.set_value("\xff\xfe " + evil);
  });
  const Ran ran = tool.run("build m.onnx --output m.engine --report page.html");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "report: page.html"));
  const std::string page = tool.read("page.html");
  EXPECT_FALSE(has(page, "<script"));
  EXPECT_TRUE(has(page, "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&lt;!--"));
  for (const char* outside : {"http://", "https://", "src=", "url(", "@import"}) {
    std::string rest = page;  // the names of XML's namespaces are not fetched
    const std::string space = "xmlns=\"http://www.w3.org/2000/svg\"";
    for (std::size_t at; (at = rest.find(space)) != std::string::npos;) rest.erase(at, space.size());
    EXPECT_FALSE(has(rest, outside)) << outside;
  }
  for (const char* section : {"id=\"layers\"", "id=\"fusions\"", "id=\"graph\"", "id=\"memory\"", "id=\"candidates\""})
    EXPECT_TRUE(has(page, section)) << section;
  EXPECT_EQ(count(page, "<svg "), 4u) << "run times, both graphs, memory";
  expect_well_formed(page);
}

}  // namespace
}  // namespace monza::test
