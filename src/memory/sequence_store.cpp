#include "memory/sequence_store.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/error.h"

namespace monza {

BlockStore::BlockStore(std::int64_t block_bytes, std::int32_t blocks, const RegionOptions& options)
    : block_bytes_(block_bytes), region_(checked_mul(block_bytes, blocks, "the size of the block store"), options) {
  references_.assign(static_cast<std::size_t>(blocks), 0);
  free_.reserve(static_cast<std::size_t>(blocks));
  for (std::int32_t b = blocks - 1; b >= 0; --b) free_.push_back(b);
}

std::int32_t BlockStore::acquire() noexcept {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return -1;
  const std::int32_t block = free_.back();
  free_.pop_back();
  references_[static_cast<std::size_t>(block)] = 1;
  return block;
}

void BlockStore::share(std::int32_t block) noexcept {
  const std::lock_guard lock(mutex_);
  ++references_[static_cast<std::size_t>(block)];
}

void BlockStore::release(std::int32_t block) noexcept {
  const std::lock_guard lock(mutex_);
  if (--references_[static_cast<std::size_t>(block)] == 0) free_.push_back(block);
}

bool BlockStore::is_shared(std::int32_t block) const noexcept {
  const std::lock_guard lock(mutex_);
  return references_[static_cast<std::size_t>(block)] > 1;
}

std::int32_t BlockStore::free_blocks() const noexcept {
  const std::lock_guard lock(mutex_);
  return static_cast<std::int32_t>(free_.size());
}

StateLayout make_state_layout(std::int64_t block_length, std::vector<std::int64_t> position_bytes) {
  if (block_length < 1)
    fail_hint("16 is usual", "a block of a sequence's state takes {} positions, and must take 1 at least",
              block_length);
  StateLayout layout;
  layout.block_length = block_length;
  for (std::int64_t bytes : position_bytes) {
    layout.offset.push_back(layout.block_bytes);
    const std::int64_t part =
        checked_round_up(checked_mul(bytes, block_length, "a block of state"), 64, "a block of state");
    layout.block_bytes = checked_add(layout.block_bytes, part, "a block of state");
  }
  layout.position_bytes = std::move(position_bytes);
  return layout;
}

SequenceTable::SequenceTable(std::shared_ptr<BlockStore> store, std::shared_ptr<const StateLayout> layout,
                             std::int64_t max_positions)
    : store_(std::move(store)), layout_(std::move(layout)), max_positions_(max_positions) {
  if (max_positions < 0) fail("a sequence cannot be of {} positions", max_positions);
  const auto blocks = static_cast<std::size_t>((max_positions + layout_->block_length - 1) / layout_->block_length);
  ids_.reserve(blocks);
  pointers_.resize(layout_->position_bytes.size());
  for (auto& list : pointers_) list.reserve(blocks);
}

SequenceTable::~SequenceTable() {
  for (std::int32_t id : ids_) store_->release(id);
}

void SequenceTable::push(std::int32_t block) noexcept {
  ids_.push_back(block);  // capacity was reserved
  for (std::size_t s = 0; s < pointers_.size(); ++s) pointers_[s].push_back(store_->data(block) + layout_->offset[s]);
}

void SequenceTable::pop() noexcept {
  store_->release(ids_.back());
  ids_.pop_back();
  for (auto& list : pointers_) list.pop_back();
}

bool SequenceTable::last_is_shared_and_partial() const noexcept {
  const std::int64_t held = static_cast<std::int64_t>(ids_.size()) * layout_->block_length;
  return !ids_.empty() && length_ < held && store_->is_shared(ids_.back());
}

std::int64_t SequenceTable::capacity() const noexcept {
  if (last_is_shared_and_partial()) return length_;
  return std::min(static_cast<std::int64_t>(ids_.size()) * layout_->block_length, max_positions_);
}

std::unique_ptr<SequenceTable> SequenceTable::fork() const {
  auto copy = std::make_unique<SequenceTable>(store_, layout_, max_positions_);
  // Blocks that were reserved but hold no valid position stay with their owner.
  const std::int64_t used = (length_ + layout_->block_length - 1) / layout_->block_length;
  for (std::int64_t i = 0; i < used; ++i) {
    store_->share(ids_[static_cast<std::size_t>(i)]);
    copy->push(ids_[static_cast<std::size_t>(i)]);
  }
  copy->length_ = length_;
  return copy;
}

Status SequenceTable::reserve(std::int64_t positions) noexcept {
  if (positions < 0) return {StatusCode::invalid_argument, "a negative number of positions"};
  if (positions > max_positions_ - length_)
    return {StatusCode::resource_exhausted, "the sequence is at its greatest length"};
  const std::int64_t unit = layout_->block_length;
  const std::int64_t used = (length_ + unit - 1) / unit;
  // A shared last block that we are about to write into: take a copy of its valid part, alone.
  if (positions > 0 && length_ % unit != 0 && store_->is_shared(ids_[static_cast<std::size_t>(used - 1)])) {
    const std::int32_t own = store_->acquire();
    if (own < 0) return {StatusCode::resource_exhausted, "all blocks for sequences are taken"};
    const auto at = static_cast<std::size_t>(used - 1);
    for (std::size_t s = 0; s < pointers_.size(); ++s) {
      std::byte* to = store_->data(own) + layout_->offset[s];
      std::memcpy(to, pointers_[s][at], static_cast<std::size_t>(length_ % unit * layout_->position_bytes[s]));
      pointers_[s][at] = to;
    }
    store_->release(ids_[at]);
    ids_[at] = own;
  }
  const std::int64_t wanted = (length_ + positions + unit - 1) / unit;
  const std::size_t before = ids_.size();
  while (static_cast<std::int64_t>(ids_.size()) < wanted) {
    const std::int32_t block = store_->acquire();
    if (block < 0) {
      while (ids_.size() > before) pop();
      return {StatusCode::resource_exhausted, "all blocks for sequences are taken"};
    }
    push(block);
  }
  return {};
}

Status SequenceTable::truncate(std::int64_t length) noexcept {
  if (length < 0 || length > length_)
    return {StatusCode::invalid_argument, "a sequence can only be cut within its length"};
  const std::int64_t keep = (length + layout_->block_length - 1) / layout_->block_length;
  while (static_cast<std::int64_t>(ids_.size()) > keep) pop();
  length_ = length;
  return {};
}

}  // namespace monza
