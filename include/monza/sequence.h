// State of models that generate: key/value caches and the like, owned by the caller, bound to a context for a run.
//
//   monza::SequencePool pool(engine, {.blocks = 1024});
//   monza::Sequence a = pool.create();
//   a.reserve(prompt_length);
//   context.bind_sequence(a);
//   context.run();                   // a.length() grew by what the run appended
//   monza::Sequence b = a.fork();    // shares a's blocks; only a partial last one is copied, when b or a grows
//
// Many sequences in one run, here with a prompt of 5 positions and one more of `a`: the inputs hold 6 positions.
//   const monza::SequenceRun batch[] = {{&b, 5}, {&a, 1}};
//   context.bind_sequences(batch);
//   context.run();                   // b grew by 5, a by 1: each sequence sees itself alone
#pragma once

#include <cstdint>
#include <memory>

#include "monza/engine.h"
#include "monza/status.h"

namespace monza {

struct SequencePoolOptions {
  std::int64_t block_length = 16;     ///< positions in a block
  std::int32_t blocks = 256;          ///< in all, shared by the sequences of the pool
  std::int64_t max_positions = 4096;  ///< greatest length of one sequence
};

/// A sequence's state in an engine's terms. Not thread-safe; different sequences of a pool may be used by
/// different threads. It keeps its pool's memory alive.
class Sequence {
 public:
  Sequence(Sequence&&) noexcept;
  Sequence& operator=(Sequence&&) noexcept;
  ~Sequence();

  std::int64_t length() const noexcept;    ///< positions that are valid
  std::int64_t capacity() const noexcept;  ///< positions that fit before reserve() is needed
  /// Makes room for `positions` more. resource_exhausted when the pool is empty or the sequence too long.
  Status reserve(std::int64_t positions) noexcept;
  /// Forgets everything from position `length` on.
  Status truncate(std::int64_t length) noexcept;
  /// Another sequence with the same past. Throws Error when memory for its table is lacking.
  Sequence fork() const;

  struct Impl;
  explicit Sequence(std::unique_ptr<Impl> impl);
  Impl& impl() noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// Storage for the sequences of one engine: a fixed number of blocks, committed on touch. Thread-safe.
class SequencePool {
 public:
  /// Throws Error when the engine keeps no state, or sizes overflow.
  explicit SequencePool(const Engine& engine, const SequencePoolOptions& options = {});
  SequencePool(SequencePool&&) noexcept;
  SequencePool& operator=(SequencePool&&) noexcept;
  ~SequencePool();

  Sequence create() const;
  std::int32_t free_blocks() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace monza
