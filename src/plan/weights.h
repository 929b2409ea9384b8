// The constants of an engine: stored once, whatever plans and kernels share them, and found again from the graph.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "base/large_bytes.h"
#include "ir/constant.h"
#include "kernel/kernel.h"
#include "memory/region.h"
#include "plan/data/plan.h"
#include "plan/place.h"

namespace monza::plan {

/// How a constant of the graph can be had from what the engine stores of it.
struct StoredConstant {
  int block = -1;  ///< of the store; -1: no block has all its bits
  /// Null: as it is, or in `form`. Else packed, as `format` packs input `input` of a kernel with these `params`.
  const PackedFormat* format = nullptr;
  int input = 0;
  std::vector<std::byte> params;
  bool rearranged = false;  ///< in `layout` with `stride` instead of dense
  Layout layout = Layout::strided;
  std::vector<std::int64_t> stride;
};

/// Blocks in the order they were asked for, 64-byte aligned, in a part for each device. Equal constants of a device,
/// and packings that agree in every byte, are one block. The plans of one engine share a store. Not thread-safe.
class WeightStore {
 public:
  /// What `source` has, or makes once for all stores that it is the source of, is not packed again. It must outlive
  /// this store.
  explicit WeightStore(WeightStore* source = nullptr) : source_(source) {}
  /// The host's part goes to the file as it is made, and memory holds one block at a time.
  explicit WeightStore(std::shared_ptr<SpoolFile> spool) : source_(nullptr), spool_(std::move(spool)) {}

  struct Block {
    std::string name;
    std::int64_t offset = 0, bytes = 0;  ///< in its device's part
    std::uint64_t sum = 0;               ///< hash64 of the bytes
    const Kernel* kernel = nullptr;      ///< whose packing it has, or null: plain
    int packing = 0;
    int device = 0;  ///< index into Plan::devices
  };

  /// From now on plain constants that are part of a data file stay there: their blocks lie behind all others of the
  /// host's part, where the file is mapped.
  void keep_external() { keeps_external_ = true; }
  /// The files, in the order of their places: each begins at a page.
  const std::vector<std::shared_ptr<const MappedFile>>& external_files() const { return external_; }

  int plain(const std::shared_ptr<const ir::Constant>& constant, const std::string& name, int device = 0);
  /// The constant rearranged to the strides or the blocked layout of `form`.
  int rearranged(const std::shared_ptr<const ir::Constant>& constant, const std::string& name, const Place& form,
                 int device = 0);
  int packed(const std::shared_ptr<const ir::Constant>& constant, const std::string& name, const Kernel& kernel,
             int packing, const KernelQuery& query, std::span<const std::byte> params, int device = 0);

  /// Bytes that are no constant's elements: a plan's handles of strings.
  int raw(const std::string& name, std::vector<std::byte> bytes);
  /// The same rearranged; `constant` gives type and shape of these `elements`.
  int rearranged_raw(const ir::Constant& constant, std::span<const std::byte> elements, const std::string& name,
                     const Place& form);

  const std::vector<Block>& blocks() const { return blocks_; }
  std::int64_t bytes() const;  ///< of all parts, without what lies in data files
  /// Where a block begins once no more is asked for.
  std::int64_t offset_of(const Block& block) const { return part_begin(block.device) + settled(block.offset); }
  StoredConstant find(const ir::Constant& constant) const;
  /// Tells a plan where the parts lie, once the last plan of the engine is made.
  void settle(PlanStorage& plan) const;
  /// All blocks, where they belong. Nothing is to be asked for afterwards.
  LargeBytes assemble() const;
  /// The same in memory that the store keeps: only what is new since the last call is copied there, and the store's own
  /// copies of it are given up. What was returned before stays as it is. Of
  /// the host's part alone: those after it move when it grows.
  LargeBytes gather();
  /// Bytes of blocks that were made, not adopted from a source.
  std::int64_t made_bytes() const { return source_ != nullptr ? source_->made_bytes() : made_bytes_; }

 private:
  struct Content {
    std::vector<std::byte> owned;
    monza::Region packed;  ///< what a kernel packed, its first packed_bytes
    std::size_t packed_bytes = 0;
    std::shared_ptr<const ir::Constant> borrowed;
    std::span<const std::byte> elsewhere;  ///< of the source, or in gathered_
    bool spooled = false;                  ///< in spool_, where its block says
    std::span<const std::byte> bytes() const;
  };
  bool holds(int block, std::span<const std::byte> bytes) const;
  int add(Block block, Content content);
  int add_external(const std::shared_ptr<const ir::Constant>& constant, const std::string& name);
  static std::vector<std::byte> arranged(const ir::Constant& constant, std::span<const std::byte> elements,
                                         const std::string& name, const Place& form);
  int add(Block block, Content content, std::uint64_t hash);
  /// A block of the source, under a name of its own.
  int adopt(int block, const std::string& name);
  void note(const ir::Constant& constant, StoredConstant stored);
  std::int64_t part_begin(int device) const;
  std::int64_t settled(std::int64_t offset) const;  ///< in its part, once no more is asked for

  std::vector<std::int64_t> part_bytes_;  ///< by device
  WeightStore* source_;
  std::int64_t made_bytes_ = 0;
  bool keeps_external_ = false;
  std::vector<std::shared_ptr<const MappedFile>> external_;
  std::vector<std::int64_t> external_at_;  ///< where each file begins, from kExternal on
  std::int64_t external_end_ = 0;
  std::shared_ptr<SpoolFile> spool_;
  std::shared_ptr<monza::Region> gathered_;  ///< with room for more blocks
  std::size_t gathered_blocks_ = 0;
  std::vector<Block> blocks_;
  std::vector<Content> contents_;
  std::map<std::tuple<const ir::Constant*, int, std::string, std::string>, int> known_;
  std::unordered_multimap<std::uint64_t, int> by_content_;
  std::unordered_map<const ir::Constant*, StoredConstant> stored_;
  std::vector<std::shared_ptr<const ir::Constant>> alive_;  ///< so that no address in the maps is used again
};

/// Bytes of a constant's elements as they are stored in an engine.
std::int64_t constant_bytes(const ir::Constant& constant);

}  // namespace monza::plan
