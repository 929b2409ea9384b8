#include "decoder/encode_model.h"

#include <algorithm>

#include "base/error.h"
#include "decoder/config.h"
#include "decoder/families.h"
#include "decoder/open_model.h"
#include "gguf/draft.h"
#include "gguf/writer.h"
#include "tensor/block_encoder.h"
#include "tensor/block_encoding.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza {
namespace {

using gguf::TensorInfo;

/// GGUF's number for a file that is mostly of one type.
constexpr std::pair<DType, std::int64_t> kFileTypes[] = {
    {DType::f16, 1}, {DType::q4_0, 2}, {DType::q8_0, 7}, {DType::q4_k, 14}};

DType encoding_of(const TensorInfo& t, DType wanted) {
  const std::string_view name = t.name;
  if (t.shape.rank < 2) return DType::f32;
  if (name.find("ffn_gate_inp") != name.npos || name.starts_with("position_embd")) return DType::f32;
  if (wanted == DType::f16) return wanted;
  const bool outer = name == "token_embd.weight" || name == "output.weight";
  if (outer) wanted = DType::q8_0;
  const std::int64_t row = t.shape[t.shape.rank - 1];
  for (const DType type : {wanted, DType::q8_0})
    if (row % block_encoding(type).elements == 0) return type;
  return DType::f16;
}

/// A row of any type as f32.
void read_row(const TensorInfo& t, std::int64_t row, std::vector<float>& to) {
  const auto n = static_cast<std::int64_t>(to.size());
  if (!is_block_encoding(t.dtype)) {
    for (std::int64_t i = 0; i < n; ++i)
      to[static_cast<std::size_t>(i)] = static_cast<float>(element_access(t.dtype).load(t.bytes.data(), row * n + i));
    return;
  }
  const BlockEncoding& from = block_encoding(t.dtype);
  const std::byte* block = t.bytes.data() + row * block_row_bytes(from, n);
  for (std::int64_t i = 0; i < n; i += from.elements, block += from.bytes) from.decode(block, to.data() + i);
}

void encode_row(const std::vector<float>& row, DType type, std::vector<std::byte>& to) {
  const auto n = static_cast<std::int64_t>(row.size());
  if (const BlockEncoderFn encode = block_encoder(type)) {
    const BlockEncoding& form = block_encoding(type);
    for (std::int64_t i = 0; i < n / form.elements; ++i)
      encode(row.data() + i * form.elements, nullptr, to.data() + i * form.bytes);
    return;
  }
  for (std::int64_t i = 0; i < n; ++i)
    element_access(type).store(to.data(), i, static_cast<double>(row[static_cast<std::size_t>(i)]));
}

/// Of heads whose halves turn together the row that is to be `row` where neighbours do.
std::int64_t permuted(std::int64_t row, std::int64_t head_width) {
  const std::int64_t in = row % head_width;
  return row - in + in / 2 + in % 2 * (head_width / 2);
}

bool is_turned(std::string_view name) {
  return name.find(".attn_q.") != name.npos || name.find(".attn_k.") != name.npos;
}

/// `head_width` of a tensor whose rows are permuted; 0: they stay.
gguf::TensorPlan plan_of(const TensorInfo& t, DType type, std::int64_t head_width) {
  if (!is_float(t.dtype) && !is_block_encoding(t.dtype))
    fail("tensor '{}' holds {}, which is no weight's", t.name, dtype_name(t.dtype));
  if (head_width > 0 && (t.shape.rank < 1 || t.shape[0] % head_width != 0))
    fail("tensor '{}' has shape {}, which is no number of heads of {} rows", t.name, to_string(t.shape), head_width);
  return {std::string(t.name), type, t.shape, [&t, type, head_width](const auto& give) {
            const bool vector = t.shape.rank == 1;  // whose elements are the rows that are permuted
            const std::int64_t width = t.shape[t.shape.rank - 1];
            const std::int64_t rows = width == 0 ? 0 : t.shape.numel() / width;
            std::vector<float> row(static_cast<std::size_t>(width)), turned(row.size());
            const auto bytes =
                is_block_encoding(type) ? block_row_bytes(block_encoding(type), width) : width * dtype_bits(type) / 8;
            std::vector<std::byte> encoded(static_cast<std::size_t>(bytes));
            for (std::int64_t r = 0; r < rows; ++r) {
              read_row(t, head_width > 0 && !vector ? permuted(r, head_width) : r, row);
              if (head_width > 0 && vector) {
                for (std::int64_t i = 0; i < width; ++i)
                  turned[static_cast<std::size_t>(i)] = row[static_cast<std::size_t>(permuted(i, head_width))];
                row.swap(turned);
              }
              encode_row(row, type, encoded);
              give(std::span<const std::byte>(encoded));
            }
          }};
}

}  // namespace

bool is_model_encoding(DType type) {
  return std::any_of(std::begin(kFileTypes), std::end(kFileTypes), [&](const auto& t) { return t.first == type; });
}

void encode_model(const gguf::Contents& model, DType encoding, const std::filesystem::path& to,
                  const std::function<void(double)>& progress) {
  const decoder::DecoderConfig config = decoder::decoder_config(model);
  const bool permutes = config.pairs != decoder::family(config.family).pairs;
  if (permutes && config.rotated != config.head_width)
    fail("heads of {} elements of which {} turn cannot be written as GGUF has this family's", config.head_width,
         config.rotated);
  gguf::Draft metadata;
  for (const auto& [key, value] : model.metadata())
    if (!key.starts_with("monza.") && key != "general.file_type" && key != "general.alignment" &&
        key != "general.quantization_version")
      metadata.set_shared(key, value);
  for (const auto& [type, number] : kFileTypes)
    if (type == encoding) metadata.set("general.file_type", number);
  metadata.set("general.quantization_version", std::int64_t{2});
  std::vector<gguf::TensorPlan> plans;
  for (const TensorInfo& t : model.tensors())
    plans.push_back(plan_of(t, encoding_of(t, encoding), permutes && is_turned(t.name) ? config.head_width : 0));
  gguf::write_file(to, metadata, plans, progress);
}

void encode_model_file(const std::filesystem::path& from, DType encoding, const std::filesystem::path& to,
                       const std::function<void(double)>& progress) {
  const auto model = open_language_model(from);
  gguf::Draft whole;  // the model's words, and its tokenizer's before them
  const auto tokenizer = folder_tokenizer_metadata(from);
  if (tokenizer != nullptr)
    for (const auto& [key, value] : tokenizer->metadata()) whole.set_shared(key, value);
  for (const auto& [key, value] : model->metadata())
    if (!whole.metadata().contains(key)) whole.set_shared(key, value);
  for (const TensorInfo& t : model->tensors()) whole.set_tensor(t.name, t);
  encode_model(whole, encoding, to, progress);
}

}  // namespace monza
