#include "plan/weights.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "kernel/check.h"
#include "kernel/registry.h"
#include "kernel/serial.h"
#include "tensor/storage.h"

namespace monza::plan {

namespace {

constexpr std::int64_t kPage = 4096;  // a part may be mapped or sent to its device by itself
/// Where the places of blocks in data files begin while plans are made: behind any block of the engine's own. settle()
/// brings them nearer.
constexpr std::int64_t kExternal = static_cast<std::int64_t>(1) << 52;

/// Large pages where they are filled: touching a model's weights page by page takes longer than packing them.
RegionOptions large_pages(std::size_t bytes) { return {.huge_pages = bytes >= std::size_t{4} << 20}; }

std::int64_t whole_pages(std::int64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

/// The parameters that packings look at: an activation that is fused into a product leaves its weights as they are.
std::span<const std::byte> packing_params(const Kernel& kernel, std::span<const std::byte> params) {
  const OperatorCheck* check = find_check(kernel.op);
  if (check == nullptr || check->epilogue_at == 0) return params;
  return params.first(std::min<std::size_t>(check->epilogue_at, params.size()));
}

}  // namespace

std::int64_t constant_bytes(const ir::Constant& constant) { return storage_bytes(constant.dtype, constant.shape); }

std::span<const std::byte> WeightStore::Content::bytes() const {
  if (elsewhere.data() != nullptr) return elsewhere;
  if (packed.data() != nullptr) return {packed.data(), packed_bytes};
  return borrowed ? borrowed->bytes.first(static_cast<std::size_t>(constant_bytes(*borrowed))) : std::span(owned);
}

int WeightStore::add(Block block, Content content) {
  const std::uint64_t hash = hash64(content.bytes());
  return add(std::move(block), std::move(content), hash);
}

int WeightStore::adopt(int id, const std::string& name) {
  const Block& from = source_->blocks_[static_cast<std::size_t>(id)];
  return add({.name = name, .kernel = from.kernel, .packing = from.packing, .device = from.device},
             {.elsewhere = source_->contents_[static_cast<std::size_t>(id)].bytes()}, from.sum);
}

int WeightStore::add(Block block, Content content, std::uint64_t hash) {
  const std::span<const std::byte> bytes = content.bytes();
  for (auto [it, end] = by_content_.equal_range(hash); it != end; ++it) {
    const Block& other = blocks_[static_cast<std::size_t>(it->second)];
    if (other.kernel == block.kernel && other.packing == block.packing && other.device == block.device &&
        holds(it->second, bytes))
      return it->second;
  }
  const int id = static_cast<int>(blocks_.size());
  if (part_bytes_.size() <= static_cast<std::size_t>(block.device))
    part_bytes_.resize(static_cast<std::size_t>(block.device) + 1);
  std::int64_t& end = part_bytes_[static_cast<std::size_t>(block.device)];
  end = (end + 63) & ~std::int64_t(63);
  block.offset = end;
  block.bytes = static_cast<std::int64_t>(bytes.size());
  block.sum = hash;
  end += block.bytes;
  made_bytes_ += block.bytes;
  if (spool_ != nullptr && block.device == 0) {
    spool_->write(static_cast<std::uint64_t>(block.offset), bytes);
    content = {.spooled = true};
  }
  blocks_.push_back(std::move(block));
  contents_.push_back(std::move(content));
  by_content_.emplace(hash, id);
  return id;
}

int WeightStore::add_external(const std::shared_ptr<const ir::Constant>& constant, const std::string& name) {
  std::size_t f = static_cast<std::size_t>(std::ranges::find(external_, constant->file) - external_.begin());
  if (f == external_.size()) {
    external_.push_back(constant->file);
    external_at_.push_back(kExternal + external_end_);
    external_end_ += whole_pages(static_cast<std::int64_t>(constant->file->bytes().size()));
  }
  const Content content{.borrowed = constant};
  const std::span<const std::byte> bytes = content.bytes();
  blocks_.push_back({.name = name,
                     .offset = external_at_[f] + (bytes.data() - constant->file->bytes().data()),
                     .bytes = static_cast<std::int64_t>(bytes.size()),
                     .sum = hash64(bytes)});
  contents_.push_back({});  // it is where it belongs
  return static_cast<int>(blocks_.size()) - 1;
}

bool WeightStore::holds(int id, std::span<const std::byte> bytes) const {
  const Block& block = blocks_[static_cast<std::size_t>(id)];
  if (!contents_[static_cast<std::size_t>(id)].spooled)
    return std::ranges::equal(contents_[static_cast<std::size_t>(id)].bytes(), bytes);
  if (static_cast<std::size_t>(block.bytes) != bytes.size()) return false;
  std::vector<std::byte> piece(std::min(bytes.size(), static_cast<std::size_t>(1) << 20));
  for (std::size_t at = 0; at < bytes.size(); at += piece.size()) {
    piece.resize(std::min(piece.size(), bytes.size() - at));
    spool_->read(static_cast<std::uint64_t>(block.offset) + at, piece);
    if (!std::ranges::equal(piece, bytes.subspan(at, piece.size()))) return false;
  }
  return true;
}

void WeightStore::note(const ir::Constant& constant, StoredConstant stored) {
  const auto [it, added] = stored_.try_emplace(&constant, stored);
  // The plain form is read without work.
  const bool plain = stored.format == nullptr && !stored.rearranged;
  if (!added && plain) it->second = std::move(stored);
}

int WeightStore::plain(const std::shared_ptr<const ir::Constant>& constant, const std::string& name, int device) {
  auto [it, added] = known_.try_emplace({constant.get(), device, "", ""}, -1);
  if (added) {
    alive_.push_back(constant);
    if (keeps_external_ && device == 0 && constant->file != nullptr) it->second = add_external(constant, name);
    else if (source_ != nullptr) it->second = adopt(source_->plain(constant, name, device), name);
    else it->second = add({.name = name, .device = device}, {.borrowed = constant});
    note(*constant, {.block = it->second});
  }
  return it->second;
}

int WeightStore::rearranged(const std::shared_ptr<const ir::Constant>& constant, const std::string& name,
                            const Place& form, int device) {
  std::string key = std::to_string(static_cast<int>(form.layout));
  for (const ir::Expr& s : form.stride) key += "," + ir::to_string(s);
  auto [it, added] = known_.try_emplace({constant.get(), device, "form", key}, -1);
  if (!added) return it->second;
  alive_.push_back(constant);
  StoredConstant stored{.rearranged = true, .layout = form.layout};
  for (int i = 0; i < constant->shape.rank; ++i)
    stored.stride.push_back(form.stride[static_cast<std::size_t>(i)].constant());
  stored.block = it->second = source_ != nullptr ? adopt(source_->rearranged(constant, name, form, device), name)
                                                 : add({.name = name, .device = device},
                                                       {.owned = arranged(*constant, constant->bytes, name, form)});
  note(*constant, std::move(stored));
  return it->second;
}

int WeightStore::raw(const std::string& name, std::vector<std::byte> bytes) {
  return add({.name = name}, {.owned = std::move(bytes)});
}

int WeightStore::rearranged_raw(const ir::Constant& constant, std::span<const std::byte> elements,
                                const std::string& name, const Place& form) {
  return add({.name = name}, {.owned = arranged(constant, elements, name, form)});
}

std::vector<std::byte> WeightStore::arranged(const ir::Constant& constant, std::span<const std::byte> elements,
                                             const std::string& name, const Place& form) {
  const std::int64_t bytes = storage_bytes(constant.dtype, constant.shape, form.layout);
  std::vector<std::byte> content(static_cast<std::size_t>(std::max<std::int64_t>(bytes, 1)));
  const TensorView in = dense_view(const_cast<std::byte*>(elements.data()), constant.dtype, constant.shape);
  TensorView out = in;
  out.data = content.data();
  out.layout = form.layout;
  for (int i = 0; i < constant.shape.rank; ++i) out.stride[i] = form.stride[static_cast<std::size_t>(i)].constant();
  Serial serial;
  KernelContext context;
  context.in = &in;
  context.in_count = 1;
  context.out = &out;
  context.out_count = 1;
  context.parallel = &serial;
  if (const Status status = find_kernel("copy_ref")->run(context); !status)
    fail("cannot rearrange constant '{}': {}", name, status.message());
  content.resize(static_cast<std::size_t>(bytes));
  return content;
}

int WeightStore::packed(const std::shared_ptr<const ir::Constant>& constant, const std::string& name,
                        const Kernel& kernel, int packing, const KernelQuery& query, std::span<const std::byte> params,
                        int device) {
  // What a packing looks at is the kernel's query: parameters, and the types and shapes of the operands. What can be
  // unpacked from parameters and the constant alone was packed from these alone.
  const Packing& p = kernel.packings[packing];
  const std::span<const std::byte> read = packing_params(kernel, params);
  std::string key(reinterpret_cast<const char*>(read.data()), read.size());
  key += std::to_string(packing);
  for (int i = 0; i < query.in_count; ++i)
    if (p.format == nullptr || i == p.input)
      key += ";" + to_string(query.in[i].shape) + std::to_string(static_cast<int>(query.in[i].dtype));
  auto [it, added] = known_.try_emplace({constant.get(), device, kernel.name, key}, -1);
  if (!added) return it->second;
  alive_.push_back(constant);
  if (source_ != nullptr) {
    it->second = adopt(source_->packed(constant, name, kernel, packing, query, params, device), name);
  } else {
    const std::size_t bytes = p.bytes(query);
    Content content{
        .packed = monza::Region(static_cast<std::int64_t>(std::max<std::size_t>(bytes, 1)), large_pages(bytes)),
        .packed_bytes = bytes};
    p.pack(query, content.packed.data());
    it->second = add({.name = name, .kernel = &kernel, .packing = packing, .device = device}, std::move(content));
  }
  if (p.format != nullptr)
    note(*constant, {.block = it->second,
                     .format = p.format,
                     .input = p.input,
                     .params = std::vector<std::byte>(params.begin(), params.end())});
  return it->second;
}

StoredConstant WeightStore::find(const ir::Constant& constant) const {
  const auto it = stored_.find(&constant);
  return it == stored_.end() ? StoredConstant{} : it->second;
}

std::int64_t WeightStore::part_begin(int device) const {
  std::int64_t begin = 0;
  for (std::size_t d = 0; d < std::min(static_cast<std::size_t>(device), part_bytes_.size()); ++d)
    begin = whole_pages(begin + part_bytes_[d]);
  return begin;
}

std::int64_t WeightStore::bytes() const {
  return part_bytes_.empty() ? 0 : part_begin(static_cast<int>(part_bytes_.size()) - 1) + part_bytes_.back();
}

std::int64_t WeightStore::settled(std::int64_t offset) const {
  return offset < kExternal ? offset : offset - kExternal + whole_pages(bytes());
}

void WeightStore::settle(PlanStorage& plan) const {
  for (WeightBlock& b : plan.weight_blocks) b.offset = settled(b.offset) + part_begin(b.device);
  for (Operand& o : plan.operands)
    if (o.base == Base::weights) o.byte_offset = settled(o.byte_offset);
  for (std::size_t d = 0; d < std::min(plan.devices.size(), part_bytes_.size()); ++d) {
    plan.devices[d].weights_offset = part_begin(static_cast<int>(d));
    plan.devices[d].weights_bytes = part_bytes_[d];
  }
  plan.weights_bytes = bytes();
  // The host's part then reaches over those of other devices to the files behind them.
  if (!external_.empty()) plan.weights_bytes = plan.devices[0].weights_bytes = whole_pages(bytes()) + external_end_;
}

LargeBytes WeightStore::assemble() const {
  const auto each = [&](auto&& put) {
    for (std::size_t i = 0; i < blocks_.size(); ++i)
      if (const auto bytes = contents_[i].bytes(); !bytes.empty()) put(offset_of(blocks_[i]), bytes);
  };
  LargeBytes all;
  if (spool_ != nullptr) {
    each([&](std::int64_t at, std::span<const std::byte> bytes) {
      spool_->write(static_cast<std::uint64_t>(at), bytes);
    });
    all.bytes = SpoolFile::map(spool_, static_cast<std::uint64_t>(bytes()), &all.owner);
    all.spool = spool_;
    return all;
  }
  const auto region = std::make_shared<monza::Region>(bytes(), large_pages(static_cast<std::size_t>(bytes())));
  each([&](std::int64_t at, std::span<const std::byte> bytes) {
    std::memcpy(region->data() + at, bytes.data(), bytes.size());
  });
  all.bytes = {region->data(), static_cast<std::size_t>(region->bytes())};
  all.owner = region;
  return all;
}

LargeBytes WeightStore::gather() {
  std::shared_ptr<monza::Region> old;  // engines go on using it; what lies there is copied from there
  if (gathered_ == nullptr || gathered_->bytes() < bytes()) {
    // Room is address space alone until it is written to.
    old = std::exchange(gathered_, std::make_shared<monza::Region>(2 * bytes()));
    gathered_blocks_ = 0;
  }
  for (; gathered_blocks_ < blocks_.size(); ++gathered_blocks_) {
    Content& content = contents_[gathered_blocks_];
    const std::span<const std::byte> bytes = content.bytes();
    std::byte* to = gathered_->data() + blocks_[gathered_blocks_].offset;
    if (bytes.empty() || blocks_[gathered_blocks_].device != 0) continue;
    std::memcpy(to, bytes.data(), bytes.size());
    content = {.elsewhere = {to, bytes.size()}};
  }
  return {.bytes = {gathered_->data(), static_cast<std::size_t>(gathered_->bytes())}, .owner = gathered_};
}

}  // namespace monza::plan
