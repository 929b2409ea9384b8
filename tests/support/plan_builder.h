// Plans written by hand: what tests of the runtime and of the engine file run.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernel/kernel.h"
#include "plan/data/plan.h"
#include "runtime/program.h"

namespace monza::test {

/// A dimension: a constant, or a register that something writes at run time.
struct Dim {
  std::int64_t value = 0;
  plan::Register reg = plan::kNoRegister;
  Dim(std::int64_t v) : value(v) {}  // NOLINT(google-explicit-constructor)
  Dim(int v) : value(v) {}           // NOLINT(google-explicit-constructor)
  static Dim in(plan::Register r, std::int64_t largest) {
    Dim d(largest);
    d.reg = r;
    return d;
  }
};

/// Fills a PlanStorage piece by piece. Regions are closed in the order of end_region(): build children first, in
/// any order, and the model's region last with finish(), which moves it to index 0.
class PlanBuilder {
 public:
  PlanBuilder();

  plan::PlanStorage storage;
  std::vector<const Kernel*> kernels;

  plan::Register constant(std::int64_t value);
  plan::Register variable(std::int64_t initial = 0);
  /// Space in a device's arena, 64-byte aligned: its offset.
  std::int64_t arena(std::int64_t bytes, int device = 0);
  /// Bytes in the weights, 64-byte aligned: their offset. Makes a weight block of them.
  std::int64_t weight(std::string name, std::span<const std::byte> bytes);

  /// A dense operand. Dynamic dims make it dynamic, with strides of the largest shape unless all inner dims are
  /// constant.
  plan::Operand operand(plan::Base base, DType dtype, std::vector<Dim> dims, std::int64_t byte_offset = 0,
                        int index = 0, int device = 0);
  plan::Operand in_arena(DType dtype, std::vector<Dim> dims, int device = 0);
  plan::Operand absent() const { return {}; }
  int input(std::string name, DType dtype, std::vector<std::int64_t> min, std::vector<std::int64_t> max);
  int output(std::string name, plan::Operand whole);
  int state(std::string name, DType dtype, std::vector<std::int64_t> row);

  std::int32_t add(const plan::Operand& o);
  plan::Range add(const std::vector<plan::Operand>& list);
  plan::Range program(const std::vector<plan::ScalarInstruction>& list);
  std::int32_t check(std::int64_t low, std::int64_t high, std::string what);

  /// Adds a step to the open region; returns it for changes.
  plan::Step& step(std::string name, const Kernel& kernel, const std::vector<plan::Operand>& in,
                   const std::vector<plan::Operand>& out, std::span<const std::byte> params = {},
                   const std::vector<plan::ScalarInstruction>& before = {});
  /// A copy between the host and another device.
  plan::Step& copy(std::string name, const plan::Operand& from, const plan::Operand& to);
  plan::Step& branch(std::string name, plan::Operand condition, std::int32_t then_region, std::int32_t else_region);
  plan::Step& loop(std::string name, const plan::LoopInfo& info);
  /// Closes the steps collected since the last call as a region and returns its number after finish().
  std::int32_t end_region(const std::vector<plan::ScalarInstruction>& after = {});
  /// Closes the model's region. No more additions.
  void finish(const std::vector<plan::ScalarInstruction>& after = {});

  std::span<const std::byte> weights() const { return std::as_bytes(std::span(weights_)); }
  /// The plan as a program over this builder, which must outlive it.
  std::shared_ptr<const runtime::Program> program_of() const;

 private:
  std::int32_t kernel_index(const Kernel& kernel);
  std::map<std::int64_t, plan::Register> constants_;
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> weights_;
  std::vector<plan::Step> pending_;
  std::vector<plan::Range> closed_;
};

}  // namespace monza::test
