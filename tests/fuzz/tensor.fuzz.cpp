// .pb files of ONNX: a tensor, a sequence or an optional.
#include "fuzz/fuzz.h"
#include "fuzz/wire.h"

#include "import/onnx/tensor_file.h"
#include "monza/error.h"

namespace monza::fuzz {
namespace {

void run(Bytes input) {
  const InputFile file(input);
  for (const bool optional : {false, true}) try {
      (void)read_onnx_list(file.path(), optional);
    } catch (const Error&) {
    }
  const OnnxTensorFile tensor = read_onnx_tensor(file.path());
  volatile unsigned sum = 0;  // reads all of it
  for (const std::byte b : tensor.value->bytes) sum = sum + std::to_integer<unsigned>(b);
}

}  // namespace

const Target tensor_target{"tensor", run, mutate_message, 1 << 20, 512};

}  // namespace monza::fuzz
