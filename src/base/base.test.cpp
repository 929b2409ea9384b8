// Errors, checked arithmetic, hashes, instruction-set names.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/checked.h"
#include "base/constraint.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"
#include "support/error_text.h"

namespace monza {
namespace {

TEST(Error, ReadsPlaceFactAndHint) {
  const Error plain("it broke");
  EXPECT_STREQ(plain.what(), "it broke");
  const Error full = Error("it broke", "mend it").at("node 'a'").at("model 'm'");
  EXPECT_STREQ(full.what(), "node 'a', in model 'm': it broke\n  try: mend it");
  EXPECT_EQ(full.fact(), "it broke");
  EXPECT_EQ(full.where(), "node 'a', in model 'm'");
  EXPECT_EQ(full.hint(), "mend it");
}

TEST(Error, StringsOfStrangersAddNoLineToIt) {
  const std::string mode = "linear'\n  try: run this\x1b[2K";
  EXPECT_EQ(test::error_of([&] { fail("there is no mode '{}' of {}", mode, 3); }),
            "there is no mode 'linear'\\n  try: run this\\x1b[2K' of 3");
  EXPECT_EQ(test::error_of([&] { fail_hint("a known one", "there is no mode '{}'", mode.c_str()); }),
            "there is no mode 'linear'\\n  try: run this\\x1b[2K'\n  try: a known one");
}

TEST(Checked, OverflowsAreErrorsThatNameWhat) {
  EXPECT_EQ(checked_mul(1 << 20, 1 << 20, "x"), static_cast<std::int64_t>(1) << 40);
  EXPECT_EQ(checked_mul(INT64_MIN, 1, "x"), INT64_MIN);
  EXPECT_EQ(checked_add(INT64_MAX, INT64_MIN, "x"), -1);
  EXPECT_EQ(checked_round_up(0, 64, "x"), 0);
  EXPECT_EQ(checked_round_up(65, 64, "x"), 128);
  EXPECT_EQ(checked_round_up(128, 64, "x"), 128);
  EXPECT_THROW(checked_mul(INT64_MIN, -1, "x"), Error);
  EXPECT_THROW(checked_mul(static_cast<std::int64_t>(1) << 32, static_cast<std::int64_t>(1) << 31, "x"), Error);
  EXPECT_THROW(checked_add(INT64_MAX, 1, "x"), Error);
  EXPECT_THROW(checked_round_up(INT64_MAX - 10, 64, "x"), Error);
  EXPECT_EQ(test::error_of([] { checked_mul(INT64_MAX, 2, "the frobnicator's size"); }),
            "the frobnicator's size overflows 64 bits: 9223372036854775807 * 2");
  EXPECT_EQ(test::error_of([] { checked_add(INT64_MAX, 2, "the frobnicator's size"); }),
            "the frobnicator's size overflows 64 bits: 9223372036854775807 + 2");
}

// Published test vectors of XXH64.
TEST(Hash, MatchesXxh64) {
  EXPECT_EQ(hash64(""), 0xef46db3751d8e999ull);
  EXPECT_EQ(hash64("a"), 0xd24ec4f1a98c6e5bull);
  EXPECT_EQ(hash64("abc"), 0x44bc2cf5ad770999ull);
  EXPECT_EQ(hash64("Nobody inspects the spammish repetition"), 0xfbcea83c8a378bf1ull);
}

TEST(Hash, EveryBitAndLengthCounts) {
  std::vector<std::byte> data(100);
  for (std::size_t length = 0; length <= data.size(); ++length) {
    const auto whole = std::span<const std::byte>(data).first(length);
    const std::uint64_t before = hash64(whole);
    EXPECT_NE(before, hash64(whole, 1));
    if (length > 0) {
      EXPECT_NE(before, hash64(whole.first(length - 1)));
    }
    for (std::size_t i = 0; i < length; ++i) {
      data[i] ^= std::byte{4};
      EXPECT_NE(hash64(whole), before) << "byte " << i << " of " << length;
      data[i] ^= std::byte{4};
    }
  }
}

TEST(LimitMessages, SayWhatALimitCanBe) {
  Limits limits;
  limits.nodes = 0;
  EXPECT_EQ(test::error_of([&] { check_limits(limits); }),
            "the limit nodes is 0, but must be above 0\n  try: leave it at its default of 50000");
  limits = {};
  limits.depth = 201;
  EXPECT_EQ(test::error_of([&] { check_limits(limits); }), "the limit depth is 201; at most 200 is possible");
  limits.depth = 3;
  EXPECT_EQ(test::error_of([&] { check_limit(limits, &Limits::depth, 4, "bodies inside one another"); }),
            "4 bodies inside one another are more than the limit of 3\n  try: --max-depth 4 (Limits::depth), if the "
            "model is to be trusted");
}

TEST(Isa, NamesAndLevels) {
  EXPECT_EQ(isa_name(Isa::none), "baseline");
  EXPECT_EQ(parse_isa("baseline"), Isa::none);
  EXPECT_EQ(parse_isa("avx2"), Isa::avx2);
  EXPECT_TRUE(covers(parse_isa("avx512vnni"), Isa::avx512 | Isa::avx2 | Isa::avx512vnni));
  EXPECT_FALSE(covers(parse_isa("avx512"), Isa::avx512vnni));
  EXPECT_FALSE(covers(Isa::avx2, Isa::avx512));
  EXPECT_TRUE(covers(Isa::none, Isa::none));
  EXPECT_EQ(test::error_of([] { parse_isa("avx2+sse99"); }),
            "'sse99' is no instruction set Monza knows\n  try: one of baseline, avx2, avx512, avx512vnni, avx512bf16, "
            "avxvnni, avx512fp16, amx_int8, amx_bf16, joined by '+'");
  const Isa have = cpu_info().isa;
  EXPECT_EQ(parse_isa(isa_name(have)), have);
}

TEST(CpuInfo, IsSane) {
  const CpuInfo& cpu = cpu_info();
  EXPECT_GE(cpu.usable_threads, 1);
  EXPECT_LE(cpu.usable_threads, cpu.logical_cpus);
  EXPECT_GE(cpu.l1d_bytes, 8 << 10);
  EXPECT_GE(cpu.l2_bytes, cpu.l1d_bytes);
  EXPECT_FALSE(cpu.model.empty());
}

TEST(Constraints, InWords) {
  EXPECT_EQ(to_string(Precisions{Precision::int8, Precision::fp32}), "fp32,int8");
  EXPECT_EQ(to_string(Devices{}), "");
  for (const Precision p : kPrecisions) EXPECT_EQ(find_precision(precision_name(p)), p);
  for (const Device d : kDevices) EXPECT_EQ(find_device(device_name(d)), d);
  EXPECT_EQ(find_precision("fp8"), std::nullopt);
  EXPECT_EQ(find_device(""), std::nullopt);
}

TEST(Constraints, OfSeveralAreWhatTheyHaveInCommon) {
  const Constraint none, low{{Precision::bf16, Precision::fp16}, {}}, full{{Precision::fp32, Precision::fp16}, {}},
      here{{}, {Device::cpu}}, there{{}, {Device::reference, Device::cuda}};
  EXPECT_EQ(both(none, none), none);
  EXPECT_EQ(both(none, low), low);
  EXPECT_EQ(both(low, full), (Constraint{{Precision::fp16}, {}}));
  EXPECT_EQ(both(low, here), (Constraint{low.precisions, here.devices}));
  EXPECT_EQ(both(here, there), std::nullopt);
  EXPECT_EQ(both(low, Constraint{{Precision::int8}, {}}), std::nullopt);
  EXPECT_EQ(allowed_precisions(none), kOwnPrecisions);
  EXPECT_EQ(allowed_by(Precision::fp32), kOwnPrecisions);
  EXPECT_EQ(to_string(allowed_by(Precision::bf16)), "fp32,bf16,int8");
}

}  // namespace
}  // namespace monza
