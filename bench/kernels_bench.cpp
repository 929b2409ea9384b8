// Times every kernel of an operator on layer shapes of known networks: GFLOP/s of the fastest of many runs.
// Usage: monza_bench_kernels [conv|matmul|dw] [threads] [name filter]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "backend/cpu/thread_pool.h"
#include "base/cpu.h"
#include "kernel/registry.h"
#include "ops/conv/conv.params.h"
#include "ops/matmul/matmul.params.h"
#include "tensor/storage.h"

namespace monza {
namespace {

/// Memory of one operand, 64-byte aligned, filled with small values.
struct Memory {
  std::byte* data = nullptr;
  explicit Memory(std::size_t bytes) {
    data = static_cast<std::byte*>(std::aligned_alloc(4096, (bytes + 8191) / 4096 * 4096));
    auto* f = reinterpret_cast<float*>(data);
    for (std::size_t i = 0; i < bytes / 4; ++i)
      f[i] = static_cast<float>(static_cast<int>(i * 2654435761u >> 24) - 128) / 512.0f;
  }
  Memory(Memory&& other) noexcept : data(std::exchange(other.data, nullptr)) {}
  ~Memory() { std::free(data); }
};

Layout layout_of(Port port) {
  return port == Port::blocked8 ? Layout::blocked8 : port == Port::blocked16 ? Layout::blocked16 : Layout::strided;
}

void lay_out(TensorView& v, Port port) {
  v.set_dense();
  if (port == Port::channels_last) {
    std::int64_t pitch = v.shape[1];
    v.stride[1] = 1;
    for (int i = v.shape.rank - 1; i >= 0; --i)
      if (i != 1) v.stride[i] = pitch, pitch *= v.shape[i];
  } else if (layout_of(port) != Layout::strided) {
    v.layout = layout_of(port);
    std::int64_t stride = port == Port::blocked8 ? 8 : 16;
    const std::int64_t blocks = (v.shape[1] + stride - 1) / stride;
    for (int i = v.shape.rank - 1; i >= 2; --i) v.stride[i] = stride, stride *= v.shape[i];
    v.stride[1] = stride;
    v.stride[0] = stride * blocks;
  }
}

/// Milliseconds of the fastest run, or a negative number when the kernel refuses.
double time_kernel(const Kernel& kernel, const void* params, const std::vector<Shape>& in, const Shape& out,
                   Parallel& pool) {
  std::vector<Memory> memory;
  std::vector<OperandDesc> in_desc(in.size());
  std::vector<TensorView> view(in.size() + 1);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i].rank < 0) continue;
    const Layout layout = layout_of(kernel.in[static_cast<int>(i)]);
    memory.emplace_back(static_cast<std::size_t>(storage_bytes(DType::f32, in[i], layout)));
    in_desc[i] = {.dtype = DType::f32, .constant = i == 1 || i == 2, .shape = in[i]};
    if (in_desc[i].constant) in_desc[i].data = memory.back().data;
    view[i].dtype = DType::f32;
    view[i].shape = in[i];
    view[i].data = memory.back().data;
    lay_out(view[i], kernel.in[static_cast<int>(i)]);
  }
  OperandDesc out_desc{.dtype = DType::f32, .shape = out};
  const KernelQuery query{.params = params,
                          .in = in_desc.data(),
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
  o.dtype = DType::f32;
  o.shape = out;
  lay_out(o, kernel.out[0]);
  memory.emplace_back(static_cast<std::size_t>(storage_bytes(DType::f32, out, layout_of(kernel.out[0]))));
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
  for (int i = 0; i < 5 || (spent < 0.15 && i < 2000); ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (!kernel.run(context).ok()) return -2;
    const double s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, s);
    spent += s;
  }
  return best * 1e3;
}

struct ConvLayer {
  const char* name;
  std::int64_t c, h, w, m, k, stride, group;
  int act;  // ActivationKind
};

constexpr ConvLayer kConvs[] = {
    {"resnet50 conv1 7x7/2", 3, 224, 224, 64, 7, 2, 1, 1},
    {"resnet50 2 1x1 64-64", 64, 56, 56, 64, 1, 1, 1, 1},
    {"resnet50 2 3x3 64-64", 64, 56, 56, 64, 3, 1, 1, 1},
    {"resnet50 2 1x1 64-256", 64, 56, 56, 256, 1, 1, 1, 0},
    {"resnet50 2 1x1 256-64", 256, 56, 56, 64, 1, 1, 1, 1},
    {"resnet50 3 3x3/2 128", 128, 56, 56, 128, 3, 2, 1, 1},
    {"resnet50 3 1x1 512-128", 512, 28, 28, 128, 1, 1, 1, 1},
    {"resnet50 3 3x3 128", 128, 28, 28, 128, 3, 1, 1, 1},
    {"resnet50 3 1x1 128-512", 128, 28, 28, 512, 1, 1, 1, 0},
    {"resnet50 4 1x1/2 512-1024", 512, 28, 28, 1024, 1, 2, 1, 0},
    {"resnet50 4 3x3 256", 256, 14, 14, 256, 3, 1, 1, 1},
    {"resnet50 4 1x1 1024-256", 1024, 14, 14, 256, 1, 1, 1, 1},
    {"resnet50 4 1x1 256-1024", 256, 14, 14, 1024, 1, 1, 1, 0},
    {"resnet50 5 3x3 512", 512, 7, 7, 512, 3, 1, 1, 1},
    {"resnet50 5 1x1 2048-512", 2048, 7, 7, 512, 1, 1, 1, 1},
    {"resnet50 5 1x1 512-2048", 512, 7, 7, 2048, 1, 1, 1, 0},
    {"mobilenet conv1 3x3/2", 3, 224, 224, 32, 3, 2, 1, 2},
    {"mobilenet 1x1 32-16", 32, 112, 112, 16, 1, 1, 1, 0},
    {"mobilenet 1x1 16-96", 16, 112, 112, 96, 1, 1, 1, 2},
    {"mobilenet 1x1 96-24", 96, 56, 56, 24, 1, 1, 1, 0},
    {"mobilenet 1x1 24-144", 24, 56, 56, 144, 1, 1, 1, 2},
    {"mobilenet 1x1 192-32", 192, 28, 28, 32, 1, 1, 1, 0},
    {"mobilenet 1x1 384-64", 384, 14, 14, 64, 1, 1, 1, 0},
    {"mobilenet 1x1 576-96", 576, 14, 14, 96, 1, 1, 1, 0},
    {"mobilenet 1x1 320-1280", 320, 7, 7, 1280, 1, 1, 1, 2},
    {"dw mobilenet 3x3 32 112", 32, 112, 112, 32, 3, 1, 32, 2},
    {"dw mobilenet 3x3/2 96", 96, 112, 112, 96, 3, 2, 96, 2},
    {"dw mobilenet 3x3 144 56", 144, 56, 56, 144, 3, 1, 144, 2},
    {"dw mobilenet 3x3 384 14", 384, 14, 14, 384, 3, 1, 384, 2},
    {"dw mobilenet 3x3 960 7", 960, 7, 7, 960, 3, 1, 960, 2},
    {"dw efficientnet 5x5 240", 240, 28, 28, 240, 5, 1, 240, 3},
    {"dw efficientnet 5x5/2 144", 144, 56, 56, 144, 5, 2, 144, 3},
    {"yolov8n 0 3x3/2 3-16", 3, 640, 640, 16, 3, 2, 1, 3},
    {"yolov8n 1 3x3/2 16-32", 16, 320, 320, 32, 3, 2, 1, 3},
    {"yolov8n 2 1x1 32-32", 32, 160, 160, 32, 1, 1, 1, 3},
    {"yolov8n 2 3x3 16-16", 16, 160, 160, 16, 3, 1, 1, 3},
    {"yolov8n 3 3x3/2 32-64", 32, 160, 160, 64, 3, 2, 1, 3},
    {"yolov8n 4 3x3 32-32", 32, 80, 80, 32, 3, 1, 1, 3},
    {"yolov8n 6 3x3 64-64", 64, 40, 40, 64, 3, 1, 1, 3},
    {"yolov8n 8 3x3 128-128", 128, 20, 20, 128, 3, 1, 1, 3},
    {"yolov8n head 3x3 64-80", 64, 80, 80, 80, 3, 1, 1, 3},
    {"yolov8n head 3x3 80-80", 80, 80, 80, 80, 3, 1, 1, 3},
    {"yolov8n head 1x1 80-80", 80, 80, 80, 80, 1, 1, 1, 0},
};

struct MatMulLayer {
  const char* name;
  std::int64_t batch, m, k, n;
  bool trans_b, both;
  int act;
};
constexpr MatMulLayer kMatMuls[] = {
    {"bert qkv 128x768x768", 1, 128, 768, 768, false, false, 0},
    {"bert ffn1 128x768x3072 gelu", 1, 128, 768, 3072, false, false, 5},
    {"bert ffn2 128x3072x768", 1, 128, 3072, 768, false, false, 0},
    {"bert pooler 1x768x768", 1, 1, 768, 768, false, false, 0},
    {"vit ffn1 197x768x3072 gelu", 1, 197, 768, 3072, false, false, 5},
    {"vit-tiny 197x192x768", 1, 197, 192, 768, false, false, 5},
    {"vit-tiny 197x768x192", 1, 197, 768, 192, false, false, 0},
    {"minilm 128x384x1536", 1, 128, 384, 1536, false, false, 5},
    {"resnet fc 1x2048x1000", 1, 1, 2048, 1000, true, false, 0},
    {"attention qk 12x128x64x128", 12, 128, 64, 128, true, true, 0},
    {"attention pv 12x128x128x64", 12, 128, 128, 64, false, true, 0},
    {"both 512x512x512", 1, 512, 512, 512, false, true, 0},
};

void report(const char* name, double flops, const char* kernel, double ms) {
  std::printf("%-30s %-24s %9.4f ms %8.1f GFLOP/s\n", name, kernel, ms, flops / ms / 1e6);
  std::fflush(stdout);
}

int main_of(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "all";
  const int threads = argc > 2 ? std::atoi(argv[2]) : 1;
  const char* filter = argc > 3 ? argv[3] : "";
  Team pool({.threads = threads});
  const Isa isa = cpu_info().isa;
  if (what == "all" || what == "conv")
    for (const ConvLayer& l : kConvs) {
      if (std::strstr(l.name, filter) == nullptr) continue;
      ConvParams p;
      p.bf16 = 1;
      p.group = static_cast<std::int32_t>(l.group);
      p.act = {static_cast<ActivationKind>(l.act), 0, 6};
      for (int i = 0; i < 2; ++i) {
        p.stride[i] = static_cast<std::int32_t>(l.stride);
        p.pad_begin[i] = p.pad_end[i] = static_cast<std::int32_t>(l.k / 2);
      }
      const Shape x{1, l.c, l.h, l.w}, w{l.m, l.c / l.group, l.k, l.k}, bias{l.m};
      const Shape out{1, l.m, (l.h + l.k / 2 * 2 - l.k) / l.stride + 1, (l.w + l.k / 2 * 2 - l.k) / l.stride + 1};
      const double flops = 2.0 * static_cast<double>(out.numel() * w.count(1, 4));
      for (const Kernel* k : kernels_of("Conv")) {
        if (k->reference || !covers(isa, k->needs)) continue;
        const double ms = time_kernel(*k, &p, {x, w, bias}, out, pool);
        if (ms > 0) report(l.name, flops, k->name, ms);
      }
    }
  if (what == "all" || what == "matmul")
    for (const MatMulLayer& l : kMatMuls) {
      if (std::strstr(l.name, filter) == nullptr) continue;
      MatMulParams p;
      p.bf16 = 1;
      p.trans_b = l.trans_b;
      p.act.kind = static_cast<ActivationKind>(l.act);
      const Shape a{l.batch, l.m, l.k}, b2 = l.trans_b ? Shape{l.n, l.k} : Shape{l.k, l.n};
      const Shape b = l.both ? Shape{l.batch, b2[0], b2[1]} : b2, bias{l.n}, out{l.batch, l.m, l.n};
      const double flops = 2.0 * static_cast<double>(l.batch * l.m * l.k * l.n);
      for (const Kernel* k : kernels_of("MatMul")) {
        if (k->reference || !covers(isa, k->needs) || (k->packing_count == 0) != l.both) continue;
        const double ms = time_kernel(*k, &p, {a, b, bias}, out, pool);
        if (ms > 0) report(l.name, flops, k->name, ms);
      }
    }
  return 0;
}

}  // namespace
}  // namespace monza

int main(int argc, char** argv) { return monza::main_of(argc, argv); }
