// .npy files: what parses is written and parsed again, and taken for each element type that files cannot name.
#include <algorithm>

#include "fuzz/fuzz.h"
#include "io/npy.h"
#include "monza/error.h"

namespace monza::fuzz {
namespace {

/// Strings by their characters: what a tensor of them holds is where those lie.
bool same_elements(const Tensor& a, const Tensor& b) {
  if (a.dtype() != DType::string) return a.bytes() == 0 || std::memcmp(a.ref().data, b.ref().data, a.bytes()) == 0;
  const auto* strings = a.as<StringRef>();
  return std::equal(strings, strings + a.numel(), b.as<StringRef>(),
                    [](StringRef x, StringRef y) { return x.view() == y.view(); });
}

void run(Bytes input) {
  const Tensor tensor = io::parse_npy(input, "input");
  const io::NpyImage image = io::npy_image(tensor);
  std::string text = image.header;
  text.append(reinterpret_cast<const char*>(image.data.data()), image.data.size());
  const Tensor again = io::parse_npy(std::as_bytes(std::span(text)), "written");
  if (again.dtype() != tensor.dtype() || again.shape() != tensor.shape() || again.bytes() != tensor.bytes() ||
      !same_elements(tensor, again))
    finding("an array changes when it is written and read again");
  for (const DType wanted : {DType::i2, DType::u2, DType::i4, DType::u4, DType::f4e2m1, DType::f8e4m3fn, DType::bf16})
    try {
      (void)io::as_model_type(tensor, wanted);
    } catch (const Error&) {
    }
}

}  // namespace

const Target npy_target{"npy", run, nullptr, 1 << 20, 64};

}  // namespace monza::fuzz
