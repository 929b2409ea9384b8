// The lists of kernels and the kernels go by the same names, in the same order.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "kernel/registry.h"
#include "support/data.h"

namespace monza {
namespace {

TEST(KernelLists, NameKernelsByTheirSymbols) {
  for (const KernelFamily& family : kernel_families()) {
    const std::string path =
        test::fixture("../../src/ops/" + std::string(family.name) + "/" + family.name + ".kernels.txt");
    std::ifstream file(path);
    ASSERT_TRUE(file) << path;
    std::vector<std::string> listed, named;
    // Kernels of other processors are left out.
    for (std::string line; std::getline(file, line);)
      if (find_kernel(line) != nullptr) listed.push_back(line);
    for (int i = 0; i < family.count; ++i) {
      named.emplace_back(family.kernels[i]->name);
      EXPECT_EQ(find_kernel(named.back()), family.kernels[i]) << named.back() << ": two kernels have this name";
    }
    EXPECT_EQ(named, listed) << path;
  }
}

}  // namespace
}  // namespace monza
