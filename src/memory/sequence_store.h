// Paged storage of sequence state: fixed-size blocks, shared between forks, found through a table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "memory/region.h"
#include "monza/status.h"

namespace monza {

/// A fixed number of blocks with reference counts. Thread-safe. Never allocates after it is made.
class BlockStore {
 public:
  /// Throws Error when the sizes overflow or there is no address space. Pages are committed on touch.
  BlockStore(std::int64_t block_bytes, std::int32_t blocks, const RegionOptions& options = {});

  /// A block with one reference, or -1 when all are taken. Its bytes are what its last owner left.
  std::int32_t acquire() noexcept;
  void share(std::int32_t block) noexcept;
  void release(std::int32_t block) noexcept;
  bool is_shared(std::int32_t block) const noexcept;
  std::byte* data(std::int32_t block) const noexcept { return region_.data() + block * block_bytes_; }
  std::int64_t block_bytes() const noexcept { return block_bytes_; }
  std::int32_t free_blocks() const noexcept;

 private:
  std::int64_t block_bytes_;
  Region region_;
  mutable std::mutex mutex_;
  std::vector<std::int32_t> references_;
  std::vector<std::int32_t> free_;
};

/// How the states of one engine share a block: state s of position p of a block lies at offset[s] + p *
/// position_bytes[s].
struct StateLayout {
  std::int64_t block_length = 0;  ///< positions a block holds
  std::vector<std::int64_t> position_bytes, offset;
  std::int64_t block_bytes = 0;
};
/// 64-byte aligned parts, one for each state. Throws Error when the sizes overflow.
StateLayout make_state_layout(std::int64_t block_length, std::vector<std::int64_t> position_bytes);

/// One sequence: its blocks in order. Blocks before the last are full and never written again, so forks share
/// them; only a partial last block is copied, by whichever sharer first makes room to append. Not thread-safe;
/// several tables may use one BlockStore from several threads.
class SequenceTable {
 public:
  SequenceTable(std::shared_ptr<BlockStore> store, std::shared_ptr<const StateLayout> layout,
                std::int64_t max_positions);
  ~SequenceTable();
  SequenceTable(const SequenceTable&) = delete;
  SequenceTable& operator=(const SequenceTable&) = delete;

  /// A sequence with the same positions, sharing every block. Throws Error when there is no memory for the table.
  std::unique_ptr<SequenceTable> fork() const;
  /// Makes room for `positions` more. resource_exhausted when the store or the table is full; then nothing changed.
  Status reserve(std::int64_t positions) noexcept;
  /// Forgets positions from `length` on and returns their blocks.
  Status truncate(std::int64_t length) noexcept;
  /// Counts `positions` that were written behind the last one as valid.
  void commit(std::int64_t positions) noexcept { length_ += positions; }

  std::int64_t length() const noexcept { return length_; }
  /// Positions that fit without another reserve(): length() when the last block is shared and partial.
  std::int64_t capacity() const noexcept;
  std::int64_t max_positions() const noexcept { return max_positions_; }
  const StateLayout& layout() const noexcept { return *layout_; }
  /// Block addresses of state `state`, one for each block held.
  std::byte* const* blocks(std::size_t state) const noexcept { return pointers_[state].data(); }
  const std::vector<std::int32_t>& block_ids() const noexcept { return ids_; }

 private:
  void push(std::int32_t block) noexcept;
  void pop() noexcept;
  bool last_is_shared_and_partial() const noexcept;

  std::shared_ptr<BlockStore> store_;
  std::shared_ptr<const StateLayout> layout_;
  std::int64_t max_positions_;
  std::int64_t length_ = 0;
  std::vector<std::int32_t> ids_;                  ///< reserved for max_positions: never reallocated
  std::vector<std::vector<std::byte*>> pointers_;  ///< by state
};

}  // namespace monza
