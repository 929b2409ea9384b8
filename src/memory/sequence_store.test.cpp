#include "memory/sequence_store.h"

#include <gtest/gtest.h>

#include <cstring>

#include "support/error_text.h"

namespace monza {
namespace {

struct Pool {
  std::shared_ptr<const StateLayout> layout = std::make_shared<const StateLayout>(make_state_layout(4, {8, 24}));
  std::shared_ptr<BlockStore> store;
  explicit Pool(int blocks) : store(std::make_shared<BlockStore>(layout->block_bytes, blocks)) {}
  SequenceTable make(std::int64_t max = 1000) { return SequenceTable(store, layout, max); }
};

/// Writes `value` to state 0 at the next position and counts it.
void append(SequenceTable& t, std::int64_t value) {
  ASSERT_TRUE(t.reserve(1));
  const std::int64_t at = t.length();
  std::memcpy(t.blocks(0)[at / 4] + at % 4 * 8, &value, 8);
  t.commit(1);
}
std::int64_t read(const SequenceTable& t, std::int64_t at) {
  std::int64_t value;
  std::memcpy(&value, t.blocks(0)[at / 4] + at % 4 * 8, 8);
  return value;
}

TEST(StateLayout, PartsAreAlignedAndChecked) {
  const StateLayout l = make_state_layout(4, {8, 24, 100});
  EXPECT_EQ(l.offset, (std::vector<std::int64_t>{0, 64, 192}));
  EXPECT_EQ(l.block_bytes, 192 + 448);
  EXPECT_EQ(test::error_of([] { make_state_layout(0, {8}); }),
            "a block of a sequence's state takes 0 positions, and must take 1 at least\n  try: 16 is usual");
  EXPECT_EQ(test::error_of([] { make_state_layout(INT64_MAX, {8}); }),
            "a block of state overflows 64 bits: 8 * 9223372036854775807");
  const auto layout = std::make_shared<const StateLayout>(l);
  const auto store = std::make_shared<BlockStore>(l.block_bytes, 1);
  EXPECT_EQ(test::error_of([] { BlockStore(INT64_MAX, 2); }),
            "the size of the block store overflows 64 bits: 9223372036854775807 * 2");
  EXPECT_EQ(test::error_of([&] { SequenceTable(store, layout, -1); }), "a sequence cannot be of -1 positions");
}

TEST(SequenceTable, ForkSharesAndCopiesOnlyThePartialBlock) {
  Pool s(8);
  SequenceTable a = s.make();
  for (int i = 0; i < 6; ++i) append(a, i);
  EXPECT_EQ(s.store->free_blocks(), 6);
  auto b = a.fork();
  EXPECT_EQ(s.store->free_blocks(), 6);  // nothing copied yet
  EXPECT_EQ(b->length(), 6);
  EXPECT_EQ(b->blocks(0)[1], a.blocks(0)[1]);
  append(*b, 100);
  EXPECT_EQ(s.store->free_blocks(), 5);
  EXPECT_EQ(b->blocks(0)[0], a.blocks(0)[0]);  // the full block is still one
  EXPECT_NE(b->blocks(0)[1], a.blocks(0)[1]);
  append(a, 6);  // the partial block is a's own again: no copy
  EXPECT_EQ(s.store->free_blocks(), 5);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(read(*b, i), i);
  EXPECT_EQ(read(*b, 6), 100);
  EXPECT_EQ(read(a, 6), 6);
}

TEST(SequenceTable, ForkAtABlockBoundaryCopiesNothing) {
  Pool s(8);
  SequenceTable a = s.make();
  for (int i = 0; i < 8; ++i) append(a, i);
  auto b = a.fork();
  append(*b, 8);
  EXPECT_EQ(s.store->free_blocks(), 5);
  EXPECT_EQ(b->blocks(0)[1], a.blocks(0)[1]);
}

TEST(SequenceTable, TruncateReturnsBlocksAndKeepsSharedOnes) {
  Pool s(8);
  SequenceTable a = s.make();
  for (int i = 0; i < 10; ++i) append(a, i);
  auto b = a.fork();
  ASSERT_TRUE(a.truncate(3));
  EXPECT_EQ(a.length(), 3);
  EXPECT_EQ(s.store->free_blocks(), 5);  // b still holds all three
  append(a, 77);                         // into a shared block: a copy of its own
  EXPECT_EQ(read(b == nullptr ? a : *b, 3), 3);
  EXPECT_EQ(read(a, 3), 77);
  EXPECT_FALSE(a.truncate(5));
  EXPECT_FALSE(a.truncate(-1));
  b.reset();
  EXPECT_EQ(s.store->free_blocks(), 7);
  ASSERT_TRUE(a.truncate(0));
  EXPECT_EQ(s.store->free_blocks(), 8);
}

TEST(SequenceTable, ExhaustionIsAStatusAndChangesNothing) {
  Pool s(3);
  SequenceTable a = s.make(), b = s.make(10);
  ASSERT_TRUE(a.reserve(8));
  EXPECT_EQ(b.reserve(5).code(), StatusCode::resource_exhausted);
  EXPECT_EQ(s.store->free_blocks(), 1);
  EXPECT_EQ(b.reserve(11).code(), StatusCode::resource_exhausted);
  EXPECT_EQ(b.reserve(-1).code(), StatusCode::invalid_argument);
  ASSERT_TRUE(b.reserve(4));
  EXPECT_EQ(b.capacity(), 4);
  b.commit(2);
  auto c = b.fork();
  EXPECT_EQ(c->reserve(1).code(), StatusCode::resource_exhausted);  // the copy of the partial block finds no room
  EXPECT_EQ(c->length(), 2);
  EXPECT_EQ(c->capacity(), 2);
}

TEST(SequenceTable, ReservedBlocksWithoutPositionsAreNotForked) {
  Pool s(8);
  SequenceTable a = s.make();
  ASSERT_TRUE(a.reserve(12));
  a.commit(4);
  auto b = a.fork();
  EXPECT_EQ(b->block_ids().size(), 1u);
  EXPECT_EQ(a.capacity(), 12);
}

}  // namespace
}  // namespace monza
