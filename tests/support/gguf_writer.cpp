#include "support/gguf_writer.h"

#include <cstring>
#include <random>

namespace monza::test {
namespace {

constexpr std::uint64_t kAlignment = 32;

template <typename T>
std::string raw(const T& value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}
std::string text(std::string_view s) { return raw(std::uint64_t{s.size()}) + std::string(s); }

template <typename T>
std::string list(std::uint32_t type, const std::vector<T>& values) {
  std::string bytes = raw(type) + raw(std::uint64_t{values.size()});
  for (const T& v : values) {
    if constexpr (std::is_same_v<T, std::string>) bytes += text(v);
    else bytes += raw(v);
  }
  return bytes;
}

std::uint64_t padded(std::uint64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

GgufWriter& GgufWriter::value(std::string_view key, std::uint32_t type, std::string bytes) {
  metadata_ += text(key) + raw(type) + bytes;
  ++keys_;
  return *this;
}
GgufWriter& GgufWriter::set(std::string_view key, std::uint32_t v) { return value(key, 4, raw(v)); }
GgufWriter& GgufWriter::set(std::string_view key, float v) { return value(key, 6, raw(v)); }
GgufWriter& GgufWriter::set(std::string_view key, bool v) { return value(key, 7, raw(static_cast<std::uint8_t>(v))); }
GgufWriter& GgufWriter::set(std::string_view key, std::string_view v) { return value(key, 8, text(v)); }
GgufWriter& GgufWriter::set(std::string_view key, const std::vector<std::string>& v) {
  return value(key, 9, list(8, v));
}
GgufWriter& GgufWriter::set(std::string_view key, const std::vector<float>& v) { return value(key, 9, list(6, v)); }
GgufWriter& GgufWriter::set(std::string_view key, const std::vector<std::int32_t>& v) {
  return value(key, 9, list(5, v));
}
GgufWriter& GgufWriter::set_raw(std::string_view key, std::uint32_t type, std::string_view bytes) {
  return value(key, type, std::string(bytes));
}

GgufWriter& GgufWriter::tensor(std::string_view name, const std::vector<std::uint64_t>& shape,
                               const std::vector<float>& values) {
  return tensor_raw(name, shape, 0, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
}
GgufWriter& GgufWriter::tensor_raw(std::string_view name, const std::vector<std::uint64_t>& shape, std::uint32_t type,
                                   std::string_view bytes, std::int64_t offset) {
  std::string head = text(name) + raw(static_cast<std::uint32_t>(shape.size()));
  for (auto extent = shape.rbegin(); extent != shape.rend(); ++extent) head += raw(*extent);
  tensors_.push_back({head + raw(type), offset, std::string(bytes)});
  return *this;
}

std::string GgufWriter::bytes(std::uint32_t version) const {
  std::string out = "GGUF" + raw(version) + raw(std::uint64_t{tensors_.size()}) + raw(keys_) + metadata_;
  std::string data;
  for (const Piece& t : tensors_) {
    data.resize(padded(data.size()));
    out += t.head + raw(t.offset < 0 ? std::uint64_t{data.size()} : static_cast<std::uint64_t>(t.offset));
    data += t.data;
  }
  out.resize(padded(out.size()));
  return out + data;
}

GgufWriter tiny_decoder(std::string_view family, const TinyChanges& changes, unsigned seed) {
  constexpr std::uint64_t kWidth = 32, kHeads = 4, kShared = 2, kHead = 8, kInner = 48, kVocabulary = 40, kLayers = 6;
  const bool gemma = family == "gemma3", qwen2 = family == "qwen2", head_norms = gemma || family == "qwen3";
  GgufWriter w;
  const auto set = [&](const std::string& name, auto v) {
    if (!changes.without.contains(name)) w.set(name, v);
  };
  const std::string own = std::string(family) + ".";
  set("general.architecture", std::string_view(family));
  set(own + "block_count", std::uint32_t{kLayers});
  set(own + "embedding_length", std::uint32_t{kWidth});
  set(own + "attention.head_count", std::uint32_t{kHeads});
  set(own + "attention.head_count_kv", std::uint32_t{kShared});
  set(own + "attention.key_length", std::uint32_t{kHead});
  set(own + "attention.value_length", std::uint32_t{kHead});
  set(own + "attention.layer_norm_rms_epsilon", 1e-6f);
  set(own + "context_length", std::uint32_t{256});
  set(own + "rope.freq_base", 1e6f);
  if (gemma) set(own + "attention.sliding_window", std::uint32_t{8});
  if (changes.metadata) changes.metadata(w);

  std::mt19937 random(seed);
  const auto tensor = [&](const std::string& name, std::vector<std::uint64_t> shape, float middle, float spread) {
    if (changes.without.contains(name)) return;
    if (name == changes.other_shape) ++shape.back();
    std::uint64_t count = 1;
    for (const std::uint64_t e : shape) count *= e;
    std::vector<float> values(count);
    for (float& v : values) v = std::normal_distribution<float>(middle, spread)(random);
    w.tensor(name, shape, values);
  };
  const auto matrix = [&](const std::string& name, std::uint64_t rows, std::uint64_t columns) {
    tensor(name + ".weight", {rows, columns}, 0, 0.3f);
  };
  const auto norm = [&](const std::string& name, std::uint64_t n) { tensor(name + ".weight", {n}, 1, 0.2f); };
  matrix("token_embd", kVocabulary, kWidth);
  for (std::uint64_t layer = 0; layer < kLayers; ++layer) {
    const std::string in = "blk." + std::to_string(layer) + ".";
    norm(in + "attn_norm", kWidth);
    matrix(in + "attn_q", kHeads * kHead, kWidth);
    matrix(in + "attn_k", kShared * kHead, kWidth);
    matrix(in + "attn_v", kShared * kHead, kWidth);
    if (qwen2)
      for (const auto& [part, heads] : {std::pair{"attn_q", kHeads}, {"attn_k", kShared}, {"attn_v", kShared}})
        tensor(in + part + ".bias", {heads * kHead}, 0, 0.3f);
    if (head_norms) norm(in + "attn_q_norm", kHead), norm(in + "attn_k_norm", kHead);
    matrix(in + "attn_output", kWidth, kHeads * kHead);
    if (gemma) norm(in + "post_attention_norm", kWidth);
    norm(in + "ffn_norm", kWidth);
    matrix(in + "ffn_gate", kInner, kWidth);
    matrix(in + "ffn_up", kInner, kWidth);
    matrix(in + "ffn_down", kWidth, kInner);
    if (gemma) norm(in + "post_ffw_norm", kWidth);
  }
  norm("output_norm", kWidth);
  if (!gemma) matrix("output", kVocabulary, kWidth);
  return w;
}

}  // namespace monza::test
