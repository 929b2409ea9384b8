// The lists of kernels and the kernels go by the same names, in the same order; and what kernels pack, every build
// unpacks.
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

TEST(KernelLists, EveryPackedFormatIsFoundByItsName) {
  for (const Kernel* k : all_kernels())
    for (int i = 0; i < k->packing_count; ++i)
      if (const PackedFormat* format = k->packings[i].format; format != nullptr) {
        EXPECT_EQ(find_packed_format(format->name), format) << k->name << ": " << format->name;
      }
  // Whatever the processor of this build is, and whether it has GPU code.
  for (const char* name : {"matmul_panels_16", "qconv_panels_8", "rnn_gates_128", "conv_gpu_rows_f16"})
    EXPECT_NE(find_packed_format(name), nullptr) << name;
  EXPECT_EQ(find_packed_format("braid"), nullptr);
}

}  // namespace
}  // namespace monza
