#include "support/kernel_check.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <span>

#include "backend/cpu/thread_pool.h"
#include "backend/device.h"
#include "base/cpu.h"
#include "base/error.h"
#include "kernel/check.h"
#include "kernel/ports.h"
#include "plan/data/plan.h"
#include "tensor/block_encoding.h"
#include "tensor/dtype.h"
#include "tensor/element.h"
#include "tensor/storage.h"

namespace monza::test {
namespace {

/// Memory around a view, which begins at a 64-byte boundary plus `offset` and ends as near to a page that cannot be
/// touched as that allows; another such page lies before. So a read beyond an operand is a fault also where a sanitizer
/// sees nothing, as in vector intrinsics.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    if (map_ != nullptr) munmap(map_, map_bytes_);
  }
  void reserve(std::size_t size, std::size_t offset) {
    constexpr std::size_t kGuard = 256;  // of fill before the view, at least
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t held = (kGuard + offset + size + 63) / 64 * 64, inner = (held + page - 1) / page * page;
    map_bytes_ = inner + 2 * page;
    map_ = mmap(nullptr, map_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map_ == MAP_FAILED) throw std::bad_alloc();
    auto* first = static_cast<std::byte*>(map_) + page;
    mprotect(map_, page, PROT_NONE);
    mprotect(first + inner, page, PROT_NONE);
    bytes = {first, inner};
    std::fill(bytes.begin(), bytes.end(), std::byte{0xff});  // 0xff...: NaN as a float
    base = first + (inner - held) + kGuard + offset;
  }

  std::span<std::byte> bytes;
  std::byte* base = nullptr;

 private:
  void* map_ = nullptr;
  std::size_t map_bytes_ = 0;
};

/// Strides without gaps, axes in the given order, the innermost first.
void lay_out_ordered(TensorView& v, const int* order) {
  std::int64_t stride = 1;
  for (int i = 0; i < v.shape.rank; ++i) {
    v.stride[order[i]] = stride;
    stride *= v.shape[order[i]];
  }
}

void shuffled_axes(int rank, std::mt19937& rng, int* order) {
  for (int i = 0; i < rank; ++i) order[i] = i;
  for (int i = rank - 1; i > 0; --i) std::swap(order[i], order[rng() % static_cast<unsigned>(i + 1)]);
}

/// Strides of `shape` for a port, with random gaps. Returns the elements that the view spans.
std::int64_t lay_out(TensorView& v, Port port, std::mt19937& rng) {
  const Shape& s = v.shape;
  const auto gap = [&](int most) { return static_cast<std::int64_t>(rng() % static_cast<unsigned>(most + 1)); };
  v.set_dense();
  if (s.rank == 0 || is_block_encoding(v.dtype)) return s.numel();
  if (port == Port::channels_last && s.rank >= 2) {
    std::int64_t pitch = s[1] + (rng() % 2 ? gap(7) : 0);
    v.stride[1] = 1;
    for (int i = s.rank - 1; i >= 0; --i) {
      if (i == 1) continue;
      v.stride[i] = pitch;
      pitch *= s[i];
    }
  } else if (port == Port::rows) {
    std::int64_t stride = s[s.rank - 1] + (rng() % 2 ? gap(5) : 0);
    for (int i = s.rank - 2; i >= 0; --i) {
      v.stride[i] = stride;
      stride = stride * s[i] + (rng() % 2 ? gap(5) : 0);
    }
  } else if (port == Port::strided) {
    int order[kMaxRank];
    shuffled_axes(s.rank, rng, order);
    std::int64_t stride = 1 + gap(1);
    for (int i = 0; i < s.rank; ++i) {
      v.stride[order[i]] = stride;
      stride = stride * s[order[i]] + gap(2);
    }
  }
  std::int64_t last = 0;
  for (int i = 0; i < s.rank; ++i) last += (s[i] - 1) * v.stride[i];
  return s.numel() == 0 ? 0 : last + 1;
}

void lay_out_blocked(TensorView& v, Layout layout) {
  v.layout = layout;
  const std::int64_t block = block_of(layout);
  std::int64_t stride = block;
  for (int i = v.shape.rank - 1; i >= 2; --i) {
    v.stride[i] = stride;
    stride *= v.shape[i];
  }
  v.stride[1] = stride;
  v.stride[0] = stride * ((v.shape[1] + block - 1) / block);
}

/// How all uniform operands of a run lie.
struct UniformForm {
  Port port = Port::dense;  ///< dense, channels_last, blocked8, blocked16; uniform: axes in `order`
  int order[kMaxRank] = {};
};
UniformForm uniform_form(Port wanted, const Shape& s, std::mt19937& rng) {
  UniformForm form{wanted, {}};
  shuffled_axes(s.rank, rng, form.order);
  if (wanted != Port::uniform) return form;
  const auto whole = [&](std::int64_t block) { return s.rank >= 2 && s[1] % block == 0; };
  const unsigned draw = rng() % 4;
  if (draw == 0) form.port = Port::dense;
  if (draw == 1 && whole(8)) form.port = Port::blocked8;
  if (draw == 2 && whole(16)) form.port = Port::blocked16;
  return form;
}

/// f(dense index, index in the view's storage) for every element.
template <typename F>
void each_element(const TensorView& v, F&& f) {
  const std::int64_t n = v.shape.numel();
  const std::int64_t block = block_of(v.layout);
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t rest = i, at = 0;
    for (int axis = v.shape.rank - 1; axis >= 0; --axis) {
      const std::int64_t x = rest % v.shape[axis];
      rest /= v.shape[axis];
      at += block > 1 && axis == 1 ? x / block * v.stride[1] + x % block : x * v.stride[axis];
    }
    f(i, at);
  }
}

void copy_element(DType dtype, void* to, std::int64_t to_index, const void* from, std::int64_t from_index) {
  const int bits = dtype_bits(dtype);
  if (bits >= 8) {
    const auto size = static_cast<std::size_t>(bits / 8);
    std::memcpy(static_cast<std::byte*>(to) + static_cast<std::size_t>(to_index) * size,
                static_cast<const std::byte*>(from) + static_cast<std::size_t>(from_index) * size, size);
  } else {
    element_access(dtype).store_int(to, to_index, element_access(dtype).load_int(from, from_index));
  }
}

/// Gap-free, dense or channels last.
void lay_out_whole(TensorView& v, Port port) {
  int order[kMaxRank];
  for (int i = 0; i < v.shape.rank; ++i) order[i] = v.shape.rank - 1 - i;
  if (port == Port::channels_last && v.shape.rank >= 3)
    std::rotate(order, order + v.shape.rank - 2, order + v.shape.rank - 1);
  lay_out_ordered(v, order);
}

/// The device that kernels of another one than the host are run on; opened once. Throws Error where there is none.
backend::Device& device_of(const Kernel& kernel) {
  static std::map<DeviceKind, std::shared_ptr<backend::Device>> open;
  std::shared_ptr<backend::Device>& device = open[kernel.device];
  if (device == nullptr) device = backend::open_device(kernel.device);
  return *device;
}

/// Memory of a device that holds what a buffer of the host does, at the same distance from a boundary of 64 bytes.
class Mirror {
 public:
  Mirror(backend::Device& device, Buffer& buffer) : buffer_(buffer) {
    const std::int64_t bytes = static_cast<std::int64_t>(buffer.bytes.size());
    memory_ = device.allocate(bytes + 64);
    const auto phase = reinterpret_cast<std::uintptr_t>(buffer.bytes.data()) % 64;
    first_ = memory_.data + phase;
  }
  std::byte* base() const { return buffer_.base == nullptr ? nullptr : first_ + (buffer_.base - buffer_.bytes.data()); }
  Status send(backend::Queue& queue) const {
    return queue.copy(first_, buffer_.bytes.data(), static_cast<std::int64_t>(buffer_.bytes.size()),
                      backend::Queue::Direction::to_device);
  }
  Status fetch(backend::Queue& queue) const {
    return queue.copy(buffer_.bytes.data(), first_, static_cast<std::int64_t>(buffer_.bytes.size()),
                      backend::Queue::Direction::to_host);
  }

 private:
  Buffer& buffer_;
  backend::DeviceMemory memory_;
  std::byte* first_ = nullptr;
};

/// Runs the kernel with its views' memory, and the scratch memory, on its device.
Status run_there(const Kernel& kernel, KernelContext context, std::vector<Buffer>& in, std::vector<Buffer>& out,
                 Buffer& scratch) {
  backend::Device& device = device_of(kernel);
  const std::unique_ptr<backend::Queue> queue =
      device.make_queue({.most_operands = context.in_count + context.out_count});
  std::vector<TensorView> views(context.in, context.in + context.in_count);
  views.insert(views.end(), context.out, context.out + context.out_count);
  std::vector<std::unique_ptr<Mirror>> mirrors;
  std::size_t next = 0;
  for (std::vector<Buffer>* buffers : {&in, &out})
    for (Buffer& buffer : *buffers) {
      TensorView& view = views[next++];
      if (buffer.base == nullptr) continue;
      mirrors.push_back(std::make_unique<Mirror>(device, buffer));
      (void)mirrors.back()->send(*queue);
      view.data = mirrors.back()->base();
    }
  mirrors.push_back(std::make_unique<Mirror>(device, scratch));
  (void)mirrors.back()->send(*queue);
  context.scratch = mirrors.back()->base();
  context.in = views.data();
  context.out = views.data() + context.in_count;
  (void)queue->launch(kernel, context, 0);
  const Status status = queue->synchronise();
  for (const auto& mirror : mirrors) (void)mirror->fetch(*queue);
  const Status fetched = queue->synchronise();
  return status ? fetched : status;
}

/// Sets the padding of blocks to the fill of memory; false if it was not zero. The elements are the fill already.
bool clear_padding(const TensorView& v, std::byte* data) {
  const auto size = static_cast<std::size_t>(dtype_bits(v.dtype) / 8);
  const std::size_t bytes = static_cast<std::size_t>(storage_bytes(v.dtype, v.shape, v.layout));
  std::vector<bool> element(bytes / size, false);
  each_element(v, [&](std::int64_t, std::int64_t at) { element[static_cast<std::size_t>(at)] = true; });
  bool zero = true;
  for (std::size_t i = 0; i < bytes; ++i) {
    zero = zero && (element[i / size] || data[i] == std::byte{0});
    data[i] = std::byte{0xff};
  }
  return zero;
}

}  // namespace

Tensor make_tensor(DType dtype, const Shape& shape) {
  Tensor t{dtype, shape, {}, false};
  t.bytes.resize(static_cast<std::size_t>(storage_bytes(dtype, shape)));
  return t;
}

Tensor converted(const Tensor& t, DType dtype) {
  Tensor to = make_tensor(dtype, t.shape);
  to.constant = t.constant;
  const ElementAccess &from = element_access(t.dtype), &into = element_access(dtype);
  for (std::int64_t i = 0; i < t.shape.numel(); ++i) {
    const double v = from.load(t.bytes.data(), i);
    if (is_float(dtype)) into.store(to.bytes.data(), i, v);
    else into.store_int(to.bytes.data(), i, std::isfinite(v) ? std::llrint(v) : 0);
  }
  return to;
}

Tensor random_f32(const Shape& shape, std::mt19937& rng, float low, float high) {
  Tensor t = make_tensor(DType::f32, shape);
  std::uniform_real_distribution<float> value(low, high);
  for (std::int64_t i = 0; i < shape.numel(); ++i) t.as<float>()[i] = value(rng);
  return t;
}

Tensor random_blocks(DType dtype, std::int64_t rows, std::int64_t k, std::mt19937& rng, std::vector<float>& dense) {
  const BlockEncoding& encoding = block_encoding(dtype);
  Tensor t = make_tensor(dtype, Shape{rows, k});
  t.constant = true;
  const std::int64_t blocks = (k + encoding.elements - 1) / encoding.elements;
  std::vector<float> block(kMostBlockElements);
  for (std::int64_t b = 0; b < rows * blocks; ++b) {
    std::byte* at = t.bytes.data() + b * encoding.bytes;
    do {
      for (int i = 0; i < encoding.bytes; ++i) at[i] = static_cast<std::byte>(rng());
      encoding.decode(at, block.data());
    } while (!std::all_of(block.begin(), block.begin() + encoding.elements,
                          [](float x) { return std::fabs(x) < 1000; }));  // scales are any bits, too
    const std::int64_t n = std::min<std::int64_t>(encoding.elements, k - b % blocks * encoding.elements);
    dense.insert(dense.end(), block.begin(), block.begin() + n);
  }
  return t;
}

void sprinkle(Tensor& t, std::mt19937& rng, int one_in, bool extremes) {
  using Limits = std::numeric_limits<float>;
  const double special[] = {
      NAN,           INFINITY,         -INFINITY,    0.0, -0.0, 1e-40, -1e-40, Limits::denorm_min(),
      Limits::max(), Limits::lowest(), Limits::min()};
  const std::size_t count = std::size(special) - (extremes ? 0 : 3);
  for (std::int64_t i = 0; i < t.shape.numel(); ++i)
    if (rng() % static_cast<unsigned>(one_in) == 0)
      element_access(t.dtype).store(t.bytes.data(), i, special[rng() % count]);
}

std::string lacking(const Kernel& kernel) {
  if (!covers(cpu_info().isa, kernel.needs)) return "this CPU lacks " + isa_name(kernel.needs);
  if (kernel.device == DeviceKind::cpu) return "";
  try {
    return device_of(kernel).missing(kernel);
  } catch (const Error& e) {
    return e.fact();
  }
}

namespace {
/// Whether the kernel packs the same when the parameters from OperatorCheck::epilogue_at on are other bytes.
bool packs_without_epilogue(const Kernel& kernel, const Packing& packing, KernelQuery query) {
  const OperatorCheck* check = find_check(kernel.op);
  if (check == nullptr || check->epilogue_at == 0) return true;
  const std::size_t bytes = packing.bytes(query),
                    room = bytes / 64 + 1;  // at least a line: what packs to nothing has an address, too
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  const auto pack = [&] {
    std::vector<Line> packed(room);
    packing.pack(query, packed.data()->bytes);
    return packed;
  };
  const std::vector<Line> want = pack();
  alignas(64) std::byte other[plan::kParamsRoom];
  std::memset(other, 0x5a, sizeof other);
  std::memcpy(other, query.params, check->epilogue_at);
  query.params = other;
  if (packing.bytes(query) != bytes) return false;
  const std::vector<Line> got = pack();
  return std::memcmp(got.data(), want.data(), bytes) == 0;
}
}  // namespace

KernelRun run_kernel(const Kernel& kernel, const void* params, const std::vector<Tensor>& inputs,
                     const std::vector<std::pair<DType, Shape>>& outputs, const KernelRunOptions& options) {
  std::mt19937 rng(options.seed);
  KernelRun result;
  if (std::string lacks = lacking(kernel); !lacks.empty()) {
    result.refusal = std::move(lacks);
    return result;
  }
  const int in_count = static_cast<int>(inputs.size()), out_count = static_cast<int>(outputs.size());
  const auto packing_of = [&](int input) -> const Packing* {
    for (int i = 0; i < kernel.packing_count; ++i)
      if (kernel.packings[i].input == input) return &kernel.packings[i];
    return nullptr;
  };
  // A packed constant is described by its dense elements.
  const auto asked = [](Port port) { return port == Port::packed ? Layout::strided : layout_of(port); };

  std::vector<OperandDesc> in_desc(inputs.size()), out_desc(outputs.size());
  for (int i = 0; i < in_count; ++i) {
    const Tensor& t = inputs[static_cast<std::size_t>(i)];
    auto& d = in_desc[static_cast<std::size_t>(i)];
    d = {.dtype = t.dtype, .layout = asked(kernel.in[i]), .constant = t.constant, .shape = t.shape};
    if (t.constant) d.data = t.bytes.data();
  }
  for (int i = 0; i < out_count; ++i) {
    const auto& o = outputs[static_cast<std::size_t>(i)];
    out_desc[static_cast<std::size_t>(i)] = {.dtype = o.first, .layout = asked(kernel.out[i]), .shape = o.second};
  }
  const KernelQuery query{.params = params,
                          .in = in_desc.data(),
                          .in_count = in_count,
                          .out = out_desc.data(),
                          .out_count = out_count,
                          .threads = options.threads};
  if (kernel.accepts != nullptr)
    if (Refusal r = kernel.accepts(query)) {
      result.refusal = r;
      return result;
    }

  std::vector<Buffer> in_buffer(inputs.size()), out_buffer(outputs.size());
  std::vector<TensorView> in_view(inputs.size()), out_view(outputs.size());
  const auto offset_of = [&](DType dtype) {
    const int bytes = dtype_bits(dtype) / 8;
    return bytes > 0 && rng() % 2 ? static_cast<std::size_t>(bytes) * (rng() % 5) : std::size_t{0};
  };
  std::optional<UniformForm> uniform;
  const auto place = [&](TensorView& v, Buffer& buffer, Port port) {
    const bool ordered = port == Port::uniform, whole = options.whole && port == Port::strided;
    if (whole) port = Port::dense;
    if (ordered) {
      if (!uniform) uniform = uniform_form(options.uniform, v.shape, rng);
      port = uniform->port;
    }
    if (const Layout layout = layout_of(port); layout != Layout::strided) {
      lay_out_blocked(v, layout);
      buffer.reserve(static_cast<std::size_t>(storage_bytes(v.dtype, v.shape, v.layout)), 0);
    } else {
      std::int64_t span = v.shape.numel();
      if (!ordered) span = lay_out(v, port, rng);
      else if (port == Port::uniform) lay_out_ordered(v, uniform->order);
      else lay_out_whole(v, port);
      const std::int64_t bytes =
          is_block_encoding(v.dtype) ? storage_bytes(v.dtype, v.shape) : storage_bytes(v.dtype, Shape{span});
      buffer.reserve(static_cast<std::size_t>(bytes), whole ? 0 : offset_of(v.dtype));
    }
    v.data = buffer.base;
  };
  for (int i = 0; i < in_count; ++i) {
    const Tensor& t = inputs[static_cast<std::size_t>(i)];
    TensorView& v = in_view[static_cast<std::size_t>(i)];
    if (t.dtype == DType::invalid) continue;
    v.dtype = t.dtype;
    v.shape = t.shape;
    Buffer& buffer = in_buffer[static_cast<std::size_t>(i)];
    if (kernel.in[i] == Port::packed && t.constant) {
      const Packing* packing = packing_of(i);
      if (packing == nullptr) {
        result.problem = "a packed port without a packing";
        return result;
      }
      const std::size_t bytes = packing->bytes(query);
      buffer.reserve(bytes, 0);
      packing->pack(query, buffer.base);
      if (!packs_without_epilogue(kernel, *packing, query))
        result.problem = "packing looks at parameters that say what is done to the result";
      if (const PackedFormat* format = packing->format) {
        if (format->bytes(query, i) != bytes) result.problem = "the packed format has another size";
        std::vector<std::byte> dense(t.bytes.size());
        format->unpack(query, i, buffer.base, dense.data());
        if (dense != t.bytes) result.problem = "unpacking does not give the constant back";
      }
      v.layout = Layout::packed;
      v.data = buffer.base;
      continue;
    }
    place(v, buffer, kernel.in[i]);
    if (is_block_encoding(v.dtype)) {
      std::copy(t.bytes.begin(), t.bytes.end(), static_cast<std::byte*>(v.data));
    } else {
      each_element(
          v, [&](std::int64_t dense, std::int64_t at) { copy_element(v.dtype, v.data, at, t.bytes.data(), dense); });
    }
  }
  for (int i = 0; i < out_count; ++i) {
    TensorView& v = out_view[static_cast<std::size_t>(i)];
    v.dtype = outputs[static_cast<std::size_t>(i)].first;
    v.shape = outputs[static_cast<std::size_t>(i)].second;
    place(v, out_buffer[static_cast<std::size_t>(i)], kernel.out[i]);
  }

  Buffer scratch;
  const std::size_t scratch_bytes = kernel.scratch_bytes != nullptr ? kernel.scratch_bytes(query) : 0;
  scratch.reserve(scratch_bytes, 0);
  Team pool({.threads = options.threads});
  const KernelContext context{.params = params,
                              .in = in_view.data(),
                              .in_count = in_count,
                              .out = out_view.data(),
                              .out_count = out_count,
                              .scratch = scratch.base,
                              .parallel = &pool};
  const Status status = kernel.device == DeviceKind::cpu ? kernel.run(context)
                                                         : run_there(kernel, context, in_buffer, out_buffer, scratch);
  if (!status.ok()) result.problem = status.message();
  for (const std::byte* p = scratch.base + scratch_bytes; p < scratch.bytes.data() + scratch.bytes.size(); ++p)
    if (*p != std::byte{0xff}) result.problem = "bytes after the scratch memory were written";
  for (int i = 0; i < out_count; ++i) {
    const TensorView& v = out_view[static_cast<std::size_t>(i)];
    Buffer& buffer = out_buffer[static_cast<std::size_t>(i)];
    Tensor t = make_tensor(v.dtype, v.shape);
    each_element(
        v, [&](std::int64_t dense, std::int64_t at) { copy_element(v.dtype, t.bytes.data(), dense, v.data, at); });
    result.outputs.push_back(std::move(t));
    if (dtype_bits(v.dtype) < 8) continue;
    // Blank the elements; all that is left must still be the fill.
    const auto size = static_cast<std::size_t>(dtype_bits(v.dtype) / 8);
    each_element(v, [&](std::int64_t, std::int64_t at) {
      std::memset(buffer.base + static_cast<std::size_t>(at) * size, 0xff, size);
    });
    if (v.layout != Layout::strided && !clear_padding(v, buffer.base))
      result.problem = "the padding of a block is not zero";
    for (std::byte b : buffer.bytes)
      if (b != std::byte{0xff}) result.problem = "bytes outside of an output's elements were written";
  }
  return result;
}

double relative_error(const Tensor& a, const Tensor& b) {
  double most = 0, error = 0;
  for (std::int64_t i = 0; i < b.shape.numel(); ++i) {
    const double x = element_access(a.dtype).load(a.bytes.data(), i),
                 y = element_access(b.dtype).load(b.bytes.data(), i);
    if (std::isnan(x) != std::isnan(y)) return INFINITY;
    if (std::isnan(x) || x == y) continue;
    if (std::isinf(x) || std::isinf(y)) return INFINITY;
    error = std::max(error, std::abs(x - y));
  }
  for (std::int64_t i = 0; i < b.shape.numel(); ++i) {
    const double y = std::abs(element_access(b.dtype).load(b.bytes.data(), i));
    if (std::isfinite(y)) most = std::max(most, y);
  }
  return error == 0 ? 0 : error / std::max(most, 1e-30);
}

std::string difference(const Tensor& a, const Tensor& b, double relative, double absolute) {
  for (std::int64_t i = 0; i < b.shape.numel(); ++i) {
    const double x = a.as<float>()[i], y = b.as<float>()[i];
    const bool same = std::isnan(y)   ? std::isnan(x)
                      : std::isinf(y) ? x == y
                                      : std::fabs(x - y) <= relative * std::fabs(y) + absolute;
    if (!same) return "element " + std::to_string(i) + " is " + std::to_string(x) + ", not " + std::to_string(y);
  }
  return "";
}

}  // namespace monza::test
