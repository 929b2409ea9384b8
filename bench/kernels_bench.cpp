// Times every kernel of every family on the cases of src/ops/<family>/<family>.bench.txt: milliseconds of the fastest
// of many runs, and for each network the sum of what the fastest kernel takes of each of its layers. Usage:
// monza_bench_kernels [FAMILY|all] [THREADS|gpu|gpu-afresh: constants are in no cache] [TEXT that the name of the case,
// or of the kernel, holds] [FOLDER with the cases of families; default: src/ops]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/cpu/thread_pool.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/hash.h"
#include "ir/op.h"
#include "kernel/ports.h"
#include "kernel/registry.h"
#include "kernel/state.h"
#include "plan/tactics.h"
#include "support/bench_cases.h"
#include "tensor/storage.h"

namespace monza {
namespace {

/// Memory of one operand, 4096-byte aligned, filled with small values.
struct Memory {
  std::byte* data = nullptr;
  Memory(DType type, std::size_t bytes)
      : data(static_cast<std::byte*>(std::aligned_alloc(4096, (bytes + 8191) / 4096 * 4096))) {
    if (type == DType::i64) {  // indices, of tables with eight entries at least
      auto* indices = reinterpret_cast<std::int64_t*>(data);
      for (std::size_t i = 0; i < bytes / 8; ++i) indices[i] = static_cast<std::int64_t>(i % 8);
      return;
    }
    if (type != DType::f32) {
      for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(i * 2654435761u >> 13 & 0x7f);
      return;
    }
    auto* f = reinterpret_cast<float*>(data);
    for (std::size_t i = 0; i < bytes / 4; ++i)
      f[i] = static_cast<float>(static_cast<int>(i * 2654435761u >> 24) + 1) / 512.0f;  // scales are above zero
  }
  Memory(Memory&& other) noexcept : data(std::exchange(other.data, nullptr)) {}
  ~Memory() { std::free(data); }
};

void lay_out(TensorView& v, Port port) {
  v.set_dense();
  if (port == Port::channels_last && v.shape.rank > 2) {
    std::int64_t pitch = v.shape[1];
    v.stride[1] = 1;
    for (int i = v.shape.rank - 1; i >= 0; --i)
      if (i != 1) v.stride[i] = pitch, pitch *= v.shape[i];
  } else if (block_of(layout_of(port)) > 1) {
    v.layout = layout_of(port);
    std::int64_t stride = block_of(v.layout);
    const std::int64_t blocks = (v.shape[1] + stride - 1) / stride;
    for (int i = v.shape.rank - 1; i >= 2; --i) v.stride[i] = stride, stride *= v.shape[i];
    v.stride[1] = stride;
    v.stride[0] = stride * blocks;
  }
}

/// States of one sequence, in blocks of 16 positions: it holds as many as the type says, and those of the node's rows
/// are the last of them, which a node that appends writes.
class States {
 public:
  void add(const OperandDesc& state, std::int64_t added, bool appends, std::vector<Memory>& memory) {
    constexpr std::int64_t kBlock = 16;
    Shape position;
    for (int a = 1; a < state.shape.rank; ++a) position[position.rank++] = state.shape[a];
    const StateFormat format = make_state_format(state.dtype, position);
    std::vector<std::byte*>& blocks = blocks_.emplace_back();
    for (std::int64_t at = 0; at < state.shape[0]; at += kBlock)
      blocks.push_back(memory.emplace_back(state.dtype, static_cast<std::size_t>(kBlock * format.position_bytes)).data);
    rows_.push_back({.blocks = blocks.data(),
                     .length = state.shape[0] - added,
                     .appended = appends ? 0 : added,
                     .capacity = state.shape[0]});
    appended_.push_back(rows_.back().appended);
    views.push_back({.rows = &rows_.back(), .row_count = 1, .block_length = kBlock, .format = format});
  }
  /// As they were before a run.
  void rewind() {
    for (std::size_t i = 0; i < rows_.size(); ++i) rows_[i].appended = appended_[i];
  }
  std::vector<StateView> views;

 private:
  std::vector<std::int64_t> appended_;
  std::deque<std::vector<std::byte*>> blocks_;
  std::deque<StateRow> rows_;
};

/// A case's node as kernels see it.
struct Node {
  std::vector<bool> is_state;  ///< of its inputs
  std::vector<std::byte> params;
  std::vector<OperandDesc> in, out;
  double flops = 0, bytes = 0;
};

OperandDesc operand_of(const ir::Value& v) {
  OperandDesc d{.dtype = v.type.dtype, .constant = v.name.starts_with("w") || v.name.starts_with("b")};
  for (const ir::Expr& e : v.type.shape) d.shape[d.shape.rank++] = e.constant();
  return d;
}

Node node_of(const test::BenchCase& c) {
  Node n;
  const ir::Graph& graph = *c.graph;
  const ir::Node& node = c.node();
  ir::ParamsBlob blob;
  if (node.op->params != nullptr) node.op->params({graph, node}, blob);
  n.params = blob.bytes();
  std::vector<Shape> in, out;
  const auto add = [&](std::vector<OperandDesc>& list, std::vector<Shape>& shapes, ir::ValueId v) {
    list.push_back(v == ir::kNone ? OperandDesc{} : operand_of(graph.value(v)));
    shapes.push_back(list.back().shape);
    if (v != ir::kNone) n.bytes += static_cast<double>(storage_bytes(list.back().dtype, list.back().shape));
  };
  for (const ir::ValueId v : node.inputs) {
    add(n.in, in, v);
    n.is_state.push_back(v != ir::kNone && graph.value(v).type.kind == ir::ValueKind::state);
  }
  for (const ir::ValueId v : node.outputs) add(n.out, out, v);
  if (node.op->flops != nullptr) n.flops = node.op->flops({graph, node}, in, out);
  return n;
}

/// Milliseconds of the fastest run, or a negative number when the kernel refuses or fails.
double time_kernel(const Kernel& kernel, const Node& node, Parallel& pool) {
  std::vector<Memory> memory;
  const auto place = [&](const std::vector<OperandDesc>& operands, const Ports& ports) {
    std::vector<TensorView> views(operands.size());
    for (std::size_t i = 0; i < operands.size(); ++i) {
      const OperandDesc& d = operands[i];
      if (!d.present()) continue;
      views[i].dtype = d.dtype;
      views[i].shape = d.shape;
      lay_out(views[i], ports[static_cast<int>(i)]);
      memory.emplace_back(d.dtype, static_cast<std::size_t>(storage_bytes(d.dtype, d.shape, views[i].layout)));
      views[i].data = memory.back().data;
    }
    return views;
  };
  std::vector<OperandDesc> in_desc = node.in;
  std::vector<TensorView> in = place(node.in, kernel.in), out = place(node.out, kernel.out);
  for (std::size_t i = 0; i < in.size(); ++i)
    if (in_desc[i].constant) in_desc[i].data = in[i].data;
  const KernelQuery query{.params = node.params.data(),
                          .in = in_desc.data(),
                          .in_count = static_cast<int>(in.size()),
                          .out = node.out.data(),
                          .out_count = static_cast<int>(out.size()),
                          .threads = pool.threads()};
  if (kernel.accepts != nullptr && kernel.accepts(query) != nullptr) return -1;
  for (int i = 0; i < kernel.packing_count; ++i) {
    const Packing& p = kernel.packings[i];
    if (!query.input(p.input).constant) return -1;
    memory.emplace_back(DType::u8, p.bytes(query));
    p.pack(query, memory.back().data);
    in[static_cast<std::size_t>(p.input)].data = memory.back().data;
    in[static_cast<std::size_t>(p.input)].layout = Layout::packed;
  }
  States states;
  const bool appends = std::string_view(kernel.op) == "StateAppend";
  for (std::size_t i = 0; i < in.size(); ++i)
    if (node.is_state[i]) states.add(node.in[i], node.in[appends ? 1 : 0].shape[0], appends, memory);
  memory.emplace_back(DType::u8, kernel.scratch_bytes != nullptr ? kernel.scratch_bytes(query) : 0);
  const KernelContext context{.params = node.params.data(),
                              .in = in.data(),
                              .in_count = static_cast<int>(in.size()),
                              .out = out.data(),
                              .out_count = static_cast<int>(out.size()),
                              .scratch = memory.back().data,
                              .parallel = &pool,
                              .state = states.views.data(),
                              .state_count = static_cast<int>(states.views.size())};
  double best = 1e30, spent = 0;
  for (int i = 0; i < 5 || (spent < 0.15 && i < 2000); ++i) {
    states.rewind();
    const auto start = std::chrono::steady_clock::now();
    if (!kernel.run(context).ok()) return -2;
    const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, s);
    spent += s;
  }
  return best * 1e3;
}

/// The same on the first GPU, of launches in a captured graph.
double time_on_gpu(const Kernel& kernel, const Node& node, plan::Tactics& tactics) {
  std::vector<Memory> memory;
  std::vector<OperandDesc> in = node.in;
  for (OperandDesc& d : in)
    if (d.constant) {
      memory.emplace_back(d.dtype, static_cast<std::size_t>(storage_bytes(d.dtype, d.shape)));
      d.data = memory.back().data;
    }
  const KernelQuery query{.params = node.params.data(),
                          .in = in.data(),
                          .in_count = static_cast<int>(in.size()),
                          .out = node.out.data(),
                          .out_count = static_cast<int>(node.out.size()),
                          .params_hash = hash64(node.params)};
  if (kernel.accepts != nullptr && kernel.accepts(query) != nullptr) return -1;
  return tactics.time(kernel, query, DeviceKind::cuda).value_or(-2e3) / 1e3;
}

int main_of(int argc, char** argv) {
  const std::string family = argc > 1 ? argv[1] : "all", filter = argc > 3 ? argv[3] : "";
  const std::string_view where = argc > 2 ? argv[2] : "";
  const bool gpu = where == "gpu" || where == "gpu-afresh";
  const int threads = argc > 2 && !gpu ? std::atoi(argv[2]) : 1;
  const DeviceKind device = gpu ? DeviceKind::cuda : DeviceKind::cpu;
  Team pool({.threads = threads});
  plan::Tactics tactics(BuildOptions{});
  if (where == "gpu-afresh") tactics.set_constant_bytes(std::int64_t{1} << 40);
  std::map<std::string, double> totals;  // by family and network
  for (const test::BenchCase& c : test::bench_cases(argc > 4 ? argv[4] : MONZA_SOURCE_FOLDER "/src/ops")) {
    if (family != "all" && family != c.family) continue;
    const Node node = node_of(c);
    const bool named = c.name.find(filter) != std::string::npos;
    double best = 0;
    for (const Kernel* k : kernels_of(c.node().op->name)) {
      if (k->reference || k->device != device || !covers(cpu_info().isa, k->needs)) continue;
      if (!named && std::string(k->name).find(filter) == std::string::npos) continue;
      const double ms = gpu ? time_on_gpu(*k, node, tactics) : time_kernel(*k, node, pool);
      if (ms <= 0) continue;
      std::printf("%-32s %-32s %9.4f ms %8.1f GFLOP/s %7.1f GB/s\n", c.name.c_str(), k->name, ms, node.flops / ms / 1e6,
                  node.bytes / ms / 1e6);
      std::fflush(stdout);
      best = best == 0 ? ms : std::min(best, ms);
    }
    if (best > 0) totals[c.family + " " + c.name.substr(0, c.name.find(' '))] += best * c.count;
  }
  for (const auto& [name, ms] : totals) std::printf("%-32s fastest kernels of all layers %9.3f ms\n", name.c_str(), ms);
  return 0;
}

}  // namespace
}  // namespace monza

int main(int argc, char** argv) {
  try {
    return monza::main_of(argc, argv);
  } catch (const monza::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
