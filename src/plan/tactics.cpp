#include "plan/tactics.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <span>
#include <vector>

#include "base/constraint.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/printable.h"
#include "kernel/check.h"
#include "kernel/ports.h"
#include "memory/region.h"
#include "plan/options.h"
#include "tensor/dtype.h"
#include "tensor/float_convert.h"
#include "tensor/storage.h"

namespace monza::plan {
namespace {

constexpr std::string_view kTitle = "monza timings ", kHeader = "monza timings 1\n";
using Clock = std::chrono::steady_clock;

/// Random but tame: floats in [-1, 1), bytes anywhere, wider integers 0 or 1 (they may be indices).
void fill_random(DType dtype, std::byte* data, std::int64_t bytes) {
  // Large operands repeat their first part: drawing numbers would take longer than what is timed.
  constexpr std::int64_t kPart = 1 << 20;
  if (bytes > kPart) {
    fill_random(dtype, data, kPart);
    for (std::int64_t at = kPart; at < bytes; at += kPart)
      std::memcpy(data + at, data, static_cast<std::size_t>(std::min(kPart, bytes - at)));
    return;
  }
  std::uint32_t state = 0x12345u;
  const auto next = [&] { return state = state * 1664525u + 1013904223u; };
  const auto unit = [&] { return static_cast<float>(next() >> 8) * 0x1p-23f - 1.f; };
  const int bits = dtype_bits(dtype);
  switch (dtype) {
    case DType::f32:
      for (std::int64_t i = 0; i < bytes / 4; ++i) reinterpret_cast<float*>(data)[i] = unit();
      return;
    case DType::f64:
      for (std::int64_t i = 0; i < bytes / 8; ++i) reinterpret_cast<double*>(data)[i] = unit();
      return;
    case DType::f16:
      for (std::int64_t i = 0; i < bytes / 2; ++i) reinterpret_cast<std::uint16_t*>(data)[i] = f32_to_f16(unit());
      return;
    case DType::bf16:
      for (std::int64_t i = 0; i < bytes / 2; ++i) reinterpret_cast<std::uint16_t*>(data)[i] = f32_to_bf16(unit());
      return;
    default: break;
  }
  if (dtype == DType::boolean || bits > 8) {
    std::memset(data, 0, static_cast<std::size_t>(bytes));
    const int size = std::max(1, bits / 8);
    for (std::int64_t i = 0; i < bytes / size; ++i) data[i * size] = std::byte(next() >> 31);
    return;
  }
  for (std::int64_t i = 0; i < bytes; ++i) data[i] = std::byte(next() >> 24);
}

/// A view of fresh memory as `port` wants it.
TensorView view_for(const OperandDesc& d, Port port, std::byte* data) {
  TensorView v = dense_view(data, d.dtype, d.shape);
  if (port == Port::channels_last && d.shape.rank >= 3) {
    std::int64_t s = d.shape[1];
    v.stride[1] = 1;
    for (int i = d.shape.rank - 1; i >= 2; --i) {
      v.stride[i] = s;
      s *= d.shape[i];
    }
    v.stride[0] = s;
  } else if (port == Port::blocked8 || port == Port::blocked16) {
    const std::int64_t block = port == Port::blocked8 ? 8 : 16;
    v.layout = port == Port::blocked8 ? Layout::blocked8 : Layout::blocked16;
    std::int64_t s = block;
    for (int i = d.shape.rank - 1; i >= 2; --i) {
      v.stride[i] = s;
      s *= d.shape[i];
    }
    v.stride[1] = s;
    v.stride[0] = s * ((d.shape[1] + block - 1) / block);
  }
  return v;
}

double operand_bytes(const KernelQuery& query) {
  double bits = 0;
  const auto add = [&](const OperandDesc& d) {
    double elements = 1;
    for (int a = 0; a < d.shape.rank; ++a) elements *= static_cast<double>(d.shape[a]);
    if (d.present()) bits += elements * dtype_bits(d.dtype);
  };
  for (int i = 0; i < query.in_count; ++i) add(query.in[i]);
  for (int i = 0; i < query.out_count; ++i) add(query.out[i]);
  return bits / 8;
}

/// Moves operands from memory of the host, a region each in their order, to memory of the device. Constants are there
/// `turns` times; `copies[t]` are the inputs of turn t.
bool send(backend::Device& device, std::vector<TensorView>& in, std::vector<TensorView>& out,
          const std::vector<monza::Region>& from, const KernelQuery& query, int turns,
          std::vector<std::vector<TensorView>>& copies, std::vector<backend::DeviceMemory>& to) {
  const std::unique_ptr<backend::Queue> queue = device.make_queue({});
  std::size_t next = 0;
  copies.assign(static_cast<std::size_t>(turns), in);
  std::int64_t apart = 0;  // bytes from one turn's constant to the next; kernels may ask how addresses are aligned
  const auto put = [&](std::int64_t times) {
    const monza::Region& here = from[next++];
    apart = times > 1 ? (here.bytes() + 255) / 256 * 256 : 0;
    to.push_back(device.allocate(here.bytes() + apart * (times - 1)));
    std::byte* const there = to.back().data;
    (void)queue->copy(there, here.data(), here.bytes(), backend::Queue::Direction::to_device);
    for (std::int64_t t = 1; t < times; ++t)
      (void)queue->copy(there + t * apart, there, here.bytes(), backend::Queue::Direction::on_device);
    return there;
  };
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i].data == nullptr) continue;
    std::byte* const there = put(query.in[i].constant ? turns : 1);
    for (std::size_t t = 0; t < copies.size(); ++t) copies[t][i].data = there + static_cast<std::int64_t>(t) * apart;
  }
  for (TensorView& v : out)
    if (v.data != nullptr) v.data = put(1);
  return queue->synchronise().ok();
}

/// Microseconds of one copy: the least of some.
double measure_transfer(backend::Device& device, bool to_device, std::int64_t bytes) {
  const backend::DeviceMemory there = device.allocate(std::max<std::int64_t>(bytes, 64));
  const monza::Region here(std::max<std::int64_t>(bytes, 64));
  const std::unique_ptr<backend::Queue> queue = device.make_queue({});
  const auto direction = to_device ? backend::Queue::Direction::to_device : backend::Queue::Direction::to_host;
  double best = 0;
  constexpr int kRuns = 5;
  for (int run = 0; run < kRuns; ++run) {
    const auto begin = Clock::now();
    if (!queue->copy(to_device ? there.data : here.data(), to_device ? here.data() : there.data, bytes, direction) ||
        !queue->synchronise())
      return 0;
    const double us = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
    if (run > 0 && (best == 0 || us < best)) best = us;
  }
  return best;
}

}  // namespace

Tactics::Tactics(const BuildOptions& options)
    : threads_(threads_of(options)),
      asked_cache_(options.timing_cache),
      max_bytes_(options.limits.timing_bytes),
      seed_(options.tactic_seed),
      cache_file_(seed_ ? "" : asked_cache_),
      max_seconds_(options.max_build_seconds),
      team_(ThreadPool::Options{.threads = seed_ ? 1 : threads_}),
      start_(Clock::now()) {
  if (!cache_file_.empty() && std::filesystem::exists(cache_file_)) read_cache();
}

bool Tactics::serves(const BuildOptions& options) const {
  return threads_ == threads_of(options) && asked_cache_ == options.timing_cache &&
         max_bytes_ == options.limits.timing_bytes && seed_ == options.tactic_seed;
}

Tactics::OpenDevice& Tactics::open(DeviceKind kind) {
  const auto [it, added] = devices_.try_emplace(kind);
  if (!added) return it->second;
  it->second.device = backend::open_device(kind);
  if (!seed_) it->second.identity = it->second.device->identity(threads_);
  else it->second.identity = fmt::format("seed {}", *seed_) + (kind == DeviceKind::cpu ? "" : device_name(kind));
  return it->second;
}

void Tactics::restart(double max_seconds) {
  max_seconds_ = max_seconds;
  start_ = Clock::now();
  measured_ = cached_ = over_budget_ = 0;
}

Tactics::~Tactics() {
  if (cache_ >= 0) ::close(cache_);
}

void Tactics::refuse_cache() const {
  fail_hint("the name of a timing cache, or one that no file has yet",
            "'{}' is no timing cache, so nothing is written to it", printable(cache_file_));
}

void Tactics::read_cache() {
  // A pipe or a device has no end, and nothing can be read back from it.
  if (!std::filesystem::is_regular_file(cache_file_)) refuse_cache();
  std::shared_ptr<const MappedFile> file;
  try {
    // 200 000 timings: more than a machine gathers in years, and a fraction of what a build takes.
    constexpr std::size_t kMostBytes = static_cast<std::size_t>(32) << 20;
    file = MappedFile::open(cache_file_, kMostBytes);
  } catch (const Error& e) {
    log(LogLevel::warning, "timing cache is ignored: {}", e.what());
    cache_file_.clear();  // what cannot be read may be anything: nothing is appended to it
    return;
  }
  std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  outdated_ = !text.starts_with(kHeader);
  if (outdated_) {
    // An empty file, the begin of a header that a kill cut short, or timings of another version: all else is
    // somebody's.
    if (!kHeader.starts_with(text) && !text.starts_with(kTitle)) refuse_cache();
    if (text.starts_with(kTitle) && text.size() > kTitle.size())
      log(LogLevel::warning, "timing cache '{}' is of another version and is made anew", cache_file_);
    return;
  }
  text.remove_prefix(kHeader.size());
  // A last line without its end was cut short by a kill: its key may be a part of another's.
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::size_t space = line.find(' ');
    double us = 0;
    constexpr std::size_t kLeastKey = 32;  // shorter ones are no keys, and cost more to keep than to write
    if (space == std::string_view::npos || line.size() - space <= kLeastKey) continue;
    const auto [p, error] = std::from_chars(line.data(), line.data() + space, us);
    // Of two builds at once that timed the same, the first counts: later builds agree.
    if (error == std::errc() && p == line.data() + space && us >= 0)
      times_.emplace(std::string(line.substr(space + 1)), us);
  }
  new_line_ = !text.empty();
}

/// Opens the cache for appending; what must come before the first line.
std::string Tactics::open_cache() {
  cache_ = ::open(cache_file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
  struct stat st{};
  if (cache_ < 0 || ::fstat(cache_, &st) != 0) return {};
  if (outdated_ && st.st_size > 0 && ::ftruncate(cache_, 0) == 0) st.st_size = 0;
  // Another build may have begun the file in the meantime.
  if (st.st_size == 0) return std::string(kHeader);
  return new_line_ ? "\n" : "";
}

/// One write a line, at the end of the file, so that builds which share a cache do not mix their lines.
void Tactics::append(const std::string& line) {
  if (cache_file_.empty()) return;
  const std::string text = (cache_ < 0 ? open_cache() : std::string()) + line;
  if (cache_ >= 0 && ::write(cache_, text.data(), text.size()) == static_cast<ssize_t>(text.size())) return;
  log(LogLevel::warning, "timings are not saved: cannot write '{}': {}", cache_file_, std::strerror(errno));
  cache_file_.clear();
}

std::string Tactics::key(const Kernel& kernel, const KernelQuery& query, const std::string& identity) const {
  std::string key = fmt::format("{}/{} {}", kernel.name, kernel.version, identity);
  const auto add = [&](const OperandDesc& d, bool out) {
    key += fmt::format(" {}{}:{}{}", out ? ">" : "", dtype_name(d.dtype), to_string(d.shape), d.constant ? "c" : "");
    if (d.layout != Layout::strided) key += fmt::format("/{}", static_cast<int>(d.layout));
  };
  for (int i = 0; i < query.in_count; ++i) add(query.in[i], false);
  for (int i = 0; i < query.out_count; ++i) add(query.out[i], true);
  return key;
}

/// From 1 to 1000 us, each power of ten as likely; one question of 16 goes without an answer.
std::optional<double> Tactics::draw(const std::string& key) const {
  const std::uint64_t bits = hash64(key);
  if (bits % 16 == 0) return std::nullopt;
  return std::pow(10.0, static_cast<double>(bits >> 32) * 0x1p-32 * 3);
}

std::optional<double> Tactics::time(const Kernel& kernel, const KernelQuery& query, DeviceKind device) {
  return time(kernel, query, device, kernel.in, kernel.out);
}

std::optional<double> Tactics::time(const Kernel& kernel, const KernelQuery& query, DeviceKind kind, const Ports& in,
                                    const Ports& out) {
  if (operand_bytes(query) > static_cast<double>(max_bytes_)) return std::nullopt;
  const auto& [device, identity] = open(kind);
  std::string k = key(kernel, query, identity) + fmt::format(" p{:016x}", query.params_hash);
  if (turns(query, *device) > 1) k += " afresh";
  if (&in != &kernel.in) k += fmt::format(" {}>{}", static_cast<int>(in[0]), static_cast<int>(out[0]));
  return look_up(std::move(k), [&, &on = *device] { return measure(kernel, query, on, in, out); });
}

template <typename F>
std::optional<double> Tactics::look_up(std::string key, F&& measure) {
  if (seed_) return draw(key);
  auto it = times_.find(key);
  if (it != times_.end()) {
    ++cached_;
  } else {
    const double spent = std::chrono::duration<double>(Clock::now() - start_).count();
    if (max_seconds_ > 0 && spent > max_seconds_) {
      ++over_budget_;
      return std::nullopt;
    }
    // As it will be read back: a build from the cache must decide as this one does.
    const std::string text = fmt::format("{:.4g}", measure());
    double us = 0;
    std::from_chars(text.data(), text.data() + text.size(), us);
    append(text + " " + key + "\n");
    it = times_.emplace(std::move(key), us).first;
    ++measured_;
  }
  return it->second > 0 ? std::optional(it->second) : std::nullopt;
}

double Tactics::transfer_us(DeviceKind kind, bool to_device, DType dtype, const Shape& shape) {
  const auto& [device, identity] = open(kind);
  const std::int64_t bytes = storage_bytes(dtype, shape);
  const std::string k = fmt::format("transfer/1 {} {} {} bytes", identity, to_device ? "to device" : "to host", bytes);
  if (bytes <= max_bytes_)
    if (const auto us = look_up(k, [&, &on = *device] { return measure_transfer(on, to_device, bytes); })) return *us;
  // About what a bus gives, and what it takes to say so.
  constexpr double kStartUs = 10, kBytesPerUs = 10'000;
  return kStartUs + static_cast<double>(bytes) / kBytesPerUs;
}

double Tactics::conversion_us(const Kernel& copy, DeviceKind device, DType dtype, const Shape& shape, Port from,
                              Port to) {
  OperandDesc in, out;
  in.dtype = out.dtype = dtype;
  in.shape = out.shape = shape;
  in.layout = layout_of(from);
  out.layout = layout_of(to);
  KernelQuery query;
  query.in = &in;
  query.in_count = 1;
  query.out = &out;
  query.out_count = 1;
  query.threads = threads_;
  if (const auto us = time(copy, query, device, Ports{from}, Ports{to})) return *us;
  // Conversions read and write everything once, with steps on one side: a fraction of the memory's rate.
  constexpr double kBytesPerUs = 2000;
  return 1 + static_cast<double>(storage_bytes(dtype, shape)) / kBytesPerUs;
}

int Tactics::turns(const KernelQuery& query, const backend::Device& device) const {
  const std::int64_t cache = device.cache_bytes();
  if (cache == 0 || constant_bytes_ < cache) return 1;
  std::int64_t own = 0;
  for (int i = 0; i < query.in_count; ++i)
    if (query.in[i].present() && query.in[i].constant) own += storage_bytes(query.in[i].dtype, query.in[i].shape);
  // Small ones cost too little to matter, and would need many copies.
  constexpr std::int64_t kLeast = 256 << 10, kMostTurns = 256;
  return own < kLeast ? 1 : static_cast<int>(std::min(kMostTurns, 3 * cache / 2 / own + 1));
}

double Tactics::measure(const Kernel& kernel, const KernelQuery& query, backend::Device& device, const Ports& in_ports,
                        const Ports& out_ports) {
  std::vector<TensorView> in(static_cast<std::size_t>(query.in_count)), out(static_cast<std::size_t>(query.out_count));
  std::vector<monza::Region> memory;
  const auto allocate = [&](std::int64_t bytes) {
    memory.emplace_back(std::max<std::int64_t>(bytes, 64) + 64);
    return memory.back().data();
  };
  for (int i = 0; i < query.in_count; ++i) {
    const OperandDesc& d = query.in[i];
    if (!d.present() || d.dtype == DType::string) continue;
    const Packing* packing = nullptr;
    for (int p = 0; p < kernel.packing_count; ++p)
      if (kernel.packings[p].input == i && in_ports[i] == Port::packed) packing = &kernel.packings[p];
    if (packing != nullptr) {
      std::byte* data = allocate(static_cast<std::int64_t>(packing->bytes(query)));
      packing->pack(query, data);
      in[static_cast<std::size_t>(i)] = dense_view(data, d.dtype, d.shape);
      in[static_cast<std::size_t>(i)].layout = Layout::packed;
      continue;
    }
    const Layout layout = layout_of(in_ports[i]);
    const std::int64_t bytes = storage_bytes(d.dtype, d.shape, layout);
    std::byte* data = allocate(bytes);
    if (d.constant && layout == Layout::strided) std::memcpy(data, d.data, static_cast<std::size_t>(bytes));
    else fill_random(d.dtype, data, bytes);
    in[static_cast<std::size_t>(i)] = view_for(d, in_ports[i], data);
  }
  for (int i = 0; i < query.out_count; ++i) {
    const OperandDesc& d = query.out[i];
    if (!d.present() || d.dtype == DType::string) continue;
    const Layout layout = layout_of(out_ports[i]);
    out[static_cast<std::size_t>(i)] = view_for(d, out_ports[i], allocate(storage_bytes(d.dtype, d.shape, layout)));
  }
  std::int64_t extents[16] = {};
  // Extents that a run would refuse (largest ones need not fit each other) must not reach a kernel here either.
  const CheckContext operands{query.params, in.data(), query.in_count, out.data(), query.out_count};
  if (refuse_operands(kernel.op, operands) != nullptr) return 0;
  std::vector<backend::DeviceMemory> there;
  std::vector<std::vector<TensorView>> inputs{in};
  if (device.kind() != DeviceKind::cpu && !send(device, in, out, memory, query, turns(query, device), inputs, there))
    return 0;
  KernelContext context;
  context.params = query.params;
  context.in = inputs[0].data();
  context.in_count = query.in_count;
  context.out = out.data();
  context.out_count = query.out_count;
  context.parallel = &team_;
  context.extents = extents;
  const std::int64_t scratch = kernel.scratch_bytes ? static_cast<std::int64_t>(kernel.scratch_bytes(query)) : 0;
  if (scratch > 0) {
    there.push_back(device.allocate(scratch + 64));
    context.scratch = there.back().data;
  }
  std::vector<KernelContext> contexts(inputs.size(), context);
  for (std::size_t t = 0; t < contexts.size(); ++t) contexts[t].in = inputs[t].data();
  return device.time_in_turn(kernel, contexts).value_or(0);
}

}  // namespace monza::plan
