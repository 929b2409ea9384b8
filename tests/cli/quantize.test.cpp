// `monza quantize`: from a float model and samples to an engine that keeps its contract, or to none.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "cli/driver.h"
#include "cli/text.h"
#include "eval/confidence.h"
#include "io/npz.h"
#include "support/onnx_notation.h"
#include "tools/quantize/slow_products.h"

namespace monza::test {
namespace {

using Json = nlohmann::json;

std::vector<float> random_values(std::size_t count, std::uint32_t seed) {
  std::mt19937 rng(seed);
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(std::uniform_real_distribution<float>(-1, 1)(rng));
  return values;
}

/// y = MatMul(relu(MatMul(x, w)), v).
void write_model(const Tool& tool) {
  const auto numbers = [](std::uint32_t seed) {
    std::string text;
    for (const float v : random_values(256, seed)) text += fmt::format("{}{:.4f}", text.empty() ? "" : ", ", v);
    return text;
  };
  const std::string model = fmt::format("w: f32[16,16] = [{}]; v: f32[16,16] = [{}]\n", numbers(1), numbers(2)) +
                            "a = MatMul(x: f32[4,16], w)\nr = Relu(a)\ny = MatMul(r, v)\nreturn y\nopset 17";
  std::ofstream(tool.path("m.onnx"), std::ios::binary) << parse_onnx_notation(model).model.SerializeAsString();
}

void write_samples(const Tool& tool, const std::string& folder, std::uint32_t seed, int count) {
  std::filesystem::create_directories(tool.path(folder));
  for (int s = 0; s < count; ++s) {
    Tensor x(DType::f32, {4, 16});
    const auto values = random_values(64, seed + static_cast<std::uint32_t>(s));
    std::copy(values.begin(), values.end(), x.as<float>());
    const std::vector<io::NamedRef> arrays = {{"x", x}};
    io::write_npz(tool.path(folder + "/" + std::to_string(s) + ".npz"), arrays);
  }
}

class CliQuantize : public ::testing::Test {
 protected:
  CliQuantize() {
    write_model(tool_);
    write_samples(tool_, "calib", 100, 20);
    write_samples(tool_, "val", 200, 8);
  }
  Ran quantize(const std::string& more) { return tool_.run("quantize m.onnx --no-tune --quiet --threads 1 " + more); }
  Tool tool_;
};

TEST_F(CliQuantize, MakesAnEngineAndSaysWhatItCosts) {
  const Ran ran = quantize("--data calib --eval val --max-drop 1 --output q.engine --json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json report = Json::parse(ran.out);
  EXPECT_EQ(report.at("samples"), 8);
  EXPECT_EQ(report.at("int8_macs"), 1);
  EXPECT_EQ(report.at("kept"), Json::array());
  EXPECT_GT(report.at("speedup").get<double>(), 0);
  EXPECT_NEAR(report.at("drop").get<double>(), report.at("float").get<double>() - report.at("quantised").get<double>(),
              1e-9);
  EXPECT_EQ(report.at("metric"), "cosine");
  EXPECT_EQ(report.at("float"), 100);
  EXPECT_GT(report.at("quantised").get<double>(), 99.9);
  EXPECT_LT(report.at("quantised").get<double>(), 100);
  EXPECT_TRUE(has(tool_.run("inspect q.engine --graph").out, "QMatMul("));
  const Ran compared = tool_.run("compare q.engine m.onnx --quiet");
  EXPECT_EQ(compared.code, 0);
  EXPECT_TRUE(has(compared.out, "signal/noise")) << compared.out;
  EXPECT_TRUE(has(compared.out, " dB  y\n")) << compared.out;
  const double ratio = Json::parse(tool_.run("compare q.engine m.onnx --quiet --json").out)
                           .at("tensors")[0]
                           .at("signal_to_noise_db")
                           .get<double>();
  EXPECT_GT(ratio, 30);  // 8 bits with uniform values: some 50, less what three roundings cost
  EXPECT_LT(ratio, 60);
  const std::string explained = tool_.run("explain q.engine a").out;
  EXPECT_TRUE(has(explained, "  reads u8: scale 0.0078")) << explained;  // of -1 to 1
  EXPECT_TRUE(has(explained, "  weight i8: 16 scales, 0.00")) << explained;
  EXPECT_TRUE(has(explained, "  writes u8: scale 0.0")) << explained;
  EXPECT_TRUE(has(explained, "zero point 0, which is 0 to ")) << explained;  // behind the ReLU
  EXPECT_TRUE(has(explained, "; of the samples' values 0")) << explained;
  EXPECT_TRUE(has(explained, " % are cut off, signal to noise ")) << explained;
  EXPECT_EQ(tool_.run("build m.onnx --no-tune --quiet --precision int8 --calibrate calib -o b.engine").code, 0);
  EXPECT_TRUE(has(tool_.run("explain b.engine a").out, " % are cut off, signal to noise "));
}

TEST_F(CliQuantize, InnerValuesOfIntegersAreComparedWithFloats) {
  const auto inner = [&](const std::string& engine) {
    const Ran ran = tool_.run("compare " + engine + " m.onnx --tensors --quiet --json");
    const Json tensors = Json::parse(ran.out).at("tensors");
    for (const Json& t : tensors)
      if (t.at("name") == "r") return t;
    ADD_FAILURE() << ran.out << ran.err;
    return Json();
  };
  ASSERT_EQ(quantize("--data calib --output q.engine").code, 0);
  const Json good = inner("q.engine");
  EXPECT_GT(good.at("signal_to_noise_db").get<double>(), 25) << good;
  EXPECT_LT(good.at("clipped").get<double>(), 0.05) << good;
  // r reaches some 8, and its 8 bits 0.125.
  tool_.write("trt", "TRT-8601-EntropyCalibration2\nx: 3c010a14\nr: 3a010a14\n");
  ASSERT_EQ(quantize("--calibration-cache trt --output cut.engine").code, 0);
  const Json cut = inner("cut.engine");
  EXPECT_LT(cut.at("signal_to_noise_db").get<double>(), 10) << cut;
  EXPECT_GT(cut.at("clipped").get<double>(), 0.3) << cut;
  const std::string text = tool_.run("compare cut.engine m.onnx --tensors --quiet").out;
  EXPECT_TRUE(has(text, "    cut off  tensor\n")) << text;
  EXPECT_TRUE(has(text, " %  r\n")) << text;
  EXPECT_TRUE(has(text, "the engine was quantised from floats")) << text;
}

TEST_F(CliQuantize, ExportsOnnxThatBuildsTheSameEngine) {
  const Ran ran = quantize("--data calib --eval val --max-drop 1 --output a.engine --export q.onnx");
  ASSERT_EQ(ran.code, 0) << ran.err;
  ASSERT_EQ(tool_.run("build q.onnx --no-tune --quiet --threads 1 -o b.engine").code, 0);
  const Json same = Json::parse(tool_.run("compare a.engine b.engine --quiet --json").out);
  EXPECT_EQ(same.at("tensors")[0].at("max_abs_error"), 0) << same;
  EXPECT_TRUE(has(tool_.run("inspect b.engine --graph").out, "QMatMul("));
  EXPECT_EQ(quantize("--data calib --eval val --max-drop 0 --export none.onnx").code, 1);
  EXPECT_FALSE(std::filesystem::exists(tool_.path("none.onnx")));
}

TEST_F(CliQuantize, WritesNoEngineThatBreaksItsContract) {
  const Ran ran = quantize("--data calib --eval val --max-drop 0 --output q.engine");
  EXPECT_EQ(ran.code, 1);
  EXPECT_TRUE(has(ran.err, "the contract does not hold: ")) << ran.err;
  EXPECT_FALSE(std::filesystem::exists(tool_.path("q.engine")));
}

TEST_F(CliQuantize, SaysHowSureItIs) {
  const Ran ran = quantize("--data calib --eval val --max-drop 1");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.out, "cosine of 8 samples that were not calibrated on: 100.00 in floats")) << ran.out;
  EXPECT_TRUE(has(ran.out, "on other samples of this kind it would be 0.0")) << ran.out;
  EXPECT_FALSE(has(ran.out, "leave open")) << ran.out;
}

TEST_F(CliQuantize, ScoresByACommand) {
  // The outputs are there while it runs, one file for each sample, and its last word counts.
  tool_.write("score.sh", "test -s \"$2/000000-0.npz\" || exit 4\necho files $(ls \"$2\" | wc -l)\n");
  const Ran ran = quantize("--data calib --eval val --max-drop 0 --json --metric 'sh score.sh x'");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json report = Json::parse(ran.out);
  EXPECT_EQ(report.at("metric"), "sh score.sh x");
  EXPECT_EQ(report.at("float"), 8);  // in its own unit
  EXPECT_EQ(report.at("drop"), 0);
  EXPECT_TRUE(has(tool_.run_with("TMPDIR=none", "quantize m.onnx --no-tune --data calib --eval val --metric true").err,
                  "there is no place for the outputs that --metric is given\n  try: a folder that can be written to in "
                  "TMPDIR"));
  EXPECT_TRUE(has(quantize("--data calib --eval val --metric 'exit 7;'").err,
                  "--metric 'exit 7;': it ended with 7\n  try: what it says of a folder of .npz files"));
  EXPECT_TRUE(
      has(quantize("--data calib --eval val --metric 'echo good #'").err,
          "it printed no number at its end, but 'good'\n  try: a command whose last printed word is the score"));
}

TEST(SlowerProducts, CompareStepsThatShareANode) {
  const auto step = [](std::vector<std::string> nodes, double us) {
    StepProfile s;
    s.nodes = std::move(nodes);
    s.best_us = us;
    return s;
  };
  // b gains, but its conversion costs more than that; c is fused with d in integers alone; e is within the noise.
  const std::vector<StepProfile> floats = {step({"a"}, 10), step({"b"}, 10), step({"c"}, 10),
                                           step({"d"}, 5),  step({"e"}, 10), step({}, 100)};
  const std::vector<StepProfile> integers = {step({"a"}, 12),      step({"b"}, 7),    step({"b"}, 5),
                                             step({"c", "d"}, 14), step({"e"}, 10.2), step({}, 900)};
  EXPECT_EQ(tool::slower_products(floats, integers, {"a", "b", "c", "e", "unknown"}),
            (std::set<std::string>{"a", "b"}));
}

TEST(DifferenceInterval, IsThatOfPairs) {
  const auto accuracy = [](std::vector<double> hits) {
    double sum = 0;
    for (const double h : hits) sum += h;
    const auto n = static_cast<std::int64_t>(hits.size());
    return eval::Accuracy{"top-1", sum / static_cast<double>(n), {}, n, eval::weighted_mean(std::move(hits))};
  };
  // 100 samples of which half are right: one score says little, but that 4 pairs differ says much.
  std::vector<double> first(100, 0), second;
  for (std::size_t i = 0; i < 50; ++i) first[2 * i] = 1;
  second = first;
  for (std::size_t i = 0; i < 4; ++i) second[2 * i] = 0;
  const eval::Interval i = eval::difference_interval(accuracy(first), accuracy(second));
  EXPECT_NEAR(i.error, std::sqrt(0.04 * 0.96 / 100), 0.003);  // of a share of 4 in 100
  EXPECT_LT(i.low, 0.015);
  EXPECT_GT(i.high, 0.07);
  const eval::Interval none = eval::difference_interval(accuracy(first), accuracy(first));
  EXPECT_EQ(none.low, 0);
  EXPECT_EQ(none.high, 0);
}

TEST_F(CliQuantize, ReportsOnAPage) {
  const Ran ran = quantize("--data calib --eval val --max-drop 0.0001 --report page.html --max-seconds 600");
  EXPECT_EQ(ran.code, 1);  // the page is written also of what does not hold
  const std::string page = tool_.read("page.html");
  for (const char* part : {"m.onnx in 8 bits", "cosine of 8 samples", "What was tried", "<svg", "What each costs",
                           "<td class=\"k name\">x</td>", " dB</td>", "the contract does not hold"})
    EXPECT_TRUE(has(page, part)) << part;
}

TEST_F(CliQuantize, EndsWhenItsTimeIsUp) {
  const Ran ran = quantize("--data calib --eval val --max-drop 0 --max-seconds 0.001");
  EXPECT_EQ(ran.code, 1);
  EXPECT_TRUE(has(ran.err, "the search ended with --max-seconds")) << ran.err;
  EXPECT_EQ(quantize("--data calib --eval val --max-drop 1 --max-seconds 0.001").code, 0);  // it holds at once
}

TEST_F(CliQuantize, RangesAreKeptAndTaken) {
  ASSERT_EQ(quantize("--data calib --calibration-cache ranges --tensorrt-cache trt --output a.engine").code, 0);
  EXPECT_TRUE(has(tool_.read("ranges"), "monza calibration 1\ncalibrator mse\nsamples 20\n"));
  EXPECT_TRUE(has(tool_.read("trt"), "TRT-8601-EntropyCalibration2\n"));
  ASSERT_EQ(quantize("--calibration-cache ranges --output b.engine").code, 0);
  EXPECT_EQ(tool_.run("inspect a.engine --graph").out, tool_.run("inspect b.engine --graph").out);
  EXPECT_EQ(quantize("--calibration-cache trt --output c.engine").code, 0);
  for (const char* calibrator : {"min-max", "percentile", "entropy"})
    EXPECT_EQ(quantize(fmt::format("--data calib --calibrator {}", calibrator)).code, 0) << calibrator;
}

TEST_F(CliQuantize, KeepsTheCostliestInFloatsUntilTheContractHolds) {
  // A range that cuts off most of what the second product reads.
  ASSERT_EQ(quantize("--data calib --calibration-cache ranges").code, 0);
  tool_.write("trt", "TRT-8601-EntropyCalibration2\nx: 3c010a14\nr: 3a010a14\n");
  EXPECT_EQ(quantize("--calibration-cache trt --eval val --json").code, 0);
  const Json lost = Json::parse(quantize("--calibration-cache trt --eval val --json").out);
  EXPECT_GT(lost.at("drop").get<double>(), 1);
  const Ran ran = quantize("--calibration-cache trt --eval val --max-drop 0.5 --json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json report = Json::parse(ran.out);
  EXPECT_LE(report.at("drop").get<double>(), 0.5);
  EXPECT_NEAR(report.at("int8_macs").get<double>(), 0.5, 1e-9);
  ASSERT_EQ(report.at("kept").size(), 1U);
  EXPECT_TRUE(has(report.at("kept")[0].at("node").get<std::string>(), "'y'"));
}

TEST_F(CliQuantize, ASearchGoesOnFromWhatAnotherHasMeasured) {
  tool_.write("trt", "TRT-8601-EntropyCalibration2\nx: 3c010a14\nr: 3a010a14\n");
  const std::string command = "--calibration-cache trt --eval val --max-drop 0.5 --search-cache found --json";
  const Ran first = quantize(command);
  ASSERT_EQ(first.code, 0) << first.err;
  const std::string found = tool_.read("found");
  EXPECT_TRUE(has(found, "monza quantisation search 1\n"));
  const Json one = Json::parse(first.out), other = Json::parse(quantize(command).out);
  EXPECT_EQ(one.at("kept"), other.at("kept"));
  EXPECT_EQ(one.at("quantised"), other.at("quantised"));
  EXPECT_EQ(tool_.read("found"), found) << "something was measured again";
  // Whoever finds perfect scores there looks for nothing better; what is written is measured none the less.
  std::string perfect = "monza quantisation search 1\n";
  for (std::size_t at = found.find('\n') + 1; at < found.size(); at = found.find('\n', at) + 1)
    perfect += found.substr(at, 16) + " 1.9p+6\n";
  tool_.write("found", perfect);
  const Ran fooled = quantize(command);
  EXPECT_EQ(fooled.code, 1);
  EXPECT_EQ(Json::parse(fooled.out).at("int8_macs"), 1);
}

TEST_F(CliQuantize, TriesOtherCalibratorsBeforeItGivesUpIntegers) {
  // One outlier costs all others steps, which the entropy of the values tells.
  Tensor x(DType::f32, {4, 16});
  const auto values = random_values(64, 400);
  std::copy(values.begin(), values.end(), x.as<float>());
  x.as<float>()[7] = 90;
  io::write_npz(tool_.path("calib/outlier.npz"), std::vector<io::NamedRef>{{"x", x}});
  const Json lost = Json::parse(quantize("--data calib --eval val --calibrator min-max --json").out);
  ASSERT_GT(lost.at("drop").get<double>(), 0.5);
  const Ran ran = quantize(
      "--data calib --eval val --calibrator min-max --max-drop 0.5 --calibration-cache ranges --report page.html "
      "--json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json report = Json::parse(ran.out);
  EXPECT_LE(report.at("drop").get<double>(), 0.5);
  EXPECT_EQ(report.at("int8_macs"), 1);
  EXPECT_TRUE(has(tool_.read("ranges"), "calibrator entropy\n"));
  EXPECT_TRUE(has(tool_.read("page.html"), "all in INT8, entropy ranges"));
}

TEST_F(CliQuantize, BuildCalibratesToo) {
  ASSERT_EQ(tool_
                .run("build m.onnx --no-tune --quiet --precision int8 --calibrate calib --calibration-cache ranges -o "
                     "a.engine")
                .code,
            0);
  ASSERT_EQ(quantize("--calibration-cache ranges --output b.engine").code, 0);
  EXPECT_EQ(tool_.run("inspect a.engine --graph").out, tool_.run("inspect b.engine --graph").out);
}

TEST_F(CliQuantize, QuantisesForADevice) {
  const Ran ran = quantize("--data calib --eval val --max-drop 1 --device reference --output q.engine");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const std::string plan = tool_.run("inspect q.engine --plan").out;
  EXPECT_TRUE(has(plan, " qmatmul_ref [a")) << plan;
  EXPECT_TRUE(has(plan, " in int8 device 1")) << plan;
}

TEST_F(CliQuantize, NodesThatAreAskedForStayInFloats) {
  const Ran ran = quantize("--data calib --constrain a=fp32 --json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const Json report = Json::parse(ran.out);
  EXPECT_NEAR(report.at("int8_macs").get<double>(), 0.5, 1e-9);
  ASSERT_EQ(report.at("kept").size(), 1U);
  EXPECT_TRUE(has(report.at("kept")[0].at("why").get<std::string>(), "asked to compute in floats"));
  EXPECT_EQ(report.at("metric"), nullptr);
}

TEST_F(CliQuantize, DataThatTellsNothingIsRefused) {
  Ran ran = quantize("--data calib --eval calib");
  EXPECT_EQ(ran.code, 3);
  EXPECT_TRUE(has(ran.err,
                  "--eval 'calib': 20 of its files are calibrated on, too, first '0.npz'\n  try: score on samples that "
                  "--data does not have: those that were calibrated on flatter the result"))
      << ran.err;

  std::filesystem::create_directories(tool_.path("flat"));
  Tensor x(DType::f32, {4, 16});
  for (const char* file : {"flat/0.npz", "flat/1.npz"})
    io::write_npz(tool_.path(file), std::vector<io::NamedRef>{{"x", x}});
  ran = quantize("--data flat");
  EXPECT_EQ(ran.code, 3);
  EXPECT_TRUE(has(ran.err,
                  "all 2 samples are of one colour or value throughout (first 'flat/0.npz'), which tells no "
                  "ranges"))
      << ran.err;

  x.as<float>()[5] = std::nanf("");
  io::write_npz(tool_.path("flat/2.npz"), std::vector<io::NamedRef>{{"x", x}});
  ran = quantize("--data flat");
  EXPECT_EQ(ran.code, 3);
  EXPECT_TRUE(
      has(ran.err,
          "sample 'flat/2.npz': input 'x': 1 of 64 elements are NaN\n  try: leave the sample out, or make it anew"))
      << ran.err;

  x.as<float>()[5] = 1;
  for (const char* file : {"flat/0.npz", "flat/1.npz", "flat/2.npz"})
    io::write_npz(tool_.path(file), std::vector<io::NamedRef>{{"x", x}});
  ran = quantize("--data flat");
  EXPECT_EQ(ran.code, 3);
  EXPECT_TRUE(has(ran.err, "all 3 samples are the same: 'flat/1.npz' is 'flat/0.npz'")) << ran.err;
}

TEST_F(CliQuantize, SamplesToScoreOnNeedEveryInput) {
  std::filesystem::create_directories(tool_.path("other"));
  const Tensor z(DType::f32, {4, 16}), k(DType::f32, {2});
  io::write_npz(tool_.path("other/0.npz"), std::vector<io::NamedRef>{{"z", z}, {"k", k}});
  const Ran ran = quantize("--data calib --eval other");
  EXPECT_EQ(ran.code, 3);
  EXPECT_TRUE(has(ran.err, "sample 'other/0.npz': it has nothing for the model's input 'x'\n  try: save every input"))
      << ran.err;
}

TEST_F(CliQuantize, OddDataIsSaid) {
  write_samples(tool_, "few", 300, 2);
  std::filesystem::copy_file(tool_.path("few/0.npz"), tool_.path("few/9.npz"));
  Tensor x(DType::f32, {4, 16});
  io::write_npz(tool_.path("few/black.npz"), std::vector<io::NamedRef>{{"x", x}});
  const Ran ran = tool_.run("quantize m.onnx --no-tune --threads 1 --data few");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(has(ran.err, "1 of 4 samples are of one colour or value throughout, first 'few/black.npz'")) << ran.err;
  EXPECT_TRUE(has(ran.err, "1 of 4 samples are the same as another: 'few/9.npz' is 'few/0.npz'")) << ran.err;
  EXPECT_TRUE(has(ran.err, "4 samples may not show the values that others have: some hundred are usual")) << ran.err;
}

}  // namespace
}  // namespace monza::test
