// The memory of a batch: requests' bytes land where the run reads them, and are sent from where it wrote.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "memory/region.h"
#include "monza/status.h"
#include "serve/metrics.h"
#include "serve/served_model.h"
#include "tensor/shape.h"

namespace monza::serve {

class Batch;
class ModelQueue;
struct Slot;

/// Who waits for a slot.
class Completion {
 public:
  /// The slot's run is done, or will never begin (Slot::timed_out). Called once for a submitted slot that was not
  /// cancelled, on any thread; whoever is called releases the slot later.
  virtual void completed(Slot& slot) noexcept = 0;

 protected:
  ~Completion() = default;
};

/// The place of one request in a batch. Whoever reserved it owns it until it is submitted, and after completed().
struct Slot {
  enum class State : std::uint8_t { filling, ready, running, done };
  struct Output {
    Shape shape;  ///< with this request's rows
    const std::byte* data = nullptr;
    std::size_t bytes = 0;
    std::string text;  ///< what `data` is of strings: a tensor of BYTES (bytes_tensor.h)
  };

  Batch* batch = nullptr;
  std::int64_t row = 0, rows = 0;
  State state = State::filling;
  Completion* waits = nullptr;
  Clock::time_point deadline = Clock::time_point::max();  ///< not to be begun later
  std::int64_t priority = 0;                              ///< less is begun first

  Clock::time_point ready_at, begun_at, ended_at;
  Status status;                ///< of the run
  bool timed_out = false;       ///< never begun
  std::int64_t batch_rows = 0;  ///< of the run that it was in
  std::vector<Output> outputs;  ///< by the model's output; valid until the slot is released

  /// Where the elements of an input belong: row_bytes * rows bytes. Strings are StringRefs.
  std::span<std::byte> input(std::size_t index) const;
};

/// Memory for at most ServedModel::max_rows() rows of one shape, whose slots are given out in order and once: then the
/// batch is empty again when all of them are released. Not thread-safe: ModelQueue guards it.
class Batch {
 public:
  explicit Batch(const ServedModel& model);

  /// Takes on the shape of `fit`. Only while empty.
  void open(ModelQueue& queue, const ServedModel::Fit& fit);
  bool is_open() const { return open_; }
  void close() { open_ = false; }
  bool takes(const ServedModel::Fit& fit) const;
  Slot& add(std::int64_t rows);
  /// True when that was the last one.
  bool remove() { return --live_ == 0; }

  ModelQueue& queue() const { return *queue_; }
  std::span<Slot> slots() { return {slots_.data(), used_}; }
  const std::vector<ServedModel::Fit::Input>& shape() const { return shape_; }
  std::byte* input(std::size_t index, std::int64_t row) const {
    return inputs_[index].data + row * shape_[index].row_bytes;
  }
  /// Where outputs of a run go whose first row is `row`: room for the largest shape.
  std::byte* output(std::size_t index, std::int64_t row) const {
    return outputs_[index].data + row * model_.outputs()[index].most_row_bytes;
  }

 private:
  /// Pages that are committed when they are touched; page-locked ones where a GPU copies from and to them.
  struct Memory {
    Region region;
    Tensor pinned;
    std::byte* data = nullptr;
  };
  static std::vector<Memory> memory_for(const ServedModel& model, const std::vector<Port>& ports);

  const ServedModel& model_;
  std::vector<Memory> inputs_, outputs_;
  ModelQueue* queue_ = nullptr;
  std::vector<ServedModel::Fit::Input> shape_;
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
  std::int64_t rows_ = 0, live_ = 0;
  bool open_ = false;
};

}  // namespace monza::serve
