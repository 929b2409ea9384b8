// GGUF files of language models: the head, the graph of what it describes, and the tokenizer that it carries.
#include "decoder/import_decoder.h"
#include "fuzz/bounded_run.h"
#include "fuzz/fuzz.h"
#include "gguf/file.h"
#include "llm/gguf_tokenizer.h"
#include "monza/error.h"

namespace monza::fuzz {
namespace {

void run(Bytes input) {
  const InputFile on_disk(input);
  const auto file = gguf::File::open(on_disk.path(), small_limits());
  for (const gguf::TensorInfo& tensor : file->tensors())
    if (tensor.bytes.size() > input.size()) finding("a tensor is larger than its file");
  try {
    const llm::ModelTokenizer made = llm::gguf_tokenizer(*file);
    (void)made.tokenizer.decode(made.tokenizer.encode("a b <s>\n").tokens);
  } catch (const Error&) {
  }
  (void)import_decoder(on_disk.path(), DType::f16, small_limits());
}

}  // namespace

// A vocabulary, and what is looked up in it, takes some tables.
const Target gguf_target{"gguf", run, nullptr, 128 << 20};

}  // namespace monza::fuzz
