// Times the integer kernels on the layers of known networks: milliseconds of the fastest of many runs, GOP/s, and the
// sum over each network's layers. Usage: monza_bench_int8 [network filter] [threads] [kernel filter]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "backend/cpu/thread_pool.h"
#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/qconv/qconv.params.h"
#include "ops/qmatmul/qmatmul.params.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

/// Memory of one operand, 4096-byte aligned.
struct Memory {
  std::byte* data = nullptr;
  explicit Memory(std::size_t bytes)
      : data(static_cast<std::byte*>(std::aligned_alloc(4096, (bytes + 8191) / 4096 * 4096))) {
    for (std::size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(i * 2654435761u >> 13 & 0x7f);
  }
  Memory(Memory&& other) noexcept : data(std::exchange(other.data, nullptr)) {}
  ~Memory() { std::free(data); }
};

struct Operand {
  DType type = DType::invalid;
  Shape shape;
  float value = 0;  ///< of f32 scales
};

void lay_out(TensorView& v, Port port) {
  v.set_dense();
  if (port != Port::channels_last || v.shape.rank < 3) return;
  std::int64_t pitch = v.shape[1];
  v.stride[1] = 1;
  for (int i = v.shape.rank - 1; i >= 0; --i)
    if (i != 1) v.stride[i] = pitch, pitch *= v.shape[i];
}

double time_kernel(const Kernel& kernel, const void* params, const std::vector<Operand>& in, const Operand& out,
                   Parallel& pool) {
  std::vector<Memory> memory;
  std::vector<OperandDesc> desc(in.size());
  std::vector<TensorView> view(in.size() + 1);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i].type == DType::invalid) continue;
    const auto bytes = static_cast<std::size_t>(in[i].shape.numel() * dtype_bits(in[i].type) / 8);
    memory.emplace_back(bytes);
    if (in[i].type == DType::f32)
      for (std::int64_t k = 0; k < in[i].shape.numel(); ++k)
        reinterpret_cast<float*>(memory.back().data)[k] = in[i].value;
    desc[i] = {.dtype = in[i].type, .constant = i == QInput::w, .shape = in[i].shape, .data = memory.back().data};
    view[i].dtype = in[i].type;
    view[i].shape = in[i].shape;
    view[i].data = memory.back().data;
    lay_out(view[i], kernel.in[static_cast<int>(i)]);
  }
  OperandDesc out_desc{.dtype = out.type, .shape = out.shape};
  const KernelQuery query{.params = params,
                          .in = desc.data(),
                          .in_count = static_cast<int>(in.size()),
                          .out = &out_desc,
                          .out_count = 1,
                          .threads = pool.threads()};
  if (kernel.accepts != nullptr && kernel.accepts(query) != nullptr) return -1;
  for (int i = 0; i < kernel.packing_count; ++i) {
    const Packing& p = kernel.packings[i];
    memory.emplace_back(p.bytes(query));
    p.pack(query, memory.back().data);
    view[static_cast<std::size_t>(p.input)].data = memory.back().data;
    view[static_cast<std::size_t>(p.input)].layout = Layout::packed;
  }
  TensorView& o = view.back();
  o.dtype = out.type;
  o.shape = out.shape;
  lay_out(o, kernel.out[0]);
  memory.emplace_back(static_cast<std::size_t>(out.shape.numel() * dtype_bits(out.type) / 8));
  o.data = memory.back().data;
  memory.emplace_back(kernel.scratch_bytes != nullptr ? kernel.scratch_bytes(query) : 0);
  const KernelContext context{.params = params,
                              .in = view.data(),
                              .in_count = static_cast<int>(in.size()),
                              .out = &o,
                              .out_count = 1,
                              .scratch = memory.back().data,
                              .parallel = &pool};
  double best = 1e30, spent = 0;
  for (int i = 0; i < 5 || (spent < 0.1 && i < 2000); ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (!kernel.run(context).ok()) return -2;
    const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, s);
    spent += s;
  }
  return best * 1e3;
}

struct Layer {
  const char* network;
  int count;  // layers of this shape
  std::int64_t c, h, m, k, stride, group;
};
// c = 0: a matrix product of h rows, depth k, m columns.
constexpr Layer kLayers[] = {
    {"resnet50", 1, 3, 224, 64, 7, 2, 1},        {"resnet50", 1, 64, 56, 64, 1, 1, 1},
    {"resnet50", 3, 64, 56, 64, 3, 1, 1},        {"resnet50", 4, 64, 56, 256, 1, 1, 1},
    {"resnet50", 2, 256, 56, 64, 1, 1, 1},       {"resnet50", 1, 256, 56, 128, 1, 1, 1},
    {"resnet50", 1, 128, 56, 128, 3, 2, 1},      {"resnet50", 4, 128, 28, 512, 1, 1, 1},
    {"resnet50", 1, 256, 56, 512, 1, 2, 1},      {"resnet50", 3, 512, 28, 128, 1, 1, 1},
    {"resnet50", 3, 128, 28, 128, 3, 1, 1},      {"resnet50", 1, 512, 28, 256, 1, 1, 1},
    {"resnet50", 1, 256, 28, 256, 3, 2, 1},      {"resnet50", 6, 256, 14, 1024, 1, 1, 1},
    {"resnet50", 1, 512, 28, 1024, 1, 2, 1},     {"resnet50", 5, 1024, 14, 256, 1, 1, 1},
    {"resnet50", 5, 256, 14, 256, 3, 1, 1},      {"resnet50", 1, 1024, 14, 512, 1, 1, 1},
    {"resnet50", 1, 512, 14, 512, 3, 2, 1},      {"resnet50", 3, 512, 7, 2048, 1, 1, 1},
    {"resnet50", 1, 1024, 14, 2048, 1, 2, 1},    {"resnet50", 2, 2048, 7, 512, 1, 1, 1},
    {"resnet50", 2, 512, 7, 512, 3, 1, 1},       {"resnet50", 1, 0, 1, 1000, 2048, 1, 1},
    {"mobilenetv2", 1, 3, 224, 32, 3, 2, 1},     {"mobilenetv2", 1, 32, 112, 32, 3, 1, 32},
    {"mobilenetv2", 1, 32, 112, 16, 1, 1, 1},    {"mobilenetv2", 1, 16, 112, 96, 1, 1, 1},
    {"mobilenetv2", 1, 96, 112, 96, 3, 2, 96},   {"mobilenetv2", 1, 96, 56, 24, 1, 1, 1},
    {"mobilenetv2", 2, 24, 56, 144, 1, 1, 1},    {"mobilenetv2", 1, 144, 56, 144, 3, 1, 144},
    {"mobilenetv2", 1, 144, 56, 24, 1, 1, 1},    {"mobilenetv2", 1, 144, 56, 144, 3, 2, 144},
    {"mobilenetv2", 1, 144, 28, 32, 1, 1, 1},    {"mobilenetv2", 3, 32, 28, 192, 1, 1, 1},
    {"mobilenetv2", 2, 192, 28, 192, 3, 1, 192}, {"mobilenetv2", 2, 192, 28, 32, 1, 1, 1},
    {"mobilenetv2", 1, 192, 28, 192, 3, 2, 192}, {"mobilenetv2", 1, 192, 14, 64, 1, 1, 1},
    {"mobilenetv2", 4, 64, 14, 384, 1, 1, 1},    {"mobilenetv2", 4, 384, 14, 384, 3, 1, 384},
    {"mobilenetv2", 3, 384, 14, 64, 1, 1, 1},    {"mobilenetv2", 1, 384, 14, 96, 1, 1, 1},
    {"mobilenetv2", 3, 96, 14, 576, 1, 1, 1},    {"mobilenetv2", 2, 576, 14, 576, 3, 1, 576},
    {"mobilenetv2", 2, 576, 14, 96, 1, 1, 1},    {"mobilenetv2", 1, 576, 14, 576, 3, 2, 576},
    {"mobilenetv2", 1, 576, 7, 160, 1, 1, 1},    {"mobilenetv2", 3, 160, 7, 960, 1, 1, 1},
    {"mobilenetv2", 3, 960, 7, 960, 3, 1, 960},  {"mobilenetv2", 2, 960, 7, 160, 1, 1, 1},
    {"mobilenetv2", 1, 960, 7, 320, 1, 1, 1},    {"mobilenetv2", 1, 320, 7, 1280, 1, 1, 1},
    {"mobilenetv2", 1, 0, 1, 1000, 1280, 1, 1},  {"bert", 48, 0, 128, 768, 768, 1, 1},
    {"bert", 12, 0, 128, 3072, 768, 1, 1},       {"bert", 12, 0, 128, 768, 3072, 1, 1},
    {"minilm", 24, 0, 128, 384, 384, 1, 1},      {"minilm", 6, 0, 128, 1536, 384, 1, 1},
    {"minilm", 6, 0, 128, 384, 1536, 1, 1},
};

int main_of(int argc, char** argv) {
  const char* network = argc > 1 ? argv[1] : "";
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  const char* filter = argc > 3 ? argv[3] : "avx512";
  Team pool({.threads = threads});
  std::map<std::string, double> total;
  for (const Layer& l : kLayers) {
    if (std::strstr(l.network, network) == nullptr) continue;
    const bool matmul = l.c == 0, f32 = std::strcmp(l.network, "bert") == 0 || std::strcmp(l.network, "minilm") == 0;
    std::vector<Operand> in(9);
    Operand out{f32 ? DType::f32 : DType::u8, {}, 0};
    QConvParams conv;
    const QMatMulParams mat;
    if (matmul) {
      in[QInput::x] = {DType::u8, Shape{l.h, l.k}};
      in[QInput::w] = {DType::i8, Shape{l.k, l.m}};
      out.shape = Shape{l.h, l.m};
    } else {
      const std::int64_t pad = l.k / 2, side = (l.h + 2 * pad - l.k) / l.stride + 1;
      conv.group = static_cast<std::int32_t>(l.group);
      for (int i = 0; i < 2; ++i) {
        conv.stride[i] = static_cast<std::int32_t>(l.stride);
        conv.pad_begin[i] = conv.pad_end[i] = static_cast<std::int32_t>(pad);
      }
      in[QInput::x] = {DType::u8, Shape{1, l.c, l.h, l.h}};
      in[QInput::w] = {DType::i8, Shape{l.m, l.c / l.group, l.k, l.k}};
      out.shape = Shape{1, l.m, side, side};
    }
    in[QInput::x_scale] = {DType::f32, Shape{}, 0.02F};
    in[QInput::x_zero] = {DType::u8, Shape{}};
    in[QInput::w_scale] = {DType::f32, Shape{l.m}, 0.01F};
    if (!f32) in[QInput::y_scale] = {DType::f32, Shape{}, 0.02F};
    if (!f32) in[QInput::y_zero] = {DType::u8, Shape{}};
    in[QInput::bias] = {DType::f32, Shape{l.m}, 0.1F};
    const Shape& w = in[QInput::w].shape;
    const double ops = 2.0 * static_cast<double>(out.shape.numel() * (matmul ? l.k : w.count(1, 4)));
    double best = 0;
    for (const Kernel* k : kernels_of(matmul ? "QMatMul" : "QConv")) {
      if (k->reference || !covers(cpu_info().isa, k->needs) || std::strstr(k->name, filter) == nullptr) continue;
      const double ms = time_kernel(*k, matmul ? static_cast<const void*>(&mat) : &conv, in, out, pool);
      if (ms <= 0) continue;
      std::printf("%-12s %dx c%-4lld h%-3lld m%-4lld k%-4lld s%lld g%-3lld %-24s %8.4f ms %7.1f GOP/s\n", l.network,
                  l.count, static_cast<long long>(l.c), static_cast<long long>(l.h), static_cast<long long>(l.m),
                  static_cast<long long>(l.k), static_cast<long long>(l.stride), static_cast<long long>(l.group),
                  k->name, ms, ops / ms / 1e6);
      std::fflush(stdout);
      best = best == 0 ? ms : std::min(best, ms);
    }
    total[l.network] += best * l.count;
  }
  for (const auto& [name, ms] : total) std::printf("%-12s all layers %8.3f ms\n", name.c_str(), ms);
  return 0;
}

}  // namespace
}  // namespace monza

int main(int argc, char** argv) { return monza::main_of(argc, argv); }
