// A kernel that is added is timed without more work: its operator has a case.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "ir/op.h"
#include "kernel/registry.h"
#include "support/bench_cases.h"
#include "support/data.h"

namespace monza {
namespace {

TEST(BenchCases, HaveEveryOperatorWithFastKernels) {
  std::set<std::string> have;
  for (const test::BenchCase& c : test::bench_cases(test::fixture("../../src/ops"))) have.insert(c.node().op->name);
  for (const Kernel* k : all_kernels())
    if (!k->reference && k->device == DeviceKind::cpu && ir::find_op(k->op) != nullptr)
      EXPECT_TRUE(have.contains(k->op)) << k->op << " (" << k->name << ") has no case in the family's *.bench.txt";
}

}  // namespace
}  // namespace monza
