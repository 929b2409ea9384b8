// Language models as graphs: every family against plain loops over its own weights, and what is said of models that
// lack something.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "decoder/encode_model.h"
#include "decoder/import_decoder.h"
#include "gguf/file.h"
#include "monza/engine.h"
#include "monza/sequence.h"
#include "support/error_text.h"
#include "support/gguf_writer.h"
#include "support/memory_file.h"

namespace monza {
namespace {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

/// The families as their papers have them, position by position, in double.
class Plain {
 public:
  explicit Plain(const gguf::File& file) : file_(file), family_(*file.text("general.architecture")) {}

  Rows logits(const std::vector<std::int64_t>& tokens) {
    const bool gemma = family_ == "gemma3";
    Rows x;
    for (const std::int64_t t : tokens) {
      x.push_back(row("token_embd.weight", t));
      for (double& v : x.back()) v *= gemma ? std::sqrt(static_cast<double>(x.back().size())) : 1;
    }
    for (std::int64_t layer = 0; layer < *file_.integer(family_ + ".block_count"); ++layer) {
      const std::string in = "blk." + std::to_string(layer) + ".";
      Rows y = attention(norm(x, in + "attn_norm"), layer, in);
      add(x, gemma ? norm(y, in + "post_attention_norm") : y);
      y = mlp(norm(x, in + "ffn_norm"), in);
      add(x, gemma ? norm(y, in + "post_ffw_norm") : y);
    }
    return product(norm(x, "output_norm"), file_.find_tensor("output.weight") ? "output" : "token_embd");
  }

 private:
  Row row(const std::string& name, std::int64_t i) const {
    const gguf::TensorInfo& t = *file_.find_tensor(name);
    const std::int64_t n = t.shape[t.shape.rank - 1];
    const auto* data = reinterpret_cast<const float*>(t.bytes.data()) + i * n;
    return {data, data + n};
  }
  Rows norm(const Rows& x, const std::string& name) const {
    const Row scale = row(name + ".weight", 0);
    Rows y = x;
    for (Row& r : y) {
      double squares = 0;
      for (const double v : r) squares += v * v;
      const double factor = 1 / std::sqrt(squares / static_cast<double>(r.size()) +
                                          *file_.number(family_ + ".attention.layer_norm_rms_epsilon"));
      for (std::size_t i = 0; i < r.size(); ++i) r[i] *= factor * scale[i];
    }
    return y;
  }
  Rows product(const Rows& x, const std::string& name) const {
    const std::int64_t outputs = file_.find_tensor(name + ".weight")->shape[0];
    Rows y(x.size(), Row(static_cast<std::size_t>(outputs)));
    for (std::int64_t o = 0; o < outputs; ++o) {
      const Row w = row(name + ".weight", o);
      const double bias = file_.find_tensor(name + ".bias") ? row(name + ".bias", 0)[static_cast<std::size_t>(o)] : 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        double sum = bias;
        for (std::size_t k = 0; k < w.size(); ++k) sum += x[i][k] * w[k];
        y[i][static_cast<std::size_t>(o)] = sum;
      }
    }
    return y;
  }
  static void add(Rows& x, const Rows& y) {
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t k = 0; k < x[i].size(); ++k) x[i][k] += y[i][k];
  }
  /// Heads of each row, normalised where the model does so, and turned by their positions.
  std::vector<Rows> heads(const Rows& x, const std::string& name, double base, bool turn) const {
    const auto width = static_cast<std::size_t>(*file_.integer(family_ + ".attention.key_length"));
    std::vector<Rows> all;
    for (std::size_t p = 0; p < x.size(); ++p) {
      Rows own;
      for (std::size_t at = 0; at < x[p].size(); at += width)
        own.emplace_back(x[p].begin() + static_cast<std::ptrdiff_t>(at),
                         x[p].begin() + static_cast<std::ptrdiff_t>(at + width));
      if (file_.find_tensor(name + "_norm.weight")) own = norm(own, name + "_norm");
      for (Row& head : own)
        for (std::size_t i = 0; turn && i < width / 2; ++i) {
          const bool neighbours = family_ == "llama";
          double &a = head[neighbours ? 2 * i : i], &b = head[neighbours ? 2 * i + 1 : i + width / 2];
          const double angle =
              static_cast<double>(p) * std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(width));
          const double c = std::cos(angle), s = std::sin(angle), first = a * c - b * s;
          b = a * s + b * c;
          a = first;
        }
      all.push_back(std::move(own));
    }
    return all;
  }
  Rows attention(const Rows& x, std::int64_t layer, const std::string& in) const {
    const bool windowed = family_ == "gemma3" && (layer + 1) % 6 != 0;
    const double base = windowed ? 10000 : *file_.number(family_ + ".rope.freq_base");
    const auto window =
        static_cast<std::size_t>(file_.integer(family_ + ".attention.sliding_window").value_or(1 << 20));
    const auto q = heads(product(x, in + "attn_q"), in + "attn_q", base, true);
    const auto k = heads(product(x, in + "attn_k"), in + "attn_k", base, true);
    const auto v = heads(product(x, in + "attn_v"), in + "attn_v", base, false);
    Rows y;
    for (std::size_t p = 0; p < x.size(); ++p) {
      Row joined;
      for (std::size_t h = 0; h < q[p].size(); ++h) {
        const std::size_t shared = h / (q[p].size() / k[p].size()), width = q[p][h].size();
        const std::size_t begin = windowed && p + 1 > window ? p + 1 - window : 0;
        Row weights;
        double total = 0;
        for (std::size_t t = begin; t <= p; ++t) {
          double score = 0;
          for (std::size_t i = 0; i < width; ++i) score += q[p][h][i] * k[t][shared][i];
          weights.push_back(std::exp(score / std::sqrt(static_cast<double>(width))));
          total += weights.back();
        }
        for (std::size_t i = 0; i < width; ++i) {
          double sum = 0;
          for (std::size_t t = begin; t <= p; ++t) sum += weights[t - begin] / total * v[t][shared][i];
          joined.push_back(sum);
        }
      }
      y.push_back(std::move(joined));
    }
    return product(y, in + "attn_output");
  }
  Rows mlp(const Rows& x, const std::string& in) const {
    Rows gate = product(x, in + "ffn_gate");
    const Rows up = product(x, in + "ffn_up");
    for (std::size_t p = 0; p < gate.size(); ++p)
      for (std::size_t i = 0; i < gate[p].size(); ++i) {
        const double g = gate[p][i];
        const double active = family_ == "gemma3"
                                  ? 0.5 * g * (1 + std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g)))
                                  : g / (1 + std::exp(-g));
        gate[p][i] = active * up[p][i];
      }
    return product(gate, in + "ffn_down");
  }

  const gguf::File& file_;
  std::string family_;
};

BuildOptions exact() {
  BuildOptions o;
  o.io_types["state"] = DType::f32;
  o.tune = false;
  o.threads = 2;
  return o;
}

class Families : public ::testing::TestWithParam<const char*> {};

TEST_P(Families, AsTheirPapersHaveThem) {
  const std::string bytes = test::tiny_decoder(GetParam()).bytes();
  const test::MemoryFile on_disk(std::as_bytes(std::span(bytes)));
  std::vector<std::int64_t> tokens;
  for (int i = 0; i < 40; ++i) tokens.push_back((i * 7 + 3) % 40);
  const Rows want = Plain(*gguf::File::open(on_disk.path())).logits(tokens);
  double largest = 0;
  for (const double x : want.back()) largest = std::max(largest, std::fabs(x));

  const Engine engine = Engine::build(on_disk.path(), exact());
  Context context = engine.create_context({.threads = 2});
  const SequencePool pool(engine, {.block_length = 4, .blocks = 64, .max_positions = 64});
  // The prompt at once, in chunks, and token by token.
  for (const std::size_t chunk : {tokens.size(), std::size_t{7}, std::size_t{1}}) {
    SCOPED_TRACE(chunk);
    Sequence sequence = pool.create();
    for (std::size_t begin = 0; begin < tokens.size(); begin += chunk) {
      const std::size_t n = std::min(chunk, tokens.size() - begin);
      std::vector<std::int64_t> part(tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                                     tokens.begin() + static_cast<std::ptrdiff_t>(begin + n)),
          positions, rows;
      for (std::size_t i = 0; i < n; ++i) {
        positions.push_back(static_cast<std::int64_t>(begin + i));
        rows.push_back(static_cast<std::int64_t>(i));
      }
      const auto bind = [&](const char* name, std::vector<std::int64_t>& v) {
        return context.bind_input(name, {DType::i64, {static_cast<std::int64_t>(n)}, v.data(), n * 8});
      };
      ASSERT_TRUE(sequence.reserve(static_cast<std::int64_t>(n)) && context.bind_sequence(sequence));
      ASSERT_TRUE(bind("tokens", part) && bind("positions", positions) && bind("rows", rows));
      const Status ran = context.run();
      ASSERT_TRUE(ran) << context.describe(ran);
      const float* got = context.output("logits").as<float>();
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t v = 0; v < want[begin + i].size(); ++v)
          ASSERT_NEAR(got[i * want[begin + i].size() + v], want[begin + i][v], 1e-4 * largest)
              << "position " << begin + i << ", token " << v;
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Decoder, Families, ::testing::Values("gemma3", "llama", "qwen2", "qwen3"));

/// What import says of a tiny model with a change.
std::string refusal(const test::TinyChanges& changes, std::string_view family = "llama") {
  const std::string bytes = test::tiny_decoder(family, changes).bytes();
  const test::MemoryFile file(std::as_bytes(std::span(bytes)));
  std::string said = test::error_of([&] { (void)import_decoder(file.path(), DType::f32); });
  const std::string place = "GGUF file '" + file.path() + "': ";
  return said.starts_with(place) ? said.substr(place.size()) : said;
}
std::string refusal_of(std::function<void(test::GgufWriter&)> metadata, const std::string& without) {
  return refusal({.without = {without}, .metadata = std::move(metadata)});
}

TEST(Decoder, SaysWhatAModelLacks) {
  const auto set = [](const char* name, auto value) { return [=](test::GgufWriter& w) { w.set(name, value); }; };
  EXPECT_EQ(refusal({}), "");
  EXPECT_EQ(refusal({}, "mamba"),
            "language models of the family 'mamba' are not supported\n  try: a model of one of these: gemma2, gemma3, "
            "gpt2, granite, llama, olmo2, phi3, qwen2, qwen2moe, qwen3, qwen3moe, smollm3");
  EXPECT_EQ(refusal({.without = {"general.architecture"}}), "metadata 'general.architecture' is missing");
  EXPECT_EQ(refusal({.without = {"llama.block_count"}}), "metadata 'llama.block_count' is missing");
  EXPECT_EQ(refusal_of(set("llama.block_count", 5000u), "llama.block_count"),
            "metadata 'llama.block_count' is 5000, not 1 to 1024");
  EXPECT_EQ(refusal_of(set("llama.attention.head_count_kv", 3u), "llama.attention.head_count_kv"),
            "4 heads cannot share 3 heads of keys");
  EXPECT_EQ(refusal_of([](test::GgufWriter& w) { w.set("llama.embedding_length", 31u); }, "llama.embedding_length"),
            "tensor 'token_embd.weight' has shape 40x32, not tokens x 31");
  EXPECT_EQ(
      refusal({.without = {"llama.attention.key_length", "llama.attention.head_count", "llama.attention.head_count_kv"},
               .metadata = set("llama.attention.head_count", 3u)}),
      "a width of 32 is not shared out among 3 heads");
  EXPECT_EQ(refusal({.without = {"llama.attention.key_length"}}), "");
  EXPECT_EQ(refusal_of(set("llama.attention.value_length", 4u), "llama.attention.value_length"),
            "keys and values of different widths are not supported");
  EXPECT_EQ(refusal_of(set("llama.rope.dimension_count", 3u), ""), "3 elements of a head cannot turn in pairs");
  EXPECT_EQ(refusal_of(set("llama.rope.scaling.type", "dynamic"), ""),
            "scaling of positions by 'dynamic' is not supported; none, linear, yarn and longrope are");
  EXPECT_EQ(refusal_of(set("llama.rope.freq_base", 0.0f), "llama.rope.freq_base"),
            "metadata 'llama.rope.freq_base' is 0, which is not positive");
  EXPECT_EQ(refusal_of(set("llama.attention.layer_norm_rms_epsilon", -1.0f), "llama.attention.layer_norm_rms_epsilon"),
            "an epsilon of -1 is none");
  EXPECT_EQ(refusal_of(set("llama.attention.sliding_window_pattern", std::vector<std::int32_t>{1, 0}), ""),
            "it says of 2 layers whether they have a window, and has 6");
  EXPECT_EQ(refusal({.without = {"token_embd.weight"}}), "tensor 'token_embd.weight' is missing");
  EXPECT_EQ(refusal({.without = {"blk.3.ffn_up.weight"}}),
            "tensor 'blk.3.ffn_up.weight', which a llama model has, is missing");
  EXPECT_EQ(refusal({.other_shape = "blk.3.attn_q.weight"}), "tensor 'blk.3.attn_q.weight' has shape 32x33, not 32x32");
  EXPECT_EQ(refusal({.other_shape = "output_norm.weight"}), "tensor 'output_norm.weight' has shape 33, not 32");
  const auto tensor = [](const char* name, std::uint32_t type, std::vector<std::uint64_t> shape, std::size_t bytes) {
    return [=](test::GgufWriter& w) { w.tensor_raw(name, shape, type, std::string(bytes, '\0')); };
  };
  EXPECT_EQ(refusal_of(tensor("output.weight", 26, {40, 32}, 5120), "output.weight"),
            "tensor 'output.weight' holds i32, which is no weight's");
  EXPECT_EQ(refusal_of(tensor("output_norm.weight", 26, {32}, 128), "output_norm.weight"),
            "tensor 'output_norm.weight' holds i32, not floats");
  EXPECT_EQ(refusal_of(tensor("rope_freqs.weight", 0, {3}, 12), ""),
            "tensor 'rope_freqs.weight' is f32 of 3, not f32 of 4");
  EXPECT_EQ(refusal_of(tensor("blk.0.ffn_up.weight", 0, {48}, 192), "blk.0.ffn_up.weight"),
            "tensor 'blk.0.ffn_up.weight' has shape 48");
  EXPECT_EQ(refusal_of(tensor("blk.0.ffn_up.weight", 0, {0, 32}, 0), "blk.0.ffn_up.weight"),
            "tensor 'blk.0.ffn_up.weight' has shape 0x32");
  const auto fused = [&](test::GgufWriter& w) {
    w.tensor_raw("blk.0.ffn_up.weight", {97, 32}, 0, std::string(97 * 32 * 4, '\0'));
  };
  EXPECT_EQ(refusal({.without = {"blk.0.ffn_gate.weight", "blk.0.ffn_up.weight"}, .metadata = fused}),
            "tensor 'blk.0.ffn_up.weight' has 97 rows, which are no gate and as many others");
}

TEST(Decoder, SaysWhichExpertsDoNotFit) {
  const auto tensor = [](test::GgufWriter& w, const std::string& name, const std::vector<std::uint64_t>& shape) {
    std::uint64_t count = 1;
    for (const std::uint64_t extent : shape) count *= extent;
    w.tensor("blk.0." + name + ".weight", shape, std::vector<float>(count, 0.5f));
  };
  const auto said = [&](std::uint32_t experts, const std::vector<std::uint64_t>& up, std::uint64_t share) {
    return refusal({.metadata = [&](test::GgufWriter& w) {
      if (experts > 0) w.set("llama.expert_count", experts).set("llama.expert_used_count", 2u);
      tensor(w, "ffn_gate_inp", {3, 32});
      tensor(w, "ffn_gate_exps", {3, 48, 32}), tensor(w, "ffn_up_exps", up), tensor(w, "ffn_down_exps", {3, 32, 48});
      tensor(w, "ffn_gate_inp_shexp", {share});
      for (const char* part : {"ffn_gate_shexp", "ffn_up_shexp"}) tensor(w, part, {48, 32});
      tensor(w, "ffn_down_shexp", {32, 48});
    }});
  };
  EXPECT_EQ(said(3, {3, 48, 32}, 32), "");
  EXPECT_EQ(said(0, {3, 48, 32}, 32), "tensor 'blk.0.ffn_gate_inp.weight' routes to experts, and the model has none");
  EXPECT_EQ(said(3, {48, 32}, 32), "tensor 'blk.0.ffn_up_exps.weight' has shape 48x32");
  EXPECT_EQ(said(3, {2, 48, 32}, 32), "tensor 'blk.0.ffn_up_exps.weight' has shape 2x48x32, not 3x48x32");
  EXPECT_EQ(said(3, {3, 48, 32}, 31), "tensor 'blk.0.ffn_gate_inp_shexp.weight' has shape 31, not 32");
}

TEST(Decoder, SaysWhichHeadsCannotBePermuted) {
  const std::string bytes =
      test::tiny_decoder("llama", {.metadata =
                                       [](test::GgufWriter& w) {
                                         w.set("monza.rope_halves", true).set("llama.rope.dimension_count", 4u);
                                       }})
          .bytes();
  const test::MemoryFile file(std::as_bytes(std::span(bytes)));
  const std::string cut =
      test::tiny_decoder("llama", {.without = {"blk.0.attn_k.weight"},
                                   .metadata =
                                       [](test::GgufWriter& w) {
                                         w.set("monza.rope_halves", true);
                                         w.tensor("blk.0.attn_k.weight", {5, 32}, std::vector<float>(160));
                                       }})
          .bytes();
  const test::MemoryFile other(std::as_bytes(std::span(cut)));
  EXPECT_EQ(test::error_of([&] { encode_model(*gguf::File::open(other.path()), DType::f16, "/dev/null"); }),
            "tensor 'blk.0.attn_k.weight' has shape 5x32, which is no number of heads of 8 rows");
  EXPECT_EQ(test::error_of([&] { encode_model(*gguf::File::open(file.path()), DType::f16, "/dev/null"); }),
            "heads of 8 elements of which 4 turn cannot be written as GGUF has this family's");
}

TEST(Decoder, SaysWhichShapesItTakes) {
  const std::string bytes = test::tiny_decoder("llama").bytes();
  const test::MemoryFile file(std::as_bytes(std::span(bytes)));
  const auto said = [&](const std::map<std::string, ShapeProfile>& shapes) {
    BuildOptions o = exact();
    o.shapes = shapes;
    return test::error_of([&] { (void)Engine::build(file.path(), o); });
  };
  EXPECT_EQ(said({{"tokens", {{1}, {4}, {8}}}}), "");
  EXPECT_EQ(said({{"x", {{}, {}, {8}}}}),
            "a language model has no input 'x' whose shape can be given: tokens, positions and rows are there");
  EXPECT_EQ(said({{"tokens", {{}, {}, {8, 2}}}}), "the shape of input 'tokens' is one extent of at least 1");
  EXPECT_EQ(said({{"tokens", {{4}, {2}, {8}}}}), "the profile of input 'tokens' is not in order: 4 to 8, best 2");
  EXPECT_EQ(said({{"tokens", {{}, {}, {8}}}, {"positions", {{}, {}, {9}}}}),
            "tokens and positions have the same number");
  EXPECT_EQ(said({{"rows", {{}, {}, {8}}}}), "the shapes say nothing of tokens");
}

}  // namespace
}  // namespace monza
