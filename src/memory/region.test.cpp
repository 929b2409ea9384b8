#include "memory/region.h"

#include <gtest/gtest.h>

#include "support/error_text.h"

namespace monza {
namespace {

TEST(Region, PagesComeOnTouch) {
  const std::int64_t bytes = static_cast<std::int64_t>(1) << 36;  // far more than any machine for tests has free
  Region region(bytes);
  ASSERT_NE(region.data(), nullptr);
  region.data()[0] = std::byte{1};
  region.data()[bytes - 1] = std::byte{2};
  EXPECT_EQ(region.data()[12345], std::byte{0});
}

TEST(Region, ResidentBytesCountTouchedPages) {
  Region region(1 << 20);
  EXPECT_EQ(region.resident_bytes(), 0);
  region.data()[5000] = std::byte{1};
  EXPECT_GT(region.resident_bytes(), 0);
  EXPECT_LT(region.resident_bytes(), 1 << 20);
}

TEST(Region, PrefaultTouchesAll) {
  MONZA_NEED_ADDRESS_SPACE_LIMIT();  // an emulator that keeps none takes this advice as lightly
  Region region(1 << 20, {.prefault = true});
  EXPECT_EQ(region.resident_bytes(), 1 << 20);
}

TEST(Region, HugePagesAreAlignedAndUsable) {
  Region region(5 << 20, {.prefault = true, .huge_pages = true});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(region.data()) % (2 << 20), 0u);
  region.data()[(5 << 20) - 1] = std::byte{1};
}

TEST(Region, EmptyNegativeAndHugeSizes) {
  EXPECT_EQ(Region(0).data(), nullptr);
  EXPECT_EQ(test::error_of([] { Region(-1); }), "a memory region cannot have -1 bytes");
  EXPECT_EQ(test::error_of([] { Region(INT64_MAX); }),
            "size of a memory region overflows 64 bits: 9223372036854775807 + 4095");
  EXPECT_EQ(test::error_of([] { Region(static_cast<std::int64_t>(1) << 60); }),
            "cannot reserve 1152921504606846976 bytes of memory: Cannot allocate memory\n  try: use smaller maximum "
            "shapes, or raise the limit on address space (ulimit -v)");
}

TEST(Region, MovesOwnership) {
  Region a(4096);
  std::byte* data = a.data();
  Region b(std::move(a));
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(a.data(), nullptr);  // NOLINT(bugprone-use-after-move): that is what is tested
  a = std::move(b);
  EXPECT_EQ(a.data(), data);
}

}  // namespace
}  // namespace monza
