#include "monza/sequence.h"

#include "base/error.h"
#include "engine/run/context_impl.h"

namespace monza {

struct SequencePool::Impl {
  std::shared_ptr<BlockStore> store;
  std::shared_ptr<const StateLayout> layout;
  std::shared_ptr<const std::vector<StateFormat>> formats;
  std::int64_t max_positions = 0;
  std::shared_ptr<const runtime::Program> program;
};

SequencePool::SequencePool(const Engine& engine, const SequencePoolOptions& options) : impl_(std::make_unique<Impl>()) {
  const plan::Plan& plan = engine.impl().image.plan;
  if (plan.states.empty()) fail("the engine keeps no state, so there are no sequences of it");
  if (options.blocks < 1) fail("a pool of sequences needs a block at least, but {} are asked for", options.blocks);
  std::vector<StateFormat> formats;
  std::vector<std::int64_t> position_bytes;
  for (const plan::ModelPort& port : plan.states) {
    Shape position;
    for (int a = 1; a < port.rank; ++a) position.dim[position.rank++] = port.max[a];
    formats.push_back(make_state_format(port.dtype, position));
    position_bytes.push_back(formats.back().position_bytes);
  }
  impl_->layout =
      std::make_shared<const StateLayout>(make_state_layout(options.block_length, std::move(position_bytes)));
  impl_->formats = std::make_shared<const std::vector<StateFormat>>(std::move(formats));
  impl_->store = std::make_shared<BlockStore>(impl_->layout->block_bytes, options.blocks);
  impl_->max_positions = options.max_positions;
  impl_->program = engine.impl().profiles[0].program;
}
SequencePool::SequencePool(SequencePool&&) noexcept = default;
SequencePool& SequencePool::operator=(SequencePool&&) noexcept = default;
SequencePool::~SequencePool() = default;

Sequence SequencePool::create() const {
  auto impl = std::make_unique<Sequence::Impl>();
  impl->table = std::make_unique<SequenceTable>(impl_->store, impl_->layout, impl_->max_positions);
  impl->formats = impl_->formats;
  impl->program = impl_->program;
  return Sequence(std::move(impl));
}
std::int32_t SequencePool::free_blocks() const noexcept { return impl_->store->free_blocks(); }

Sequence::Sequence(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Sequence::Sequence(Sequence&&) noexcept = default;
Sequence& Sequence::operator=(Sequence&&) noexcept = default;
Sequence::~Sequence() = default;

std::int64_t Sequence::length() const noexcept { return impl_->table->length(); }
std::int64_t Sequence::capacity() const noexcept { return impl_->table->capacity(); }
Status Sequence::reserve(std::int64_t positions) noexcept { return impl_->table->reserve(positions); }
Status Sequence::truncate(std::int64_t length) noexcept { return impl_->table->truncate(length); }

Sequence Sequence::fork() const {
  auto impl = std::make_unique<Impl>();
  impl->table = impl_->table->fork();
  impl->formats = impl_->formats;
  impl->program = impl_->program;
  return Sequence(std::move(impl));
}

}  // namespace monza
