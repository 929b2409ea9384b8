// What a reader says of a damaged engine file, to the letter.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <span>
#include <string>

#include <engine_header_generated.h>
#include "base/error.h"
#include "base/hash.h"
#include "engine/file/format.h"
#include "engine/file/image.h"
#include "plan/data/plan.h"
#include "support/error_text.h"
#include "support/plan_builder.h"
#include "support/temporary.h"
#include "support/test_kernels.h"

namespace monza {
namespace {

using engine_file::Prefix;
using test::error_of;
namespace fb = engine_file::fb;

constexpr const char* kCopyAgain = "\n  try: copy the file again, or rebuild with: monza build MODEL --output FILE";
constexpr const char* kRebuild = "\n  try: rebuild with: monza build MODEL --output FILE";

engine_file::Parts parts() {
  test::PlanBuilder b;
  b.input("x", DType::f32, {16}, {16});
  const float w[16] = {};
  const plan::Operand x = b.operand(plan::Base::input, DType::f32, {16}),
                      weight =
                          b.operand(plan::Base::weights, DType::f32, {16}, b.weight("w", std::as_bytes(std::span(w)))),
                      y = b.operand(plan::Base::output, DType::f32, {16});
  b.output("y", y);
  b.step("add", test::kAdd, {x, weight}, {y});
  b.finish();
  engine_file::Parts parts;
  parts.weights = Region(static_cast<std::int64_t>(b.weights().size()));
  std::memcpy(parts.weights.data(), b.weights().data(), b.weights().size());
  parts.plan = b.storage;
  parts.graph = "graph {}";
  parts.info.precision = Precision::bf16;
  return parts;
}

/// An engine file's bytes, to be damaged.
class File {
 public:
  explicit File(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string& bytes() { return bytes_; }
  Prefix& prefix() { return *reinterpret_cast<Prefix*>(bytes_.data()); }
  const fb::Header& header() { return *fb::GetHeader(bytes_.data() + sizeof(Prefix)); }
  fb::Section& section(const char* name) {
    for (const fb::Section* s : *header().sections())
      if (s->name()->str() == name) return const_cast<fb::Section&>(*s);
    throw std::runtime_error(name);
  }
  template <typename Table, typename T>
  static void set(const Table& table, flatbuffers::voffset_t field, T value) {
    ASSERT_TRUE(reinterpret_cast<flatbuffers::Table*>(const_cast<Table*>(&table))->SetField<T>(field, value, T{}));
  }
  /// Makes the header's checksum fit again.
  void seal() {
    const std::span<const char> header(bytes_.data() + sizeof(Prefix), prefix().header_bytes);
    prefix().header_checksum = hash64(std::as_bytes(header), prefix().file_bytes);
  }

 private:
  std::string bytes_;
};

struct Case {
  std::string text;
  std::function<void(File&)> damage;
};

TEST(EngineFileMessages, SayWhatIsDamaged) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "a.engine";
  engine_file::write_engine(path, engine_file::make_image(parts()));
  std::ifstream in(path, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  const auto size = whole.size(), graph = File(whole).section("graph").offset();
  const Case cases[] = {
      {std::string("this is not an engine file of monza") + kRebuild, [](File& f) { f.bytes().resize(63); }},
      {fmt::format("the engine was written by another version of monza (format 99.{0}; this one reads {1}.{0})",
                   plan::kPlanVersion, engine_file::kFormatVersion) +
           kRebuild,
       [](File& f) { f.prefix().format_version = 99; }},
      {fmt::format("the engine file is truncated: it has {} of {} bytes", size - 1, size) + kCopyAgain,
       [](File& f) { f.bytes().pop_back(); }},
      {fmt::format("the engine file is damaged: it has {} bytes and should have {}", size + 1, size) + kCopyAgain,
       [](File& f) { f.bytes() += 'x'; }},
      {std::string("the engine file is damaged: its first 64 bytes have changed") + kCopyAgain,
       [](File& f) { f.prefix().reserved[1] = 1; }},
      {fmt::format(
           "the engine file is damaged: the engine file's header lies at bytes [64, +{0}) of 'FOLDER/a.engine', "
           "which has {0} bytes",
           size) +
           kCopyAgain,
       [](File& f) { f.prefix().header_bytes = f.bytes().size(); }},
      {std::string("the engine file is damaged: its header has changed") + kCopyAgain,
       [](File& f) { f.bytes()[64] ^= 1; }},
      {std::string("the engine file is damaged: its header cannot be read") + kCopyAgain,
       [](File& f) { f.bytes()[64] ^= 1, f.seal(); }},
      {std::string("the engine file is damaged: it has 0 profiles") + kCopyAgain,
       [](File& f) {
         const std::uint32_t none = 0;
         std::memcpy(const_cast<void*>(static_cast<const void*>(f.header().profiles())), &none, sizeof none);
         f.seal();
       }},
      {fmt::format("the engine file is damaged: section 'graph' has 8 bytes of elements of 7 at {}", graph) +
           kCopyAgain,
       [](File& f) { File::set(f.section("graph"), fb::Section::VT_ELEMENT_BYTES, std::uint32_t{7}), f.seal(); }},
      {fmt::format("the engine file is damaged: graph lies at bytes [{1}, +{0}) of 'FOLDER/a.engine', which has {0} "
                   "bytes",
                   size, graph) +
           kCopyAgain,
       [&](File& f) { File::set(f.section("graph"), fb::Section::VT_BYTES, std::uint64_t{size}), f.seal(); }},
      {std::string("the engine file is damaged: section 'graph' has changed") + kCopyAgain,
       [](File& f) { f.bytes()[f.section("graph").offset()] ^= 1; }},
      {std::string("the engine file is damaged: section 'graph' is missing") + kCopyAgain,
       [](File& f) { const_cast<char*>(f.section("graph").name()->c_str())[0] = 'G', f.seal(); }},
      {std::string("the engine file is damaged: precision 9, device 0") + kCopyAgain,
       [](File& f) { File::set(f.header(), fb::Header::VT_PRECISION, std::uint8_t{9}), f.seal(); }},
      {std::string("the engine file is damaged: weight 'w' (64 bytes) has changed") + kCopyAgain,
       [](File& f) { f.bytes()[f.section("weights").offset()] ^= 1; }},
  };
  for (const Case& c : cases) {
    File file(whole);
    c.damage(file);
    std::ofstream(path, std::ios::binary) << file.bytes();
    EXPECT_EQ(error_of([&] { engine_file::read_engine(path, {.verify = true}); }, folder.path()),
              "engine file 'FOLDER/a.engine': " + c.text);
  }
  EXPECT_EQ(error_of([&] { engine_file::read_engine(folder / "none", {}); }, folder.path()),
            "engine file 'FOLDER/none': cannot open 'FOLDER/none': No such file or directory");
}

TEST(EngineFileMessages, AnImageNeedsTheWeightsOfItsPlan) {
  EXPECT_EQ(error_of([] {
              engine_file::Parts p = parts();
              p.plan.weights_bytes = 1 << 20;
              engine_file::make_image(std::move(p));
            }),
            "the plan has 1048576 bytes of weights, the memory given for them 64");
}

}  // namespace
}  // namespace monza
