// Where tokenizers lie: tokenizer.json, or vocab.txt with tokenizer_config.json beside it.
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "text/json_fields.h"
#include "text/tokenizer.h"

namespace monza::text {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFile = 256 << 20;

std::string content(const fs::path& path, std::size_t max_bytes = kMaxFile) {
  const auto file = MappedFile::open(path, max_bytes);
  const auto bytes = file->bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool has_capitals(std::string_view lines) {
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size());
    const std::string_view word = lines.substr(at, end - at);
    if (!word.starts_with('[') && word.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string_view::npos)
      return true;
    at = end + 1;
  }
  return false;
}

bool is_lower_case(const fs::path& vocab, std::string_view lines) {
  const fs::path config = vocab.parent_path() / "tokenizer_config.json";
  if (!fs::exists(config)) return !has_capitals(lines);
  const Json json = Json::parse(content(config, 16 << 20), nullptr, false);
  if (json.is_discarded()) fail("{} is not JSON", config.string());
  return value_or(json, "do_lower_case", true);
}

}  // namespace

bool Tokenizer::in_folder(const fs::path& folder) {
  return fs::exists(folder / "tokenizer.json") || fs::exists(folder / "vocab.txt");
}

Tokenizer Tokenizer::open(const fs::path& path) {
  if (fs::is_directory(path)) {
    for (const char* name : {"tokenizer.json", "vocab.txt"})
      if (fs::exists(path / name)) return open(path / name);
    fail_hint("a folder with a tokenizer.json or vocab.txt, or one of those files", "{} holds no tokenizer",
              path.string());
  }
  const std::string text = content(path);
  if (path.extension() != ".txt") return from_json(text, path.string());
  return from_vocab(text, is_lower_case(path, text), path.string());
}

Tokenizer Tokenizer::from_vocab(std::string_view lines, bool lower_case, std::string_view name) {
  try {
    Vocabulary vocabulary;
    Token next = 0;
    for (std::size_t at = 0; at < lines.size(); ++next) {
      const std::size_t end = std::min(lines.find('\n', at), lines.size());
      std::string_view word = lines.substr(at, end - at);
      if (word.ends_with('\r')) word.remove_suffix(1);
      if (utf8_fault(word) != std::string_view::npos) fail("line {} is not UTF-8", next + 1);
      vocabulary.add(word, next);
      at = end + 1;
    }
    TokenizerParts parts;
    WordPieceOptions options;
    options.unknown = vocabulary.find("[UNK]");
    const Token cls = vocabulary.find("[CLS]"), sep = vocabulary.find("[SEP]");
    if (options.unknown == kNoToken || cls == kNoToken || sep == kNoToken)
      fail("one of [UNK], [CLS] and [SEP] is missing");
    using What = Template::Part::What;
    parts.special.single = {{What::special, {cls}, 0}, {What::first, {}, 0}, {What::special, {sep}, 0}};
    parts.special.pair = parts.special.single;
    parts.special.pair.push_back({What::second, {}, 1});
    parts.special.pair.push_back({What::special, {sep}, 1});
    for (const char* text : {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"})
      if (const Token token = vocabulary.find(text); token != kNoToken) {
        AddedToken added;
        added.text = text;
        added.token = token;
        added.special = true;
        parts.added.push_back(std::move(added));
      }
    parts.decoder.kind = DecoderRules::Kind::wordpiece;
    parts.decoder.prefix = "##";
    parts.decoder.cleanup = true;
    parts.normalizer = make_bert_normalizer({.strip_accents = lower_case, .lowercase = lower_case});
    parts.pre_tokenizers.push_back(make_bert_words());
    parts.model = make_wordpiece(std::move(vocabulary), std::move(options));
    return Tokenizer(std::move(parts));
  } catch (const Error& e) {
    throw Error(message("{}: {}", name, e.fact()),
                "a vocab.txt of WordPiece: a word a line, [UNK], [CLS] and [SEP] among them");
  }
}

}  // namespace monza::text
