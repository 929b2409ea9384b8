// What a GGUF file's head may hold, and what is said of damaged ones.
#include "gguf/file.h"

#include <gtest/gtest.h>

#include "gguf/writer.h"
#include "support/error_text.h"
#include "support/gguf_writer.h"
#include "support/memory_file.h"
#include "support/temporary.h"

namespace monza::gguf {
namespace {

using test::GgufWriter;

std::span<const std::byte> as_span(const std::string& bytes) { return std::as_bytes(std::span(bytes)); }

std::string refusal(const std::string& bytes, const Limits& limits = {}) {
  const test::MemoryFile file(as_span(bytes));
  std::string said = test::error_of([&] { (void)File::open(file.path(), limits); });
  if (const auto at = said.find(file.path()); at != std::string::npos) said.replace(at, file.path().size(), "m.gguf");
  return said;
}
std::string said(const std::string& fact, const std::string& hint = "fetch or convert it again") {
  return "GGUF file 'm.gguf': " + fact + "\n  try: " + hint;
}
template <typename T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

TEST(GgufFile, IsWrittenAsItIsRead) {
  const std::string bytes = GgufWriter()
                                .set("general.name", "a model")
                                .set("count", 7u)
                                .set("ratio", 0.5f)
                                .set("yes", true)
                                .set("words", std::vector<std::string>{"a", "", "b"})
                                .set("scores", std::vector<float>{1, -2})
                                .set("types", std::vector<std::int32_t>{3, -1})
                                .tensor("x", {2, 3}, {1, 2, 3, 4, 5, 6})
                                .tensor_raw("q", {2, 64}, 8, std::string(4 * 34, '\1'))
                                .bytes();
  const test::MemoryFile on_disk(as_span(bytes));
  const auto file = File::open(on_disk.path());
  const test::TemporaryFolder folder;
  std::vector<TensorPlan> plans;
  for (const TensorInfo& t : file->tensors())
    plans.push_back({std::string(t.name), t.dtype, t.shape, [&t](const auto& give) { give(t.bytes); }});
  double done = 0;
  write_file(folder / "m.gguf", *file, plans, [&](double part) { done = part; });
  EXPECT_EQ(done, 1);
  const auto again = File::open(folder / "m.gguf");
  ASSERT_EQ(again->metadata().size(), file->metadata().size());
  EXPECT_EQ(again->integer("count"), 7);
  EXPECT_EQ(again->number("ratio"), 0.5);
  EXPECT_EQ(again->boolean("yes"), true);
  EXPECT_EQ(again->array("words")->texts, file->array("words")->texts);
  EXPECT_EQ(again->array("scores")->numbers, file->array("scores")->numbers);
  EXPECT_EQ(again->array("types")->integers, file->array("types")->integers);
  for (const char* name : {"x", "q"}) {
    const TensorInfo &a = *file->find_tensor(name), &b = *again->find_tensor(name);
    EXPECT_EQ(a.shape, b.shape);
    EXPECT_TRUE(a.dtype == b.dtype && std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end()));
  }
  EXPECT_EQ(test::error_of([&] { write_file(folder / "n.gguf", *file, {{"x", DType::u8, Shape{1}, {}}}); }),
            "GGUF files hold no u8");
}

TEST(GgufFile, GivesItsHeadAlone) {
  const std::string bytes =
      GgufWriter().set("general.name", "a model").set("count", 7u).tensor("x", {2}, {1, 2}).bytes();
  const test::MemoryFile on_disk(as_span(bytes));
  const std::vector<std::byte> head = File::open(on_disk.path())->head();
  const auto file = File::of_bytes(head, "head");
  EXPECT_EQ(file->text("general.name"), "a model");
  EXPECT_EQ(file->integer("count"), 7);
  EXPECT_TRUE(file->tensors().empty());
  EXPECT_EQ(file->head(), head);
  const std::string cut = test::error_of([&] { (void)File::of_bytes({head.begin(), head.end() - 1}, "head"); });
  EXPECT_NE(cut.find("GGUF file 'head': the file ends inside its head"), std::string::npos) << cut;
}

TEST(GgufFile, GivesMetadataAndTensors) {
  for (const std::uint32_t version : {2u, 3u}) {
    const std::string bytes = GgufWriter()
                                  .set("general.name", "a model")
                                  .set("count", 7u)
                                  .set("ratio", 0.5f)
                                  .set("yes", true)
                                  .set("words", std::vector<std::string>{"a", "", "\xc3\xa9"})
                                  .set("scores", std::vector<float>{1, -2})
                                  .set("types", std::vector<std::int32_t>{3, -1})
                                  .set_raw("negative", 11, raw(std::int64_t{-5}))
                                  .tensor("x", {2, 3}, {1, 2, 3, 4, 5, 6})
                                  .tensor("scalar", {}, {9})
                                  .tensor("empty", {0, 4}, {})
                                  .tensor_raw("q", {2, 64}, 8, std::string(4 * 34, '\1'))
                                  .bytes(version);
    const test::MemoryFile on_disk(as_span(bytes));
    EXPECT_TRUE(File::is_gguf(on_disk.path()));
    const auto file = File::open(on_disk.path());
    EXPECT_EQ(file->version(), static_cast<int>(version));
    EXPECT_EQ(file->text("general.name"), "a model");
    EXPECT_EQ(file->integer("count"), 7);
    EXPECT_EQ(file->integer("negative"), -5);
    EXPECT_EQ(file->number("ratio"), 0.5);
    EXPECT_EQ(file->number("count"), 7);
    EXPECT_EQ(file->boolean("yes"), true);
    EXPECT_EQ(file->array("words")->texts, (std::vector<std::string_view>{"a", "", "\xc3\xa9"}));
    EXPECT_EQ(file->array("scores")->numbers, (std::vector<double>{1, -2}));
    EXPECT_EQ(file->array("types")->integers, (std::vector<std::int64_t>{3, -1}));
    EXPECT_EQ(file->text("none"), std::nullopt);
    EXPECT_EQ(file->array("none"), nullptr);
    ASSERT_EQ(file->tensors().size(), 4u);
    const TensorInfo* x = file->find_tensor("x");
    ASSERT_NE(x, nullptr);
    EXPECT_EQ(x->shape, (Shape{2, 3}));
    EXPECT_EQ(reinterpret_cast<const float*>(x->bytes.data())[4], 5);
    EXPECT_EQ(file->find_tensor("scalar")->shape, Shape{});
    EXPECT_EQ(file->find_tensor("empty")->bytes.size(), 0u);
    EXPECT_EQ(file->find_tensor("q")->dtype, DType::q8_0);
    EXPECT_EQ(file->find_tensor("q")->bytes.size(), 136u);
    EXPECT_EQ(file->find_tensor("y"), nullptr);
    EXPECT_EQ(test::error_of([&] { (void)file->integer("ratio"); }), "metadata 'ratio' is no whole number");
    EXPECT_EQ(test::error_of([&] { (void)file->text("count"); }), "metadata 'count' is no text");
    EXPECT_EQ(test::error_of([&] { (void)file->boolean("count"); }), "metadata 'count' is neither true nor false");
    EXPECT_EQ(test::error_of([&] { (void)file->array("count"); }), "metadata 'count' is no list");
  }
}

TEST(GgufFile, SaysWhatIsDamaged) {
  const std::string x(24, '\0');
  const auto with = [&] { return GgufWriter().set("a", 1u); };
  EXPECT_EQ(refusal("GGML1234"), said("it does not begin as a GGUF file does"));
  EXPECT_EQ(refusal("GGUF"), said("the file ends inside its head, at byte 4"));
  EXPECT_EQ(refusal(with().bytes(1)), said("it has version 1; 2 and 3 are supported"));
  EXPECT_EQ(refusal(with().bytes(3u << 24)), said("it is in big-endian byte order, which is not supported"));
  EXPECT_EQ(refusal("GGUF" + raw(3u) + raw(std::uint64_t{1} << 40) + raw(std::uint64_t{1})),
            said("it has 1099511627776 tensors and 1 entries of metadata; the limits are 1048576 and 65536"));
  EXPECT_EQ(refusal(with().set("a", 2u).bytes()), said("metadata 'a' is there twice"));
  EXPECT_EQ(refusal(GgufWriter().set("", 2u).bytes()), said("the name of a metadata entry has 0 bytes"));
  EXPECT_EQ(refusal(GgufWriter().set_raw("a", 77, "").bytes()), said("metadata of type 77, which is not known"));
  EXPECT_EQ(refusal(GgufWriter().set_raw("a", 8, raw(std::uint64_t{1} << 63)).bytes()),
            said("a text of 9223372036854775808 bytes at byte 45 goes beyond the end of the file"));
  EXPECT_EQ(refusal(GgufWriter().set_raw("a", 9, raw(9u) + raw(std::uint64_t{1})).bytes()),
            said("metadata with arrays of arrays, which are not supported"));
  EXPECT_EQ(refusal(GgufWriter().set_raw("a", 9, raw(0u) + raw(std::uint64_t{1} << 62)).bytes()),
            said("an array of 4611686018427387904 elements at byte 49 goes beyond the end of the file"));
  EXPECT_EQ(refusal(GgufWriter()
                        .set_raw("a", 9, raw(0u) + raw((std::uint64_t{1} << 24) + 1) + std::string((1 << 24) + 9, '\0'))
                        .bytes()),
            said("an array in the metadata has 16777217 elements, more than the limit of 16777216"));
  EXPECT_EQ(refusal(with().tensor_raw("x", {1, 1, 1, 1, 1, 1, 1, 1, 1}, 0, "1234").bytes()),
            said("tensor 'x' has 9 dimensions; at most 8 are supported"));
  EXPECT_EQ(refusal(with().tensor_raw("x", {UINT64_MAX}, 0, "").bytes()),
            said("tensor 'x' has an extent of 18446744073709551615"));
  EXPECT_EQ(refusal(with().tensor_raw("x", {1}, 4, "").bytes()),
            said("tensor 'x' is stored in GGUF's type 4, which is not supported"));
  EXPECT_EQ(refusal(with().tensor_raw("x", {33}, 2, std::string(36, '\0')).bytes()),
            said("tensor 'x' has rows of 33 elements, which are no blocks of 32"));
  EXPECT_EQ(refusal(with().tensor_raw("x", {6}, 0, x).tensor_raw("x", {6}, 0, x).bytes()),
            said("tensor 'x' is there twice"));
  EXPECT_EQ(refusal(GgufWriter().set("general.alignment", 3u).bytes()),
            said("its data is aligned to 3 bytes, which is no power of two up to 1048576"));
  EXPECT_EQ(refusal(with().tensor_raw("x", {6}, 0, x, 8).bytes()),
            said("tensor 'x' lies at 8, which is no multiple of 32"));
  EXPECT_EQ(refusal(with().tensor_raw("x", {6}, 0, x, std::int64_t{1} << 50).bytes()),
            said("tensor 'x' lies beyond the end of the file"));
  EXPECT_EQ(refusal(with().tensor_raw("x", {std::uint64_t{1} << 62, 4}, 0, x).bytes()),
            said("the element count overflows 64 bits: 4611686018427387904 * 4"));
  Limits limits;
  limits.weight_bytes = 20;
  EXPECT_EQ(refusal(with().tensor_raw("x", {6}, 0, x).bytes(), limits),
            said("24 bytes of tensors are more than the limit of 20",
                 "--max-weight-bytes 24 (Limits::weight_bytes), if the model is to be trusted"));
}

TEST(GgufFile, EveryCutIsRefused) {
  const std::string bytes = test::tiny_decoder("llama").bytes();
  for (std::size_t n = 0; n < 4096; n += n < 600 ? 1 : 97) EXPECT_NE(refusal(bytes.substr(0, n)), "") << n;
  EXPECT_NE(refusal(bytes.substr(0, bytes.size() - 1)), "");
  EXPECT_EQ(refusal(bytes), "");
}

}  // namespace
}  // namespace monza::gguf
