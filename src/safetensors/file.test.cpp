// What a safetensors file's head may hold, and what is said of damaged ones.
#include "safetensors/file.h"

#include <gtest/gtest.h>

#include <cstring>

#include "support/error_text.h"
#include "support/memory_file.h"

namespace monza::safetensors {
namespace {

std::string file_bytes(const std::string& head, const std::string& data) {
  const std::uint64_t length = head.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof length) + head + data;
}
std::span<const std::byte> as_span(const std::string& bytes) { return std::as_bytes(std::span(bytes)); }

std::string said_of(const std::string& bytes, const Limits& limits = {}) {
  const test::MemoryFile file(as_span(bytes));
  std::string said = test::error_of([&] { (void)File::open(file.path(), limits); });
  const std::string before = "safetensors file '" + file.path() + "': ", after = "\n  try: fetch it again";
  if (!said.starts_with(before)) return said;
  said.erase(0, before.size());
  return said.ends_with(after) ? said.substr(0, said.size() - after.size()) : said;
}
std::string refusal(const std::string& head, std::size_t data = 8) {
  return said_of(file_bytes(head, std::string(data, '\1')));
}

TEST(SafetensorsFile, GivesTensors) {
  const std::string bytes = file_bytes(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,1],"data_offsets":[4,8]},)"
      R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"none":{"dtype":"F64","shape":[0,3],"data_offsets":[8,8]}}  )",
      std::string("\0\0\x80\x3f\x80\x3f\0\0", 8));
  const test::MemoryFile on_disk(as_span(bytes));
  const auto file = File::open(on_disk.path());
  ASSERT_EQ(file->tensors().size(), 3u);
  const Tensor &a = file->tensors().at("a"), &b = file->tensors().at("b");
  EXPECT_EQ(a.dtype, DType::f32);
  EXPECT_EQ(a.shape, Shape{});
  float one = 0;
  std::memcpy(&one, a.bytes.data(), sizeof one);
  EXPECT_EQ(one, 1.0f);
  EXPECT_EQ(b.dtype, DType::bf16);
  EXPECT_EQ(b.shape, (Shape{2, 1}));
  EXPECT_EQ(b.bytes.data(), a.bytes.data() + 4);
  EXPECT_EQ(file->tensors().at("none").shape, (Shape{0, 3}));
}

TEST(SafetensorsFile, SaysWhatIsWrong) {
  EXPECT_EQ(said_of("abc"), "it has 3 bytes, too few for a head");
  EXPECT_EQ(said_of(std::string(8, '\xff')), "its head has 18446744073709551615 bytes; the limit is 67108864");
  EXPECT_EQ(said_of(std::string("\x09\0\0\0\0\0\0\0{}", 10)), "its head of 9 bytes goes beyond the end of the file");
  EXPECT_EQ(refusal("[]"), "its head is no JSON object");
  EXPECT_EQ(refusal("{\"a\":"), "its head is no JSON object");
  EXPECT_EQ(refusal("{\"\xff\":1}"), "its head is no JSON object");
  EXPECT_EQ(refusal("{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}"),
            "its head is no JSON object");
  const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  EXPECT_EQ(refusal("{" + a + "}"), "");
  EXPECT_EQ(refusal("{" + a + "," + a + "}"), "tensor 'a' is there twice");
  EXPECT_EQ(refusal("{" + a + "}", 9), "its data has 9 bytes, and its tensors 8");
  EXPECT_EQ(refusal(R"({"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"), "the name of a tensor has 0 bytes");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})"), "tensor 'a' has no 'shape'");
  EXPECT_EQ(refusal(R"({"a":7})"), "tensor 'a' has no 'shape'");
  EXPECT_EQ(refusal(R"({"a":{"shape":[2],"data_offsets":[0,8]}})"), "tensor 'a' has no 'dtype'");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F4","shape":[2],"data_offsets":[0,8]}})"),
            "tensor 'a' is stored as F4, which is not supported");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})"),
            "tensor 'a' has an extent or place that is no whole number");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":[1e300],"data_offsets":[0,8]}})"),
            "tensor 'a' has an extent or place that is no whole number");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]}})"),
            "tensor 'a' has an extent or place of 18446744073709551615");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})"),
            "tensor 'a' has 9 dimensions; at most 8 are supported");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})"),
            "tensor 'a' has 1 places, not a begin and an end");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})"),
            "tensor 'a' lies beyond the end of the file");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})"),
            "tensor 'a' lies beyond the end of the file");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})"),
            "tensor 'a' of f32 3 takes 12 bytes, and 8 are there");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                    R"("b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})"),
            "tensor 'b' overlaps the one before it");
  EXPECT_EQ(refusal(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"),
            "4 bytes before tensor 'a' belong to none");
  std::string many = "{";
  for (int i = 0; i <= 1 << 18; ++i) many += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
  EXPECT_EQ(refusal(many + "}"), "it has 262145 tensors; the limit is 262144");
  Limits small;
  small.weight_bytes = 4;
  EXPECT_NE(said_of(file_bytes("{" + a + "}", std::string(8, '\1')), small).find("bytes of tensors are more than"),
            std::string::npos);
}

}  // namespace
}  // namespace monza::safetensors
