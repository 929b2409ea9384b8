#include "support/hostile.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <random>

#include "engine/run/engine_impl.h"
#include "monza/error.h"
#include "monza/sequence.h"
#include "tensor/dtype.h"
#include "tensor/element.h"

namespace monza::test {
const std::vector<HostileGraph>& hostile_graphs() {
  static const std::vector<HostileGraph> graphs{
      {"convolutions", R"(graph "g" (%x: f32[1,8,9,7], %r: f32[1,16,9,7]) {
    %w = constant f32[16,8,3,3] splat 0.1
    %b = constant f32[16] splat 0.2
    %v = constant f32[16,1,3,3] splat 0.3
    %t = constant f32[16,4,2,2] splat 0.1
    %a = Conv(%x, %w, %b, %r) {pads=[1,1,1,1], strides=[1,1], dilations=[1,1], group=1, activation="relu"}
    %d = Conv(%a, %v) {pads=[1,1,1,1], group=16}
    %m = MaxPool(%d) {kernel_shape=[2,2], strides=[2,2]}
    %g = AveragePool(%m) {global=1}
    %u = ConvTranspose(%m, %t) {strides=[2,2]}
    return (m: %m, g: %g, u: %u)
  })"},
      {"products",
       R"(graph "g" (%x: f32[n,6], %y: f32[2,n,5]) {
    %w = constant f32[6,5] splat 0.1
    %b = constant f32[5] splat 0.2
    %p = MatMul(%x, %w, %b)
    %s = Softmax(%p) {axis=1}
    %a = Add(%s, %y)
    %l = LayerNormalization(%a, %b, %b) {axis=-1}
    %e = Gelu(%l)
    %q = MatMul(%e, %y) {trans_b=1}
    return (q: %q, s: %s)
  })",
       {{"n", {1, 2, 4}}}},
      {"moves",
       R"(graph "g" (%x: f32[n,4,h], %i: i64[3]) {
    %t = Transpose(%x) {perm=[1,0,2]}
    %r = Relu(%t)
    %c = Concat(%x, %x) {axis=1}
    %s = Slice(%c) {starts=[1], ends=[5], axes=[1], steps=[2]}
    %p = Pad(%s) {pads=[0,1,0,0,0,2], mode="reflect"}
    %g = Gather(%x, %i) {axis=1}
    %k, %j = TopK(%x) {k=[2], axis=1}
    %e = GatherElements(%x, %j) {axis=1}
    return (r: %r, p: %p, g: %g, k: %k, e: %e)
  })",
       {{"n", {1, 2, 3}}, {"h", {2, 5, 8}}}},
      {"data_dependent",
       R"(graph "g" (%x: f32[n,3], %c: bool[4], %b: f32[1,6,4], %s: f32[1,2,6]) {
    %z = NonZero(%x)
    %f = Cast(%z) {to="f32"}
    %r = Relu(%f)
    %k = Compress(%x, %c) {axis=0}
    %d = Add(%k, %k)
    %u, %v, %w, %q = Unique(%x)
    %most = constant i64[] [3]
    %iou = constant f32[] [0.5]
    %m = NonMaxSuppression(%b, %s, %most, %iou)
    return (r: %r, d: %d, u: %u, w: %w, m: %m)
  })",
       {{"n", {1, 2, 5}}}},
      {"reductions",
       R"(graph "g" (%x: f32[2,n,5], %i: i64[2,n,5]) {
    %s = ReduceSum(%x) {axes=[1], keepdims=0}
    %m = ReduceMax(%x) {axes=[2], keepdims=1}
    %l = ReduceLogSumExp(%x) {axes=[0,2], keepdims=0}
    %a = ArgMax(%x) {axis=1, keepdims=0}
    %ax = constant i64[] [1]
    %c = CumSum(%i, %ax)
    %p = ReduceProd(%i) {axes=[2], keepdims=0}
    return (s: %s, m: %m, l: %l, a: %a, c: %c, p: %p)
  })",
       {{"n", {1, 3, 6}}}},
      {"norms", R"(graph "g" (%x: f32[2,6,4,3]) {
    %s = constant f32[6] splat 0.5
    %b = BatchNormalization(%x, %s, %s, %s, %s)
    %g = GroupNormalization(%b, %s, %s) {num_groups=3}
    %i = InstanceNormalization(%g, %s, %s)
    %l = LRN(%i) {size=3}
    %p = LpNormalization(%l) {axis=1, p=2}
    return (p: %p, b: %b)
  })"},
      {"elementwise",
       R"(graph "g" (%x: f32[3,1,n], %y: f32[4,n], %i: i32[3,4,n], %c: bool[n]) {
    %a = Add(%x, %y)
    %m = Mul(%a, %y)
    %e = Exp(%m)
    %lo = constant f32[] [0]
    %k = Clip(%e, %lo)
    %w = Where(%c, %k, %a)
    %g = Greater(%w, %x)
    %j = Cast(%i) {to="i8"}
    %d = Div(%i, %i)
    %b = Pow(%y, %lo)
    return (w: %w, g: %g, j: %j, d: %d, b: %b)
  })",
       {{"n", {1, 17, 40}}}},
      {"attention",
       R"(graph "g" (%q: f32[1,2,n,8], %k: f32[1,2,m,8], %v: f32[1,2,m,8], %mask: f32[n,m], %pos: i64[1,n], %cos: f32[9,4]) {
    %r = RotaryEmbedding(%q, %cos, %cos, %pos)
    %a = Attention(%r, %k, %v, %mask)
    return (a: %a)
  })",
       {{"n", {1, 3, 5}}, {"m", {1, 4, 9}}}},
      {"quantized",
       R"(graph "g" (%x: u8[n,3,5,5], %v: u8[n,3], %f: f32[n,3]) {
    %w = constant i8[4,3,3,3] splat 3
    %ws = constant f32[4] [0.01, 0.02, 0.03, 0.04]
    %wz = constant i8[4] splat 0
    %m = constant i8[3,4] splat 2
    %xs = constant f32[] [0.05]
    %xz = constant u8[] [120]
    %ys = constant f32[] [0.09]
    %yz = constant u8[] [110]
    %c = QConv(%x, %xs, %xz, %w, %ws, %wz, %ys, %yz) {pads=[1,1,1,1]}
    %s = QAdd(%c, %ys, %yz, %c, %ys, %yz, %xs, %xz)
    %g = QGlobalAveragePool(%s, %xs, %xz, %ys, %yz)
    %p = QMatMul(%v, %xs, %xz, %m, %ws, %wz)
    %q = QuantizeLinear(%f, %xs, %xz)
    %d = DequantizeLinear(%q, %xs, %xz)
    %dq, %ds, %dz = DynamicQuantizeLinear(%f)
    %i = MatMulInteger(%dq, %m, %dz)
    return (g: %g, p: %p, d: %d, i: %i)
  })",
       {{"n", {1, 2, 3}}}},
      {"recurrent",
       R"(graph "g" (%x: f32[t,2,3], %h: f32[1,2,4]) {
    %w = constant f32[1,16,3] splat 0.1
    %r = constant f32[1,16,4] splat 0.1
    %b = constant f32[1,32] splat 0.1
    %wg = constant f32[1,12,3] splat 0.1
    %rg = constant f32[1,12,4] splat 0.1
    %y, %yh, %yc = LSTM(%x, %w, %r, %b, _, %h) {hidden_size=4}
    %g, %gh = GRU(%x, %wg, %rg) {hidden_size=4}
    return (y: %y, c: %yc, g: %g)
  })",
       {{"t", {1, 3, 6}}}},
      {"images", R"(graph "g" (%x: f32[4,8,4,6], %grid: f32[4,3,3,2], %rois: f32[2,4], %bi: i64[2]) {
    %sc = constant f32[4] [1, 1, 2, 2]
    %n = Resize(%x, _, %sc) {mode="nearest"}
    %l = Resize(%x, _, %sc) {mode="linear"}
    %g = GridSample(%x, %grid) {mode="cubic", padding_mode="reflection"}
    %r = RoiAlign(%x, %rois, %bi) {output_height=2, output_width=2}
    %d = DepthToSpace(%x) {blocksize=[2,2]}
    %p, %ix = MaxPool(%x) {kernel_shape=[2,2], strides=[2,2]}
    %u = MaxUnpool(%p, %ix) {kernel_shape=[2,2], strides=[2,2]}
    return (n: %n, l: %l, g: %g, r: %r, d: %d, u: %u)
  })"},
      {"scatter", R"(graph "g" (%x: f32[4,5], %i: i64[2,5], %u: f32[2,5], %t: i64[3,1], %v: f32[3,5], %l: i64[5]) {
    %a = ScatterElements(%x, %i, %u) {axis=0, reduction="add"}
    %b = ScatterND(%a, %t, %v) {reduction="add"}
    %c = GatherND(%b, %t)
    %r = ReverseSequence(%b, %l) {batch_axis=1, time_axis=0}
    %o = Trilu(%r)
    return (c: %c, o: %o)
  })"},
      {"text_and_signal", R"(graph "g" (%x: i64[2,7], %s: f32[1,16,1]) {
    %e = Einsum(%s, %s) {equation="bij,bkj->bik"}
    %d = DFT(%s) {axis=1}
    %sq = constant f32[3,3] splat 0.5
    %t = Det(%sq)
    return (e: %e, d: %d, t: %t)
  })"},
      {"branches",
       R"(graph "g" (%c: bool[], %x: f32[n,3]) {
    %y: f32[n,3] = If(%c, %x)
      body graph "then" (%p: f32[n,3]) {
        %e = Exp(%p)
        return (r: %e)
      }
      body graph "else" (%p: f32[n,3]) {
        %k = constant f32[3] [1, 2, 3]
        %s = Add(%p, %k)
        return (r: %s)
      }
    %z = Relu(%y)
    return (z: %z)
  })",
       {{"n", {1, 2, 4}}}},
      {"loops",
       R"(graph "g" (%x: f32[2], %seq: f32[n,2]) {
    %trips = constant i64[] [4]
    %go = constant bool[] [1]
    %v, %all = Loop(%trips, %go, %x) {carried=1}
      body graph "body" (%i: i64[], %cond: bool[], %s: f32[2]) {
        %t = Add(%s, %s)
        %c = Identity(%cond)
        return (c: %c, t: %t, u: %s)
      }
    %st, %ys = Scan(%x, %seq) {carried=1, scanned=1}
      body graph "scan" (%s: f32[2], %e: f32[2]) {
        %t = Add(%s, %e)
        return (t: %t, u: %t)
      }
    return (v: %v, all: %all, st: %st, ys: %ys)
  })",
       {{"n", {1, 3, 5}}}},
      {"shapes",
       R"(graph "g" (%x: f32[n,4], %s: i64[2]) {
    %sh = Shape(%x)
    %one = constant i64[1] [2]
    %m = Concat(%one, %sh) {axis=0}
    %e = Expand(%x, %m)
    %f = ConstantOfShape(%sh)
    %a = Add(%e, %f)
    %d = constant i64[2] [-1, 2]
    %r = Reshape(%a, %d)
    %t = Tile(%r) {repeats=[2, 1]}
    return (t: %t, s: %s)
  })",
       {{"n", {1, 3, 5}}}},
      {"profiles",
       R"(graph "g" (%x: f32[n,4], %y: f32[m,4]) {
    %w = constant f32[4,4] splat 0.5
    %p = MatMul(%x, %w)
    %r = Relu(%p)
    %s = ReduceSum(%y) {axes=[0], keepdims=1}
    %z = Mul(%r, %s)
    return (z: %z, s: %s)
  })",
       {{"n", {1, 2, 3}}, {"m", {1, 1, 2}}},
       false,
       {{{"n", {1, 6, 8}}, {"m", {1, 3, 4}}}, {{"n", {9, 9, 9}}, {"m", {2, 2, 2}}}}},
      {"sequence_state",
       R"(graph "g" (%q: f32[n,2,4], %r: f32[n,2,4], %k: state(bf16[64,2,4]), %v: state(i8[64,2,4])) {
    %ka = StateAppend(%k, %r)
    %va = StateAppend(%v, %r)
    %y = StateAttention(%q, %ka, %va)
    return (y: %y)
  })",
       {{"n", {1, 2, 5}}},
       false,
       {{{"n", {1, 6, 8}}}}},
      {"lists", R"(graph "g" (%s: seq(f32[2]), %o: optional(f32[3]), %x: f32[2]) {
    %i = SequenceInsert(%s, %x)
    %at = constant i64[] [0]
    %a = SequenceAt(%i, %at)
    %n = SequenceLength(%i)
    %h = OptionalHas(%o)
    %e = OptionalGet(%o)
    %c = ConcatFromSequence(%i) {axis=0}
    %d = Relu(%c)
    return (i: %i, a: %a, n: %n, h: %h, e: %e, d: %d)
  })"},
      {"devices", R"(graph "g" (%x: f32[1,1], %n: bool[2], %a: bool[], %t: i64[]) {
  %less = constant i64[2] [1, 2]
  %more = constant i64[2] [3, 5]
  %m = Where(%n, %less, %more) @device="reference"
  %e = Expand(%x, %m)
  %c = Not(%a) @device="reference"
  %y = If(%c, %x)
    body graph "then" (%p: f32[1,1]) {
      %r = Exp(%p) @device="reference"
      return (r: %r)
    }
    body graph "else" (%p: f32[1,1]) {
      %r = Neg(%p)
      return (r: %r)
    }
  %three = constant i64[] [3]
  %trips = Min(%t, %three) @device="reference"
  %go = constant bool[] [1]
  %v, %all = Loop(%trips, %go, %x) {carried=1}
    body graph "body" (%i: i64[], %cond: bool[], %s: f32[1,1]) {
      %u = Add(%s, %s) @device="reference"
      %d = Not(%cond) @device="reference"
      %c = Not(%d)
      return (c: %c, u: %u, w: %s)
    }
  %z = Add(%e, %y) @device="reference"
  return (z: %z, v: %v, all: %all)
})"},
      {"counts", R"(graph "g" (%x: f32[3,4], %k: i64[], %l: i64[4], %b: i32[2,3], %h: f32[4,1,2,4]) {
    %a = Attention(%h, %h, %h, _, _, _, %l)
    %r = Trilu(%x, %k)
    %n = Abs(%b)
    %q = Div(%b, %b)
    %m = Mod(%b, %b)
    %s = Sub(%b, %n)
    %v = ReverseSequence(%x, %l) {batch_axis=1, time_axis=0}
    return (a: %a, r: %r, q: %q, m: %m, s: %s, v: %v)
  })"},
      {"scan_axes",
       R"(graph "g" (%x: f32[2], %seq: f32[2,n]) {
    %st, %ys = Scan(%x, %seq) {carried=1, scanned=1, scan_input_axes=[1], scan_input_directions=[1], scan_output_axes=[1]}
      body graph "scan" (%s: f32[2], %e: f32[2]) {
        %t = Mul(%s, %e)
        return (t: %t, u: %t)
      }
    %z = Neg(%ys)
    return (st: %st, z: %z)
  })",
       {{"n", {1, 3, 5}}}},
  };
  return graphs;
}

namespace {

/// Small numbers mostly, so that indices exist; a quarter is any bits, and a quarter the numbers that arithmetic breaks
/// on.
void fill(Tensor& t, std::mt19937& random, InputData data) {
  const ElementAccess& access = element_access(t.dtype());
  if (data == InputData::tame && access.store != nullptr) {
    const int levels = is_float(t.dtype()) ? 64 : t.dtype() == DType::boolean ? 2 : 4;
    for (std::int64_t i = 0; i < t.numel(); ++i) {
      const int level = static_cast<int>(random() % static_cast<unsigned>(levels));
      access.store(t.ref().data, i, is_float(t.dtype()) ? (level - 32) / 32.0 : level);
    }
    return;
  }
  auto* bytes = static_cast<unsigned char*>(t.ref().data);
  const unsigned how = random() % 4;
  for (std::size_t i = 0; i < t.bytes(); ++i) {
    const auto byte = static_cast<unsigned>(random());
    if (how == 0) bytes[i] = static_cast<unsigned char>(byte);
    else if (t.dtype() == DType::i64) bytes[i] = static_cast<unsigned char>(i % 8 == 0 ? byte % 4 : 0);
    else bytes[i] = static_cast<unsigned char>(byte % 64);
    if (t.dtype() == DType::boolean) bytes[i] = bytes[i] % 2;
  }
  static constexpr std::int64_t kExtremes[] = {INT64_MIN, INT64_MAX, INT64_MIN + 1, -1, 0, 1};
  static constexpr std::int32_t kExtremes32[] = {INT32_MIN, INT32_MAX, INT32_MIN + 1, -1, 0, 1};
  for (std::int64_t i = 0; how == 1 && i < t.numel(); ++i) {
    if (t.dtype() == DType::i64) t.as<std::int64_t>()[i] = kExtremes[random() % 6];
    if (t.dtype() == DType::i32) t.as<std::int32_t>()[i] = kExtremes32[random() % 6];
  }
}

/// Elements of a shape; -1 when they are too many to be bound.
std::int64_t count_of(const std::vector<std::int64_t>& shape, std::int64_t most) {
  std::int64_t count = 1;
  for (const std::int64_t e : shape)
    if (__builtin_mul_overflow(count, e, &count) || count > most) return -1;
  return count;
}

void read_all(const TensorRef& tensor, std::vector<HostileRun>* runs) {
  volatile unsigned sum = 0;
  for (std::size_t k = 0; k < tensor.bytes; ++k) sum = sum + static_cast<const unsigned char*>(tensor.data)[k];
  if (runs != nullptr) runs->back().outputs.push_back(Tensor::copy_of(tensor));
}

/// The first sequence alone, or all of them, with room for what they may get, or not.
bool bind_some(Context& context, std::vector<Sequence>& sequences, std::mt19937& random) {
  const bool alone = random() % 2 == 0;
  std::vector<SequenceRun> batch;
  for (Sequence& s : sequences) {
    batch.push_back({&s, static_cast<std::int64_t>(random() % 3)});
    if (alone || random() % 8 != 0)
      if (Status reserved = s.reserve(alone ? static_cast<std::int64_t>(random() % 12) : batch.back().positions);
          !reserved)
        return false;
    if (alone) return context.bind_sequence(s).ok();
  }
  return context.bind_sequences(batch).ok();
}

}  // namespace

int run_hostile(const Engine& engine, unsigned seed, std::int64_t max_elements, std::vector<HostileRun>* runs,
                InputData data) {
  std::mt19937 random(seed);
  int ran = 0;
  try {
    Context context = engine.create_context({.threads = 1, .max_pool_bytes = 1 << 20});
    std::optional<SequencePool> pool;
    std::vector<Sequence> sequences;
    if (!engine.impl().image.plan.states.empty()) {
      pool.emplace(engine, SequencePoolOptions{.block_length = 4, .blocks = 16, .max_positions = 40});
      for (int i = 0; i < 3; ++i) sequences.push_back(pool->create());
    }
    for (int round = 0; round < 3; ++round) {
      std::vector<Tensor> inputs;
      std::vector<std::vector<TensorRef>> lists(engine.inputs().size());  // must live until the run is over
      bool bound = sequences.empty() || bind_some(context, sequences, random);
      inputs.reserve(4 * engine.inputs().size());
      for (std::size_t k = 0; k < engine.inputs().size(); ++k) {
        const TensorInfo& info = engine.inputs()[k];
        const auto& shape = round == 0 ? info.min : round == 1 ? info.opt : info.max;
        if (count_of(shape, max_elements) < 0) return ran;  // nobody would bind so much
        const bool list = info.kind != ValueKind::tensor;
        const bool optional = info.kind == ValueKind::optional || info.kind == ValueKind::optional_sequence;
        if (optional && random() % 3 == 0) {
          bound = bound && context.bind_input_absent(info.name).ok();
          continue;
        }
        const unsigned tensors = !list || info.kind == ValueKind::optional ? 1 : random() % 4;
        for (unsigned t = 0; t < tensors; ++t) {
          fill(inputs.emplace_back(info.dtype, shape), random, data);
          lists[k].push_back(inputs.back());
        }
        bound =
            bound && (list ? context.bind_input_list(info.name, lists[k]) : context.bind_input(k, inputs.back())).ok();
      }
      if (!bound) continue;
      if (const Status s = context.run(); !s) {
        if (std::getenv("MONZA_HOSTILE_LOG") != nullptr) std::fprintf(stderr, "%s\n", context.describe(s).c_str());
        if (runs != nullptr) runs->push_back({s.message(), {}});
        continue;
      }
      ++ran;
      if (runs != nullptr) runs->emplace_back();
      for (std::size_t i = 0; i < engine.outputs().size(); ++i) {
        if (engine.outputs()[i].kind == ValueKind::tensor) {
          read_all(context.output(i), runs);
        } else if (const auto tensors = context.output_list(engine.outputs()[i].name)) {
          for (const Tensor& t : *tensors) read_all(t, runs);
        }
      }
      if (!sequences.empty() && random() % 2 == 0) (void)sequences[0].truncate(sequences[0].length() / 2);
    }
  } catch (const Error&) {
    // No memory for the arena, an output of unknown size: said, not suffered.
  }
  return ran;
}

}  // namespace monza::test
