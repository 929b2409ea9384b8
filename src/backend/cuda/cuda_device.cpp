// The CUDA runtime library behind backend::Device. Kernels are launched by their own host code (Kernel::run), into the
// stream of their queue; the library loads the code of each the first time it is launched.
#include "backend/cuda/cuda_device.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "backend/cuda/cublaslt.h"
#include "backend/cuda/cudnn.h"
#include "backend/cuda/launch.h"
#include "base/error.h"

namespace monza::backend {
namespace {

constexpr int kLeastCapability = 80;

const char* text_of(cudaError_t error) { return cudaGetErrorString(error); }

/// For what sets up.
template <typename... Args>
void require(cudaError_t error, fmt::format_string<Shown<Args>...> what, const Args&... args) {
  if (error == cudaSuccess) return;
  (void)cudaGetLastError();
  fail("{}: {}", message(what, args...), text_of(error));
}

/// For what runs. A fault of a kernel stays with the process's context: every later call says so again.
Status status_of(cudaError_t error) noexcept {
  if (error == cudaSuccess) return {};
  (void)cudaGetLastError();
  return {error == cudaErrorMemoryAllocation ? StatusCode::resource_exhausted : StatusCode::unavailable,
          text_of(error)};
}

class CudaEvent final : public Event {
 public:
  CudaEvent() { require(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "an event cannot be made"); }
  ~CudaEvent() override { (void)cudaEventDestroy(event_); }
  Status wait() noexcept override { return status_of(cudaEventSynchronize(event_)); }
  cudaEvent_t get() const noexcept { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

/// An event that knows when it was reached.
class Stamp {
 public:
  Stamp() { require(cudaEventCreate(&event_), "an event cannot be made"); }
  ~Stamp() { (void)cudaEventDestroy(event_); }
  Stamp(const Stamp&) = delete;
  Stamp& operator=(const Stamp&) = delete;
  void record(cudaStream_t stream) const { (void)cudaEventRecord(event_, stream); }
  /// As a node of the graph that is being captured.
  void record_in_graph(cudaStream_t stream) const {
    (void)cudaEventRecordWithFlags(event_, stream, cudaEventRecordExternal);
  }
  double us_until(const Stamp& end) const {
    float ms = 0;
    (void)cudaEventElapsedTime(&ms, event_, end.event_);
    return static_cast<double>(ms) * 1e3;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

class CudaGraph final : public CapturedWork {
 public:
  CudaGraph(cudaGraphExec_t graph, bool overlaps) : graph_(graph), overlaps_(overlaps) {}
  ~CudaGraph() override { (void)cudaGraphExecDestroy(graph_); }
  cudaGraphExec_t get() const noexcept { return graph_; }
  /// Some kernel begins before the one before it has ended.
  bool overlaps() const noexcept { return overlaps_; }

 private:
  cudaGraphExec_t graph_;
  bool overlaps_;
};

bool has_programmatic_edges(cudaGraph_t graph) {
  std::size_t count = 0;
  if (cudaGraphGetEdges(graph, nullptr, nullptr, nullptr, &count) != cudaSuccess) return false;
  std::vector<cudaGraphNode_t> from(count), to(count);
  std::vector<cudaGraphEdgeData> edges(count);
  if (count == 0 || cudaGraphGetEdges(graph, from.data(), to.data(), edges.data(), &count) != cudaSuccess) return false;
  return std::any_of(edges.begin(), edges.end(),
                     [](const cudaGraphEdgeData& e) { return e.type == cudaGraphDependencyTypeProgrammatic; });
}

/// Streams are made once and used again, never destroyed: libraries remember the last one that they were given, and may
/// look at it when they are given another. Thread-safe.
class StreamPool {
 public:
  static StreamPool& all() {
    static StreamPool& pool = *new StreamPool;  // queues may outlive static objects
    return pool;
  }
  cudaStream_t take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        const cudaStream_t stream = free_.back();
        free_.pop_back();
        return stream;
      }
    }
    cudaStream_t stream = nullptr;
    require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream cannot be made");
    return stream;
  }
  /// Nothing is under way in it. One whose capture was never ended is of no use any more.
  void give(cudaStream_t stream) noexcept {
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    if (cudaStreamIsCapturing(stream, &capture) != cudaSuccess || capture != cudaStreamCaptureStatusNone) return;
    const std::lock_guard lock(mutex_);
    free_.push_back(stream);
  }

 private:
  std::mutex mutex_;
  std::vector<cudaStream_t> free_;
};

class CudaQueue final : public Queue {
 public:
  CudaQueue() : stream_(StreamPool::all().take()) {
    void* word = nullptr;
    const cudaError_t mapped = cudaHostAlloc(&word, sizeof(std::int32_t), cudaHostAllocMapped);
    if (mapped != cudaSuccess) StreamPool::all().give(stream_);
    require(mapped, "a word of pinned memory cannot be had");
    fault_ = static_cast<std::int32_t*>(word);
    *fault_ = 0;
    launch_ = {.stream = stream_, .fault = fault_};  // one address space: the host's pointer is the device's
  }
  ~CudaQueue() override {
    (void)cudaStreamSynchronize(stream_);
    StreamPool::all().give(stream_);
    (void)cudaFreeHost(fault_);
  }

  Status launch(const Kernel& kernel, const KernelContext& context, std::int32_t step) noexcept override {
    if (!status_) return {};
    KernelContext own = context;
    launch_.step = step;
    own.launch = &launch_;
    Status status = kernel.run(own);
    if (status) status = status_of(cudaPeekAtLastError());
    return note(status || status.step() >= 0 ? status : status.at_step(step));
  }
  /// In a graph, between two events of it: launched one after the other, the second event would wait for the host.
  Status launch_timed(const Kernel& kernel, const KernelContext& context, std::int32_t step,
                      double& us) noexcept override {
    try {
      const Stamp begin, end;
      begin_capture();
      begin.record_in_graph(stream_);
      (void)launch(kernel, context, step);
      end.record_in_graph(stream_);
      const std::unique_ptr<CapturedWork> work = end_capture();
      (void)replay(*work);
      const Status done = synchronise();
      us = begin.us_until(end);
      return done;
    } catch (const std::exception&) {  // what cannot be captured
      return Queue::launch_timed(kernel, context, step, us);
    }
  }
  Status copy(void* to, const void* from, std::int64_t bytes, Direction direction) noexcept override {
    if (!status_ || bytes == 0) return {};
    const auto kind = direction == Direction::to_host     ? cudaMemcpyDeviceToHost
                      : direction == Direction::to_device ? cudaMemcpyHostToDevice
                                                          : cudaMemcpyDeviceToDevice;
    return note(status_of(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), kind, stream_)));
  }
  Status record(Event& event) noexcept override {
    return note(status_of(cudaEventRecord(static_cast<CudaEvent&>(event).get(), stream_)));
  }
  Status wait(Event& event) noexcept override {
    auto* own = dynamic_cast<CudaEvent*>(&event);
    return own == nullptr ? event.wait() : note(status_of(cudaStreamWaitEvent(stream_, own->get())));
  }
  Status synchronise() noexcept override {
    const Status done = status_of(cudaStreamSynchronize(stream_));
    const Status first = std::exchange(status_, Status{});
    const std::int32_t fault = std::exchange(*fault_, 0);
    if (!first) return first;
    return done && fault != 0 ? status_of_fault(fault) : done;
  }

  void begin_capture() override {
    require(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeRelaxed), "a graph cannot be captured");
  }
  std::unique_ptr<CapturedWork> end_capture() override {
    cudaGraph_t graph = nullptr;
    const cudaError_t ended = cudaStreamEndCapture(stream_, &graph);
    if (const Status status = std::exchange(status_, Status{}); !status) {
      if (graph != nullptr) (void)cudaGraphDestroy(graph);
      fail("step {} cannot be captured: {}", status.step(), status.message());
    }
    require(ended, "a graph cannot be captured");
    cudaGraphExec_t ready = nullptr;
    const cudaError_t made = cudaGraphInstantiate(&ready, graph, 0);
    const bool overlaps = has_programmatic_edges(graph);
    (void)cudaGraphDestroy(graph);
    require(made, "a captured graph cannot be made ready");
    return std::make_unique<CudaGraph>(ready, overlaps);
  }
  Status replay(CapturedWork& work) noexcept override {
    return status_ ? note(status_of(cudaGraphLaunch(static_cast<CudaGraph&>(work).get(), stream_))) : Status{};
  }
  cudaStream_t stream() const noexcept { return stream_; }

 private:
  /// Failures are told by synchronise().
  Status note(Status status) noexcept {
    if (status_) status_ = status;
    return {};
  }

  cudaStream_t stream_ = nullptr;
  std::int32_t* fault_ = nullptr;  ///< pinned; kernels write it, synchronise() reads it
  CudaLaunch launch_;
  Status status_;
};

class CudaDevice final : public Device {
 public:
  DeviceKind kind() const noexcept override { return DeviceKind::cuda; }

  std::string identity(int) const override {
    const CudaFacts& f = cuda_facts();
    std::string identity = fmt::format("{} sm_{} {} multiprocessors, driver {}.{}", f.name, f.capability,
                                       f.multiprocessors, f.driver / 1000, f.driver % 1000 / 10);
    for (const LibraryFacts& l : cuda_libraries())
      if (l.missing.empty()) identity += fmt::format(", {} {}", l.name, l.version);
    return identity;
  }

  std::string chip() const override {
    const CudaFacts& f = cuda_facts();
    return fmt::format("{} with {} multiprocessors", f.name, f.multiprocessors);
  }

  /// Kernels that call a library bear its name.
  std::string missing(const Kernel& kernel) const override {
    const std::string_view name = kernel.name;
    const LibraryFacts* const needs = name.find("_cublaslt_") != name.npos ? &cublaslt_facts()
                                      : name.find("_cudnn_") != name.npos  ? &cudnn_facts()
                                                                           : nullptr;
    return needs == nullptr || needs->missing.empty() ? "" : message("{}: {}", needs->name, needs->missing);
  }

  DeviceMemory allocate(std::int64_t bytes, const RegionOptions&) override {
    void* data = nullptr;
    if (const cudaError_t error = cudaMalloc(&data, static_cast<std::size_t>(std::max<std::int64_t>(bytes, 256)));
        error != cudaSuccess) {
      (void)cudaGetLastError();
      std::size_t free = 0, total = 0;
      (void)cudaMemGetInfo(&free, &total);
      fail_hint("smaller shapes or batches (--shape), or stop what else uses this GPU (nvidia-smi lists it)",
                "the GPU gives no {} MiB of memory: {} of its {} MiB are free ({})", bytes >> 20, free >> 20,
                total >> 20, text_of(error));
    }
    return {static_cast<std::byte*>(data), bytes,
            std::shared_ptr<const void>(data, [](void* p) { (void)cudaFree(p); })};
  }

  /// Page-locked, so that the GPU reads and writes it itself: copies of pageable memory go by way of the driver's own.
  DeviceMemory allocate_on_host(std::int64_t bytes, const RegionOptions&) override {
    const auto size = static_cast<std::size_t>(std::max<std::int64_t>(bytes, 64));
    void* data = nullptr;
    if (const cudaError_t error = cudaHostAlloc(&data, size, cudaHostAllocPortable); error != cudaSuccess) {
      (void)cudaGetLastError();
      fail_hint("smaller shapes or fewer contexts, or a higher limit of locked memory (ulimit -l)",
                "the host gives no {} MiB of page-locked memory: {}", bytes >> 20, text_of(error));
    }
    std::memset(data, 0, size);
    return {static_cast<std::byte*>(data), bytes,
            std::shared_ptr<const void>(data, [](void* p) { (void)cudaFreeHost(p); })};
  }

  std::int64_t cache_bytes() const override { return cuda_facts().cache_bytes; }

  std::unique_ptr<Queue> make_queue(const QueueOptions&) override { return std::make_unique<CudaQueue>(); }
  std::unique_ptr<Event> make_event() override { return std::make_unique<CudaEvent>(); }

  std::optional<double> time(const Kernel& kernel, const KernelContext& context) override {
    return time_in_turn(kernel, {&context, 1});
  }
  /// Some launches captured in one graph, as they will run: without what the host takes to launch each. Short ones may
  /// overlap, as those of a chain do. Long ones are kept apart: that the end of one overlaps with the next would decide
  /// between them, and seldom happens between two different kernels.
  std::optional<double> time_in_turn(const Kernel& kernel, std::span<const KernelContext> contexts) override {
    CudaQueue queue;
    (void)queue.launch(kernel, contexts[0], 0);
    const Stamp begin, end;
    begin.record(queue.stream());
    (void)queue.launch(kernel, contexts[0], 0);
    end.record(queue.stream());
    if (!queue.synchronise()) return std::nullopt;
    const double once = begin.us_until(end);
    const int turns = static_cast<int>(contexts.size()), repeats = once > 2000  ? 1
                                                                   : once > 200 ? std::max(4, turns)
                                                                                : std::max(16, turns);
    const DeviceMemory word = allocate(sizeof(std::int32_t), {});
    bool overlaps = false;
    const auto measure = [&](bool launch, bool separate) -> std::optional<double> {
      queue.begin_capture();
      for (int i = 0; i < repeats; ++i) {
        if (launch) (void)queue.launch(kernel, contexts[static_cast<std::size_t>(i % turns)], 0);
        if (separate) (void)cudaMemsetAsync(word.data, 0, sizeof(std::int32_t), queue.stream());
      }
      std::unique_ptr<CapturedWork> work;
      try {
        work = queue.end_capture();
      } catch (const Error&) {
        return std::nullopt;
      }
      if (!separate) overlaps = static_cast<const CudaGraph&>(*work).overlaps();
      double best = 0;
      for (int run = 0; run < 6; ++run) {
        begin.record(queue.stream());
        (void)queue.replay(*work);
        end.record(queue.stream());
        if (!queue.synchronise()) return std::nullopt;
        const double us = begin.us_until(end) / repeats;
        if (run > 0 && (best == 0 || us < best)) best = us;
        if (once > 2e5 && run == 1) break;
      }
      return best;
    };
    // What a kernel that lets no other begin costs the one behind it, which asks for its weights only then. BERT-base
    // at batch 1 with 12 of its 84 kernels of that kind took 2.2 us more for each (H200).
    constexpr double kMissedUs = 1, kShortUs = 12, kLongUs = 200;
    const auto together = measure(true, false);
    if (!together || *together > kLongUs) return together;
    if (*together < kShortUs) return *together + (overlaps || repeats == 1 ? 0 : kMissedUs);
    const auto apart = measure(true, true), nothing = measure(false, true);
    return apart && nothing ? std::optional(std::max(*apart - *nothing, kShortUs)) : together;
  }
};

CudaFacts find_facts() {
  CudaFacts facts{.built = true};
  int count = 0;
  (void)cudaDriverGetVersion(&facts.driver);
  if (facts.driver == 0) {
    facts.missing = "there is no NVIDIA driver here, which CUDA needs";
  } else if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess || count == 0) {
    facts.missing =
        error == cudaErrorInsufficientDriver
            ? message("the NVIDIA driver is for CUDA {}.{}, and this build of Monza needs {}.{}", facts.driver / 1000,
                      facts.driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10)
            : message("the NVIDIA driver shows no GPU: {}", text_of(error));
  } else {
    cudaDeviceProp p{};
    if (const cudaError_t asked = cudaGetDeviceProperties(&p, 0); asked != cudaSuccess) {
      facts.missing = message("the GPU does not answer: {}", text_of(asked));
    } else {
      facts.name = p.name;
      facts.capability = 10 * p.major + p.minor;
      facts.multiprocessors = p.multiProcessorCount;
      facts.memory_bytes = static_cast<std::int64_t>(p.totalGlobalMem);
      facts.cache_bytes = p.l2CacheSize;
      if (facts.capability < kLeastCapability)
        facts.missing = message("the GPU ({}) has compute capability {}.{}; 8.0 is the least that is supported",
                                facts.name, p.major, p.minor);
    }
  }
  (void)cudaGetLastError();
  return facts;
}

}  // namespace

const CudaFacts& cuda_facts() {
  static const CudaFacts facts = find_facts();
  return facts;
}

std::vector<LibraryFacts> cuda_libraries() { return {cublaslt_facts(), cudnn_facts()}; }

std::shared_ptr<Device> open_cuda_device() {
  if (!cuda_facts().missing.empty()) fail_hint("--device cpu", "{}", cuda_facts().missing);
  return std::make_shared<CudaDevice>();
}

}  // namespace monza::backend
