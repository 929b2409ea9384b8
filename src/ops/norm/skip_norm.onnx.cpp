// Normalisations that ONNX Runtime's optimiser writes: of sums, and of the embeddings of a BERT.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"

namespace monza::ops {
namespace {

/// Output i is a value by the way of training.
void refuse_statistics(OnnxNode& n, int from, int to) {
  for (int i = from; i < to; ++i)
    if (n.has_output(i)) fail("output {}, a statistic of the normalisation, is not supported", i);
}

ir::Attrs epsilon_of(OnnxNode& n, float fallback) {
  return {{"epsilon", static_cast<double>(n.f("epsilon", fallback))}};
}

/// (x, skip, gamma, beta?, bias?): the norm of x + skip + bias, which is output 3.
void import_skip_norm(OnnxNode& n, bool rms) {
  refuse_statistics(n, 1, 3);
  const ir::ValueId bias = input_or_none(n, rms ? 3 : 4);
  ir::ValueId x = n.input(0);
  if (bias != ir::kNone) x = n.add1("Add", {x, bias});
  const ir::ValueId sum = n.add1("Add", {x, n.input(1)});
  ir::Attrs attrs = epsilon_of(n, 1e-12F);
  n.bind(0, rms ? n.add1("RMSNormalization", {sum, n.input(2)}, std::move(attrs))
                : n.add1("LayerNormalization", trimmed({sum, n.input(2), input_or_none(n, 3)}), std::move(attrs)));
  n.bind(3, sum);
}
void import_skip_layer_norm(OnnxNode& n) { import_skip_norm(n, false); }
void import_skip_rms_norm(OnnxNode& n) { import_skip_norm(n, true); }

/// RMSNormalization before ONNX had it.
void import_simplified(OnnxNode& n) {
  n.ignore("stash_type");  // the computation is never narrower than f32
  refuse_statistics(n, 1, 2);
  ir::Attrs attrs = epsilon_of(n, 1e-5F);
  attrs.set("axis", n.i("axis", -1));
  n.bind(0, n.add1("RMSNormalization", {n.input(0), n.input(1)}, std::move(attrs)));
}

/// (ids [B, S], segments [B, S]?, words [V, H], positions [P, H], segment table [2, H]?, gamma, beta, mask [B, S]?,
/// position ids [B or 1, S]?): the norm of the sum of the embeddings; output 1 counts the mask's ones.
void import_embed_norm(OnnxNode& n) {
  const ir::ValueId ids = n.input(0), segments = input_or_none(n, 1), segment_table = input_or_none(n, 4),
                    mask = input_or_none(n, 7), positions = input_or_none(n, 8);
  const ir::Attrs rows{{"axis", std::int64_t{0}}};
  if (n.type(ids).rank() != 2) fail("ids have rank {}, not 2", n.type(ids).rank());
  ir::ValueId sum = n.add1("Gather", {n.input(2), ids}, rows);
  if (positions != ir::kNone) {
    sum = n.add1("Add", {sum, n.add1("Gather", {n.input(3), positions}, rows)});
  } else {  // the first S rows of the table
    const ir::ValueId length = n.add1("Shape", {ids}, {{"start", std::int64_t{1}}, {"end", std::int64_t{2}}});
    const ir::ValueId zero = n.constant_value(ir::constant_i64({0}));
    sum = n.add1("Add", {sum, n.add1("Slice", {n.input(3), zero, length, zero})});
  }
  if (segments != ir::kNone) sum = n.add1("Add", {sum, n.add1("Gather", {segment_table, segments}, rows)});
  n.bind(0, n.add1("LayerNormalization", {sum, n.input(5), n.input(6)}, epsilon_of(n, 1e-12F)));
  n.ignore("mask_index_type");
  if (n.has_output(1)) {
    const ir::ValueId counted =
        mask != ir::kNone
            ? n.add1("Cast", {n.add1("Equal", {mask, n.constant_value(ir::constant_scalar(n.type(mask).dtype, 1))})},
                     {{"to", std::string("i32")}})
            : n.add1("Mul", {ids, n.constant_value(ir::constant_scalar(n.type(ids).dtype, 0))});
    n.bind(1, n.add1("ReduceSum", {counted}, {{"axes", std::vector<std::int64_t>{1}}, {"keepdims", std::int64_t{0}}}));
  }
  n.bind(2, sum);
}

constexpr OnnxImporter kSkipImporters[] = {
    {.op_type = "SimplifiedLayerNormalization", .import = import_simplified},
    {.op_type = "SimplifiedLayerNormalization", .domain = "com.microsoft", .import = import_simplified},
    {.op_type = "SkipLayerNormalization", .domain = "com.microsoft", .import = import_skip_layer_norm},
    {.op_type = "SkipSimplifiedLayerNormalization", .domain = "com.microsoft", .import = import_skip_rms_norm},
    {.op_type = "EmbedLayerNormalization", .domain = "com.microsoft", .import = import_embed_norm},
};

}  // namespace

extern const OnnxImporters skip_norm_onnx{kSkipImporters};

}  // namespace monza::ops
