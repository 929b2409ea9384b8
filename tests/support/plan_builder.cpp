#include "support/plan_builder.h"

#include <algorithm>

#include "tensor/storage.h"

namespace monza::test {

using plan::Base;
using plan::Operand;
using plan::Step;

PlanBuilder::PlanBuilder() {
  storage.regions.emplace_back();  // the model's, filled by finish()
  storage.devices.emplace_back();
}

plan::Register PlanBuilder::variable(std::int64_t initial) {
  storage.registers.push_back(initial);
  return static_cast<plan::Register>(storage.registers.size() - 1);
}

plan::Register PlanBuilder::constant(std::int64_t value) {
  const auto it = constants_.find(value);
  return it != constants_.end() ? it->second : constants_[value] = variable(value);
}

std::int64_t PlanBuilder::arena(std::int64_t bytes, int device) {
  plan::DeviceRef& d = storage.devices[static_cast<std::size_t>(device)];
  const std::int64_t at = d.arena_bytes;
  d.arena_bytes += (bytes + 63) / 64 * 64;
  return at;
}

std::int64_t PlanBuilder::weight(std::string name, std::span<const std::byte> bytes) {
  const std::size_t at = weights_.size() * 64;
  weights_.resize(weights_.size() + (bytes.size() + 63) / 64);
  std::memcpy(weights_.data() + at / 64, bytes.data(), bytes.size());
  plan::WeightBlock block;
  block.name = storage.intern(name);
  block.offset = static_cast<std::int64_t>(at);
  block.bytes = static_cast<std::int64_t>(bytes.size());
  storage.weight_blocks.push_back(block);
  storage.weights_bytes = storage.devices[0].weights_bytes = static_cast<std::int64_t>(weights_.size() * 64);
  return block.offset;
}

Operand PlanBuilder::operand(Base base, DType dtype, std::vector<Dim> dims, std::int64_t byte_offset, int index,
                             int device) {
  Operand o;
  o.base = base;
  o.dtype = dtype;
  o.rank = static_cast<std::uint8_t>(dims.size());
  o.device = static_cast<std::uint8_t>(device);
  o.index = index;
  o.byte_offset = byte_offset;
  o.is_static = 1;
  Shape largest;
  largest.rank = o.rank;
  std::int64_t stride = 1;
  for (int a = o.rank - 1; a >= 0; --a) {
    const Dim& d = dims[static_cast<std::size_t>(a)];
    largest[a] = d.value;
    o.extent[a] = d.reg != plan::kNoRegister ? d.reg : constant(d.value);
    o.stride[a] = constant(stride);
    stride *= d.value;
    if (d.reg != plan::kNoRegister) o.is_static = 0;
  }
  o.byte_bound = storage_bytes(dtype, largest);
  return o;
}

Operand PlanBuilder::in_arena(DType dtype, std::vector<Dim> dims, int device) {
  Operand o = operand(Base::arena, dtype, std::move(dims), 0, 0, device);
  o.byte_offset = arena(o.byte_bound, device);
  return o;
}

int PlanBuilder::input(std::string name, DType dtype, std::vector<std::int64_t> min, std::vector<std::int64_t> max) {
  plan::ModelPort port;
  port.name = storage.intern(name);
  port.dtype = dtype;
  port.rank = static_cast<std::uint8_t>(max.size());
  for (std::size_t a = 0; a < max.size(); ++a) {
    port.min[a] = min[a];
    port.opt[a] = port.max[a] = max[a];
  }
  storage.inputs.push_back(port);
  return static_cast<int>(storage.inputs.size() - 1);
}

int PlanBuilder::output(std::string name, Operand whole) {
  plan::ModelPort port;
  port.name = storage.intern(name);
  port.dtype = whole.dtype;
  port.rank = whole.rank;
  std::int64_t inner = 1;
  for (int a = whole.rank - 1; a >= 0; --a) {
    // The largest extent follows from the dense strides and the bound.
    const std::int64_t next = a > 0 ? storage.registers[static_cast<std::size_t>(whole.stride[a - 1])]
                                    : whole.byte_bound / storage_bytes(whole.dtype, {1});
    port.max[a] = port.opt[a] = inner == 0 ? 0 : next / inner;
    inner = next;
  }
  whole.base = Base::output;
  whole.index = static_cast<std::int32_t>(storage.outputs.size());
  whole.byte_offset = 0;
  port.operand = add(whole);
  storage.outputs.push_back(port);
  return whole.index;
}

int PlanBuilder::state(std::string name, DType dtype, std::vector<std::int64_t> row) {
  plan::ModelPort port;
  port.name = storage.intern(name);
  port.dtype = dtype;
  port.rank = static_cast<std::uint8_t>(row.size() + 1);
  port.max[0] = port.opt[0] = static_cast<std::int64_t>(1) << 20;
  for (std::size_t a = 0; a < row.size(); ++a) port.min[a + 1] = port.opt[a + 1] = port.max[a + 1] = row[a];
  storage.states.push_back(port);
  return static_cast<int>(storage.states.size() - 1);
}

std::int32_t PlanBuilder::add(const Operand& o) {
  storage.operands.push_back(o);
  return static_cast<std::int32_t>(storage.operands.size() - 1);
}

plan::Range PlanBuilder::add(const std::vector<Operand>& list) {
  const plan::Range r{static_cast<std::uint32_t>(storage.operands.size()), static_cast<std::uint32_t>(list.size())};
  for (const Operand& o : list) add(o);
  return r;
}

plan::Range PlanBuilder::program(const std::vector<plan::ScalarInstruction>& list) {
  const plan::Range r{static_cast<std::uint32_t>(storage.program.size()), static_cast<std::uint32_t>(list.size())};
  storage.program.insert(storage.program.end(), list.begin(), list.end());
  return r;
}

std::int32_t PlanBuilder::check(std::int64_t low, std::int64_t high, std::string what) {
  storage.checks.push_back({low, high, storage.intern(what)});
  return static_cast<std::int32_t>(storage.checks.size() - 1);
}

std::int32_t PlanBuilder::kernel_index(const Kernel& kernel) {
  for (std::size_t i = 0; i < kernels.size(); ++i)
    if (kernels[i] == &kernel) return static_cast<std::int32_t>(i);
  kernels.push_back(&kernel);
  storage.kernels.push_back({storage.intern(kernel.name), kernel.version});
  return static_cast<std::int32_t>(kernels.size() - 1);
}

Step& PlanBuilder::step(std::string name, const Kernel& kernel, const std::vector<Operand>& in,
                        const std::vector<Operand>& out, std::span<const std::byte> params,
                        const std::vector<plan::ScalarInstruction>& before) {
  Step s;
  s.name = storage.intern(name);
  s.kernel = kernel_index(kernel);
  s.inputs = add(in);
  s.outputs = add(out);
  s.program = program(before);
  storage.params.resize((storage.params.size() + 15) / 16 * 16);
  s.params = {static_cast<std::uint32_t>(storage.params.size()), static_cast<std::uint32_t>(params.size())};
  storage.params.insert(storage.params.end(), params.begin(), params.end());
  pending_.push_back(s);
  return pending_.back();
}

Step& PlanBuilder::copy(std::string name, const Operand& from, const Operand& to) {
  Step s;
  s.kind = plan::StepKind::copy;
  s.device = std::max(from.device, to.device);
  s.name = storage.intern(name);
  s.inputs = add(std::vector{from});
  s.outputs = add(std::vector{to});
  pending_.push_back(s);
  return pending_.back();
}

Step& PlanBuilder::branch(std::string name, Operand condition, std::int32_t then_region, std::int32_t else_region) {
  Step s;
  s.kind = plan::StepKind::branch;
  s.name = storage.intern(name);
  s.inputs = add(std::vector<Operand>{condition});
  s.regions = {static_cast<std::uint32_t>(storage.region_refs.size()), 2};
  storage.region_refs.push_back(then_region);
  storage.region_refs.push_back(else_region);
  pending_.push_back(s);
  return pending_.back();
}

Step& PlanBuilder::loop(std::string name, const plan::LoopInfo& info) {
  Step s;
  s.kind = plan::StepKind::loop;
  s.name = storage.intern(name);
  s.loop = static_cast<std::int32_t>(storage.loops.size());
  storage.loops.push_back(info);
  pending_.push_back(s);
  return pending_.back();
}

std::int32_t PlanBuilder::end_region(const std::vector<plan::ScalarInstruction>& after) {
  plan::Region region;
  region.steps = {static_cast<std::uint32_t>(storage.steps.size()), static_cast<std::uint32_t>(pending_.size())};
  region.program = program(after);
  storage.steps.insert(storage.steps.end(), pending_.begin(), pending_.end());
  pending_.clear();
  storage.regions.push_back(region);
  return static_cast<std::int32_t>(storage.regions.size() - 1);
}

void PlanBuilder::finish(const std::vector<plan::ScalarInstruction>& after) {
  end_region(after);
  storage.regions[0] = storage.regions.back();
  storage.regions.pop_back();
  storage.params.resize(storage.params.size() + plan::kParamsRoom);
}

std::shared_ptr<const runtime::Program> PlanBuilder::program_of() const {
  auto program = std::make_shared<runtime::Program>();
  program->plan = storage.view();
  program->weights = weights();
  program->kernels = kernels;
  program->devices = runtime::open_devices(program->plan, program->weights);
  return program;
}

}  // namespace monza::test
