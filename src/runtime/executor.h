// Executes a plan: one context's arenas, bindings, registers and threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/cpu/thread_pool.h"
#include "backend/device.h"
#include "kernel/state.h"
#include "kernel/value_pool.h"
#include "memory/region.h"
#include "monza/engine.h"
#include "monza/status.h"
#include "runtime/port_use.h"
#include "runtime/program.h"
#include "runtime/shape_captures.h"

namespace monza::runtime {

struct ExecutorOptions {
  int threads = 0;   ///< 0: what the plan was made for; never more than that, nor than this process may use when 0
  bool pin = false;  ///< its own threads
  bool prefault = false;
  bool huge_pages = false;
  int captured_shapes = 8;              ///< most shapes of a segment that are captured
  std::int64_t max_pool_bytes = 0;      ///< for strings, sequences and optionals; reserved when the plan has any
  std::shared_ptr<ThreadPool> workers;  ///< whose threads it borrows; null: it has threads of its own
  int priority = 0;                     ///< among those who borrow from the same workers
};

/// What the executors of one context share when its engine has several plans: one of them runs at a time.
struct ExecutorMemory {
  /// Arenas that hold any of `programs`, and threads for as many as they allow.
  ExecutorMemory(std::span<const Program* const> programs, const ExecutorOptions& options);
  std::vector<backend::DeviceMemory> arenas;  ///< one for each device
  std::shared_ptr<ThreadPool> workers;        ///< of its own or shared
  Team team;                                  ///< its claim on them
  std::size_t captured_shapes = 0;
  bool prefault = false;  ///< touch the pages of the executors' own outputs too, when they are made
  std::vector<std::unique_ptr<Team>> queue_teams;  ///< of queues whose kernels are host code
  /// By device; none of the host, whose queue is the thread that runs.
  std::vector<std::vector<std::unique_ptr<backend::Queue>>> queues;
  bool has_queues = false;
  std::vector<std::shared_ptr<CaptureQueue>> capture_queues;  ///< by device; null where nothing is captured by shape
};

/// What profiling knows of a step, over the runs since it was turned on. Times in microseconds.
struct StepTimes {
  double best_us = 0, total_us = 0;
  double start_us = 0;  ///< of the last execution, since the start of its run
  std::int64_t runs = 0;
};

/// One run at a time. Making one allocates and throws Error; binding and running do neither.
class Executor {
 public:
  Executor(std::shared_ptr<const Program> program, const ExecutorOptions& options);
  /// With memory that other executors use too, between the runs of this one.
  Executor(std::shared_ptr<ExecutorMemory> memory, std::shared_ptr<const Program> program, std::int64_t max_pool_bytes);
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Dense row-major memory of `bytes` bytes on a device of that kind, the caller's until the run is over. Strings are
  /// StringRefs. Memory that is not the host's is taken where copies to that device alone read it.
  Status bind_input(int index, DType dtype, const Shape& shape, void* data, std::int64_t bytes,
                    DeviceKind device = DeviceKind::cpu) noexcept;
  /// The tensors of a sequence or of an optional that is there; the caller's until the run is over.
  Status bind_list(int index, std::span<const TensorRef> tensors) noexcept;
  Status bind_absent(int index) noexcept;
  Status bind_output(int index, DType dtype, void* data, std::int64_t bytes,
                     DeviceKind device = DeviceKind::cpu) noexcept;
  void unbind_output(int index) noexcept;
  /// Sequence state for the next runs: one view for each state of the plan. Their rows' `appended` is reset when a
  /// run starts and tells afterwards how many positions it wrote. Null unbinds.
  void bind_states(const StateView* states) noexcept {
    states_ = states;
    failure_ = {};
  }

  /// Runs the plan. The Status carries the step that failed; explain() says more.
  Status run() noexcept;

  /// The output after a successful run: dense, at the bound memory or the context's. Absent when there was none and its
  /// memory cannot hold what its registers say.
  TensorView output(int index) const noexcept;
  /// Whose memory it lies in.
  DeviceKind output_device(int index) const noexcept { return outputs_[static_cast<std::size_t>(index)].device; }
  /// Tensors of an output that is a sequence or optional, after a successful run; -1 for one that is absent.
  std::int64_t output_length(int index) const noexcept;
  /// Its tensor i, in the context's memory; a tensor of strings holds handles.
  Status output_element(int index, std::int64_t i, TensorView* tensor) const noexcept;
  const ValuePool& values() const noexcept { return values_; }
  /// More about the last failure of run() or bind_*(): the dimension and the value that left its bounds. Or "".
  std::string explain() const;

  void set_profiling(bool on) noexcept;
  const std::vector<StepTimes>& times() const noexcept { return times_; }
  std::int64_t arena_bytes() const noexcept;
  const std::shared_ptr<ThreadPool>& workers() const noexcept { return memory_->workers; }
  int threads() const noexcept { return memory_->team.threads(); }
  const Program& program() const noexcept { return *program_; }
  /// Segments that were replayed instead of launched step by step, since this was made.
  std::int64_t replayed() const noexcept { return replayed_; }

 private:
  struct Binding {
    std::byte* data = nullptr;
    std::int64_t bytes = 0;
    std::int64_t needed = 0;              ///< bytes that static operands reach
    std::vector<std::int32_t> statics;    ///< static operands on it: patched when data changes
    Shape shape;                          ///< inputs
    backend::DeviceMemory own;            ///< outputs: memory for when none is bound; inputs: their handles
    DeviceKind device = DeviceKind::cpu;  ///< whose memory `data` is in
    PortUse use;
    const StringRef* strings = nullptr;  ///< an input of strings: the caller's
    std::span<const TensorRef> list;     ///< a sequence or optional: the caller's
    bool absent = false;                 ///< an optional input without a value
  };
  /// What is fixed about a step once its context exists.
  struct StepState {
    KernelContext context;
    const Kernel* kernel = nullptr;
    backend::Queue* queue = nullptr;  ///< null: the thread that runs
    plan::Range dynamic;              ///< of dynamic_operands_: resolved before each execution
    plan::Range states;               ///< of state_refs_ and state_views_
    const OperatorCheck* check = nullptr;
    std::int64_t checked_at = -1;  ///< shape_clock_ when the step was found sound; -1: not yet
    std::uint32_t state_inputs = 0, state_outputs = 0;
  };
  struct Failure {
    std::int32_t check = -1, port = -1, axis = -1;
    std::int32_t step = -1;     ///< a kernel did not take its operands, or failed
    std::int32_t operand = -1;  ///< has no room for its shape
    bool output = false;
    std::int64_t value = 0, low = 0, high = 0;
  };

  /// "input 0 f32[2,3], output 0 f32[6]" of operands as they were last resolved.
  std::string shapes_of(const plan::Step& step) const;

  void set_up_operands();
  void set_up_steps();
  void set_up_ports();
  void place(Binding& binding, std::byte* data, std::int64_t bytes) noexcept;
  std::byte* base_of(const plan::Operand& operand, std::int64_t* limit) noexcept;
  Status resolve(std::int32_t operand) noexcept;

  Status run_program(plan::Range instructions) noexcept;
  Status load_element(std::int32_t operand, std::int64_t element, std::int64_t* value) noexcept;
  Status run_region(std::int32_t region) noexcept;
  Status run_step(std::int32_t step) noexcept;
  Status run_kernel(std::int32_t step) noexcept;
  Status run_copy(std::int32_t step) noexcept;
  Status run_branch(const plan::Step& step) noexcept;
  void fence(const plan::Step& step, bool up) noexcept;
  bool stale(const StepState& state) const noexcept;
  Status check_step(const plan::Step& step, StepState& state) noexcept;

  // Queues of other devices (executor_queues.cpp).
  void set_up_events();
  void capture_segments();
  void capture(std::size_t segment);
  void capture_by_shape(std::size_t segment);
  Status run_segment(std::size_t segment) noexcept;
  Status run_shape(std::size_t segment) noexcept;
  Status replay(const plan::Segment& segment, backend::CapturedWork& work) noexcept;
  Status await(const plan::Step& step, const StepState& state) noexcept;
  Status launch(std::int32_t step) noexcept;
  Status drain(Status status) noexcept;
  const void* host_copy(const plan::Operand& operand, const void* data) const noexcept;
  bool bound_elsewhere(const plan::Operand& operand) const noexcept;

  // Strings, sequences and optionals (executor_values.cpp).
  void set_up_values(std::int64_t max_pool_bytes);
  Status load_values() noexcept;
  Status load_list(Binding& binding, const plan::ModelPort& port) noexcept;
  Status store_values() noexcept;
  Status add_strings(const StringRef* strings, std::int64_t count, Handle* handles) noexcept;

  // Loops (executor_loop.cpp).
  Status run_loop(const plan::LoopInfo& loop) noexcept;
  TensorView* scanned_by(const plan::LoopInfo& loop) noexcept {
    return scanned_.data() + scanned_begin_[static_cast<std::size_t>(&loop - plan_.loops.data())];
  }
  Status begin_iteration(const plan::LoopInfo& loop, std::int64_t iteration, std::int64_t trips,
                         bool condition) noexcept;
  Status end_iteration(const plan::LoopInfo& loop, std::int64_t iteration, std::int64_t trips) noexcept;
  Status finish_loop(const plan::LoopInfo& loop, std::int64_t trips) noexcept;
  Status bind_extents(std::int32_t operand, const Shape& shape) noexcept;
  Status copy_into(std::int32_t to, std::int32_t from) noexcept;
  Status store_scalar(std::int32_t operand, std::int64_t value) noexcept;
  Status scan_trips(const plan::LoopInfo& loop, std::int64_t* trips) noexcept;

  std::shared_ptr<const Program> program_;
  const plan::Plan& plan_;
  std::shared_ptr<ExecutorMemory> memory_;
  std::vector<std::int64_t> registers_;
  std::vector<TensorView> views_;  ///< parallel to Plan::operands; dynamic ones are filled before their step
  // A step whose operands vary is checked when one of them has changed since: no cost for a shape seen last time.
  std::vector<OperandDesc> descs_;    ///< parallel to Plan::operands, where steps are checked at run time; else empty
  std::vector<std::int64_t> bounds_;  ///< parallel to descs_: Operand::byte_bound
  std::vector<std::int64_t>
      changed_;  ///< parallel to Plan::operands: shape_clock_ when its shape or place last changed
  std::int64_t shape_clock_ = 0;
  std::vector<StepState> steps_;
  std::vector<std::int32_t> dynamic_operands_;
  /// What loops scan, as it was when they began: a body may resolve the operand again, to other extents than those that
  /// the iterations were counted by.
  std::vector<TensorView> scanned_;
  std::vector<std::uint32_t> scanned_begin_;  ///< of each loop, in scanned_
  std::vector<std::int32_t> state_refs_;
  std::vector<StateView> state_views_;
  std::vector<std::int64_t> reported_;                   ///< where kernels report extents
  std::vector<std::unique_ptr<backend::Event>> events_;  ///< by id
  /// By segment: what was captured of it, or will be of the shapes that come; neither: its steps are run one by one.
  std::vector<std::unique_ptr<backend::CapturedWork>> captured_;
  std::vector<std::unique_ptr<ShapeCaptures>> by_shape_;
  std::vector<std::vector<plan::Register>> shape_registers_;  ///< by segment: what its operands are placed by
  std::vector<std::int64_t> shape_;                           ///< values of a segment's
  std::vector<std::int32_t> segment_at_;                      ///< by step: the segment that begins there, or -1
  ShapeCaptures* noting_ = nullptr;                           ///< the segment that is launched, if it is to be captured
  std::int64_t replayed_ = 0;
  std::vector<Binding> inputs_, outputs_;
  const StateView* states_ = nullptr;
  Region pool_memory_;
  ValuePool values_;
  bool has_values_ = false;                 ///< some operand is of strings or a handle
  alignas(64) std::byte nothing_[64] = {};  ///< stands for the memory of an empty tensor that came without
  Failure failure_;
  bool profiling_ = false;
  std::int64_t run_start_ns_ = 0;
  double device_us_ = -1;  ///< what the last step that was timed took on its device; below 0: none was
  std::vector<StepTimes> times_;
};

}  // namespace monza::runtime
