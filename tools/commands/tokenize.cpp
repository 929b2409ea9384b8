// `monza tokenize`: the tokens of a text, as a model's tokenizer gives them.
#include <memory>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "llm/model_file.h"
#include "text/tokenizer.h"
#include "tools/args/command.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

struct TokenizeArgs {
  std::string model, text, texts;
  bool plain = false, json = false;
};

/// A tokenizer's own file, or the one that a language model carries.
text::Tokenizer open_tokenizer(const std::string& path) {
  const FileKind kind = file_kind(path);
  return kind == FileKind::gguf || kind == FileKind::engine ? llm::open_tokenizer(path).tokenizer
                                                            : text::Tokenizer::open(path);
}

/// A JSON list of texts.
std::vector<std::string> read_texts(const std::string& path) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  try {
    return Json::parse(reinterpret_cast<const char*>(bytes.data()),
                       reinterpret_cast<const char*>(bytes.data()) + bytes.size())
        .get<std::vector<std::string>>();
  } catch (const Json::exception& e) {
    fail_hint("a file such as [\"Hello\", \"world\"]", "{} is no list of texts: {}", path, e.what());
  }
}

int run(const TokenizeArgs& args) {
  if (args.text.empty() == args.texts.empty()) throw UsageError("tokenize needs --text TEXT or --texts FILE");
  const text::Tokenizer tokenizer = open_tokenizer(args.model);
  if (!args.texts.empty()) {
    for (const std::string& text : read_texts(args.texts))
      print("{}\n", Lines{json_text({{"tokens", tokenizer.encode(text, !args.plain).tokens}}, -1)});
    return kExitOk;
  }
  const text::Encoding encoding = tokenizer.encode(args.text, !args.plain);
  if (args.json) {
    print("{}\n", Lines{json_text({{"tokens", encoding.tokens}}, -1)});
    return kExitOk;
  }
  for (const text::Token token : encoding.tokens) print("{:>8}  {}\n", token, tokenizer.token_text(token));
  return kExitOk;
}

}  // namespace

void add_tokenize(Commands& commands) {
  auto args = std::make_shared<TokenizeArgs>();
  CommandOptions app =
      commands.add("tokenize", "Splits a text into the tokens that a language model takes.",
                   "  monza tokenize tokenizer.json --text 'Hello, world!'\n"
                   "  monza tokenize all-MiniLM-L6-v2/ --text 'Hello' --json   {\"tokens\":[101,7592,102]}\n"
                   "  monza tokenize bert/vocab.txt --text 'Hello' --no-special\n"
                   "  monza tokenize gemma-3-270m.gguf --text 'Hello'          the tokenizer that the model carries\n"
                   "MODEL is a GGUF file, an engine file built from one, a tokenizer.json as Hugging Face's tokenizers "
                   "write\nit, a vocab.txt of BERT, or a folder with one of them: byte-level BPE, SentencePiece "
                   "(unigram and BPE), WordPiece.",
                   [args] { return run(*args); });
  app.add_option("MODEL", args->model,
                 "a GGUF file, an engine file, a tokenizer.json, a vocab.txt, or a folder with one of them")
      .required()
      .type_name("PATH");
  app.add_option("--text", args->text, "the text, in UTF-8").type_name("TEXT");
  app.add_option("--texts", args->texts, "a JSON list of texts: one line of JSON for each").type_name("FILE");
  app.add_flag("--no-special", args->plain, "without the special tokens that begin and end a text");
  app.add_flag("--json", args->json, "{\"tokens\":[...]}");
}

}  // namespace monza::tool
