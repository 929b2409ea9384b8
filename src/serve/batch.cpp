#include "serve/batch.h"

#include <algorithm>

namespace monza::serve {

std::span<std::byte> Slot::input(std::size_t index) const {
  return {batch->input(index, row), static_cast<std::size_t>(batch->shape()[index].row_bytes * rows)};
}

Batch::Batch(const ServedModel& model)
    : model_(model),
      inputs_(memory_for(model, model.inputs())),
      outputs_(memory_for(model, model.outputs())),
      slots_(static_cast<std::size_t>(model.max_rows())) {}

std::vector<Batch::Memory> Batch::memory_for(const ServedModel& model, const std::vector<Port>& ports) {
  std::vector<Memory> memory(ports.size());
  for (std::size_t k = 0; k < ports.size(); ++k) {
    // An empty tensor has an address, too.
    const std::int64_t bytes = std::max<std::int64_t>(1, ports[k].most_row_bytes * model.max_rows());
    if (model.engine().stats().device == Device::cuda && ports[k].dtype != DType::string) {
      memory[k].pinned = model.engine().host_tensor(DType::u8, {bytes});
      memory[k].data = memory[k].pinned.as<std::byte>();
    } else {
      memory[k].region = Region(bytes);
      memory[k].data = memory[k].region.data();
    }
  }
  return memory;
}

void Batch::open(ModelQueue& queue, const ServedModel::Fit& fit) {
  queue_ = &queue;
  shape_ = fit.inputs;
  used_ = 0;
  rows_ = live_ = 0;
  open_ = true;
}

bool Batch::takes(const ServedModel::Fit& fit) const {
  return open_ && rows_ + fit.rows <= model_.max_rows() && used_ < slots_.size() && shape_ == fit.inputs;
}

Slot& Batch::add(std::int64_t rows) {
  Slot& slot = slots_[used_++];
  std::vector<Slot::Output> outputs = std::move(slot.outputs);  // its memory is used again
  slot = Slot{};
  slot.outputs = std::move(outputs);
  slot.batch = this;
  slot.row = rows_;
  slot.rows = rows;
  rows_ += rows;
  ++live_;
  return slot;
}

}  // namespace monza::serve
