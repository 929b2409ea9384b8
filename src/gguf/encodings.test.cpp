// Every encoding against what GGUF's own package makes of the same bytes, bit for bit.
#include "tensor/block_encoding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <map>
#include <string>

#include "io/npz.h"
#include "support/data.h"
#include "tensor/dtype.h"

namespace monza {
namespace {

TEST(BlockEncodings, AreBitForBitThoseOfGguf) {
  MONZA_NEED_SHARED(path, "data/llm/gguf_quant_vectors.npz");
  std::map<std::string, Tensor> arrays;
  for (io::NamedTensor& t : io::read_npz(path)) arrays.emplace(t.name, std::move(t.tensor));
  for (const DType type : block_encodings()) {
    std::string name(dtype_name(type));
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
    SCOPED_TRACE(name);
    const BlockEncoding& encoding = block_encoding(type);
    int seen = 0;
    // Random bytes, and where there is a quantiser what it made.
    for (const auto& [bytes, floats] : {std::pair{".r", ".rd"}, std::pair{".q", ".qd"}}) {
      if (!arrays.contains(name + bytes)) continue;
      const Tensor &blocks = arrays.at(name + bytes), &want = arrays.at(name + floats);
      ASSERT_EQ(blocks.bytes() % static_cast<std::size_t>(encoding.bytes), 0u);
      const std::size_t count = blocks.bytes() / static_cast<std::size_t>(encoding.bytes);
      ASSERT_EQ(static_cast<std::size_t>(want.numel()), count * static_cast<std::size_t>(encoding.elements));
      for (std::size_t i = 0; i < count; ++i, ++seen) {
        float got[kMostBlockElements];
        encoding.decode(blocks.as<std::byte>() + i * static_cast<std::size_t>(encoding.bytes), got);
        const float* expected = want.as<float>() + i * static_cast<std::size_t>(encoding.elements);
        ASSERT_EQ(std::memcmp(got, expected, static_cast<std::size_t>(encoding.elements) * sizeof(float)), 0)
            << "block " << i << " of " << bytes;
      }
    }
    EXPECT_GT(seen, 0) << "the vectors have none";
  }
}

}  // namespace
}  // namespace monza
