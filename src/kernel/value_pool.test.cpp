#include "kernel/value_pool.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace monza {
namespace {

class Serial final : public Parallel {
 public:
  int threads() const noexcept override { return 1; }
  void run(std::int64_t tasks, Body body, void* context) noexcept override {
    for (std::int64_t t = 0; t < tasks; ++t) body(context, t, 0);
  }
};

class Pool : public testing::Test {
 protected:
  static constexpr std::int64_t kBytes = 4096;
  alignas(64) std::byte memory[kBytes] = {};
  std::string constants = "constant text";
  ValuePool pool{constants, memory, kBytes};
  Serial serial;

  std::string text(const Handle& h) {
    std::string_view found;
    EXPECT_TRUE(pool.read(h, &found).ok());
    return std::string(found);
  }
  /// The sequence with one more scalar at position i.
  Handle inserted(const Handle& sequence, std::int64_t i, float value) {
    Handle longer;
    EXPECT_TRUE(pool.insert(sequence, i, dense_view(&value, DType::f32, {}), serial, &longer).ok());
    return longer;
  }
  std::vector<float> values(const Handle& sequence) {
    std::vector<float> list;
    for (std::uint64_t i = 0; i < sequence.size; ++i) {
      TensorView v;
      EXPECT_TRUE(pool.element(sequence, static_cast<std::int64_t>(i), &v).ok());
      list.push_back(*v.as<float>());
    }
    return list;
  }
};

TEST_F(Pool, KeepsStringsBesideThePlansText) {
  Handle a, empty;
  ASSERT_TRUE(pool.add(std::string_view("a\0b", 3), &a).ok());
  ASSERT_TRUE(pool.add("", &empty).ok());
  EXPECT_EQ(text(a), std::string("a\0b", 3));
  EXPECT_EQ(text(empty), "");
  EXPECT_EQ(text({9, 4}), "text");
  EXPECT_EQ(text(Handle{}), "");
}

TEST_F(Pool, SequencesAreValues) {
  const Handle one = inserted({}, 0, 1), two = inserted(one, 1, 2);
  const Handle other = inserted(one, 1, 3);  // grows the same beginning differently
  const Handle front = inserted(two, 0, 4);
  EXPECT_EQ(values(one), (std::vector<float>{1}));
  EXPECT_EQ(values(two), (std::vector<float>{1, 2}));
  EXPECT_EQ(values(other), (std::vector<float>{1, 3}));
  EXPECT_EQ(values(front), (std::vector<float>{4, 1, 2}));
  Handle shorter, none;
  ASSERT_TRUE(pool.erase(front, 1, &shorter).ok());
  EXPECT_EQ(values(shorter), (std::vector<float>{4, 2}));
  ASSERT_TRUE(pool.erase(one, 0, &none).ok());
  EXPECT_EQ(none.size, 0u);
  EXPECT_EQ(values(inserted(shorter, 2, 5)), (std::vector<float>{4, 2, 5}));
  EXPECT_EQ(values(front), (std::vector<float>{4, 1, 2}));
}

TEST_F(Pool, CopiesTensorsOfAnyStrides) {
  const std::int32_t data[6] = {0, 1, 2, 3, 4, 5};
  TensorView v = dense_view(const_cast<std::int32_t*>(data), DType::i32, {3, 2});
  v.stride[0] = 1;
  v.stride[1] = 3;
  Handle list;
  ASSERT_TRUE(pool.insert({}, 0, v, serial, &list).ok());
  TensorView copy;
  ASSERT_TRUE(pool.element(list, 0, &copy).ok());
  EXPECT_TRUE(copy.dense());
  EXPECT_EQ(copy.shape, (Shape{3, 2}));
  EXPECT_EQ(std::vector<std::int32_t>(copy.as<std::int32_t>(), copy.as<std::int32_t>() + 6),
            (std::vector<std::int32_t>{0, 3, 1, 4, 2, 5}));
}

TEST_F(Pool, ExhaustionIsAStatusAndResetFreesAll) {
  Handle h;
  const std::string large(kBytes - 15, 'x');
  ASSERT_TRUE(pool.add(large, &h).ok());
  EXPECT_EQ(pool.add("more", &h).code(), StatusCode::resource_exhausted);
  EXPECT_STREQ(pool.add("more", &h).message(),
               "strings and sequences of this run take more than the context's max_pool_bytes");
  EXPECT_TRUE(pool.add("", &h).ok());
  pool.reset();
  EXPECT_TRUE(pool.add(large, &h).ok());
  pool.reset();
  Handle list;
  Status status;
  for (int i = 0; i < 1000 && status.ok(); ++i) {
    float value = 0;
    status = pool.insert(list, i, dense_view(&value, DType::f32, {}), serial, &list);
  }
  EXPECT_EQ(status.code(), StatusCode::resource_exhausted);
  EXPECT_STREQ(status.message(), "strings and sequences of this run take more than the context's max_pool_bytes");
}

/// A damaged plan may take any bytes for a handle: nothing outside the pool is read or written.
TEST_F(Pool, HandlesThatNameNothingAreRefused) {
  const Handle list = inserted(inserted({}, 0, 1), 1, 2);
  Handle out;
  TensorView v;
  std::string_view text;
  std::uint64_t state = 1;
  const auto next = [&] { return state = state * 6364136223846793005u + 1442695040888963407u; };
  for (int i = 0; i < 20000; ++i) {
    Handle h{next() >> (next() % 64), next() >> (next() % 64)};
    if (i % 3 == 0) h.begin = list.begin + (next() % 256);
    if (pool.read(h, &text) && !text.empty()) {
      const auto* begin = reinterpret_cast<const std::byte*>(text.data());
      EXPECT_TRUE((begin >= memory && begin + text.size() <= memory + kBytes) ||
                  (text.data() >= constants.data() && text.size() <= constants.size()));
    }
    if (pool.element(h, static_cast<std::int64_t>(next() % 4), &v) && v.shape.numel() > 0) {
      EXPECT_GE(v.as<std::byte>(), memory);
      EXPECT_LE(v.as<std::byte>() + v.shape.numel() * dtype_bits(v.dtype) / 8, memory + kBytes);
    }
    float value = 0;
    (void)pool.insert(h, 0, dense_view(&value, DType::f32, {}), serial, &out);
    (void)pool.erase(h, 0, &out);
    if (i % 16 == 0) {
      pool.reset();
      (void)inserted(inserted({}, 0, 1), 1, 2);
    }
  }
  pool.reset();
  EXPECT_FALSE(pool.read({constants.size(), 1}, &text).ok());
  EXPECT_FALSE(pool.read({constants.size() - 1, 2}, &text).ok()) << "runs from the plan's text into the pool";
  EXPECT_FALSE(pool.element(ValuePool::absent(), 0, &v).ok());
}

}  // namespace
}  // namespace monza
