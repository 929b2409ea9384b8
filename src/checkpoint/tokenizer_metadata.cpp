#include "checkpoint/tokenizer_metadata.h"

#include <functional>
#include <map>

#include "checkpoint/config.h"
#include "gguf/draft.h"
#include "gguf/word_patterns.h"

namespace monza::checkpoint {
namespace {

constexpr std::int64_t kMostTokens = 1 << 24;
/// GGUF's numbers of what a token is.
enum TokenType : std::int64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

/// Calls f(part) for a part of the pipeline, or for each of a Sequence of such.
void each_part(const Json* part, const std::function<void(const Json&)>& f) {
  if (part == nullptr) return;
  f(*part);
  for (const char* list : {"pretokenizers", "normalizers", "processors"})
    if (const Json* parts = field(*part, list); parts != nullptr && parts->is_array())
      for (const Json& one : *parts) f(one);
}

bool is_type(const Json& part, std::string_view type) { return value_or<std::string>(part, "type", "") == type; }

class Writer {
 public:
  explicit Writer(const Json& json) : json_(json), model_(need_object(json, "model")) {}

  std::shared_ptr<const gguf::Contents> write() {
    if (value_or<std::string>(model_, "type", "") != "BPE") fail("only tokenizers of BPE can be said in GGUF's words");
    read_tokens();
    const bool sentencepiece = value_or(model_, "byte_fallback", false);
    made_->set("tokenizer.ggml.model", sentencepiece ? "llama" : "gpt2");
    if (sentencepiece) add_scores();
    else add_words();
    made_->set("tokenizer.ggml.tokens", tokens_);
    made_->set("tokenizer.ggml.token_type", types_);
    add_begin();
    return made_;
  }

 private:
  static const Json& need_object(const Json& json, const char* key) {
    const Json* found = field(json, key);
    if (found == nullptr || !found->is_object()) fail("'{}' is missing", key);
    return *found;
  }

  void set_token(std::int64_t id, const std::string& text, TokenType type) {
    if (id < 0 || id >= kMostTokens) fail("a token has the number {}", id);
    const auto at = static_cast<std::size_t>(id);
    if (at >= tokens_.size()) {
      tokens_.resize(at + 1);
      types_.resize(at + 1, kUnused);
    }
    tokens_[at] = text;
    types_[at] = type;
  }

  void read_tokens() {
    const std::string unknown = value_or<std::string>(model_, "unk_token", "");
    for (const auto& [text, id] : need_object(model_, "vocab").items()) {
      if (!id.is_number_integer()) fail("a token's number is none");
      const bool byte = text.size() == 6 && text.starts_with("<0x") && text.ends_with('>');
      set_token(id.get<std::int64_t>(), text, byte ? kByte : text == unknown ? kUnknown : kNormal);
    }
    if (const Json* added = field(json_, "added_tokens"); added != nullptr && added->is_array())
      for (const Json& one : *added) {
        const auto id = need<std::int64_t>(one, "id");
        const auto text = need<std::string>(one, "content");
        set_token(id, text, text == unknown ? kUnknown : value_or(one, "special", false) ? kControl : kUserDefined);
      }
    for (std::size_t i = 0; i < tokens_.size(); ++i)
      if (types_[i] == kUnused) tokens_[i] = "[PAD" + std::to_string(i) + "]";
    if (!unknown.empty())
      for (std::size_t i = 0; i < tokens_.size(); ++i)
        if (types_[i] == kUnknown) made_->set("tokenizer.ggml.unknown_token_id", static_cast<std::int64_t>(i));
  }

  /// Calls f(left, right) for each merge, in order.
  void each_merge(const std::function<void(const std::string&, const std::string&)>& f) const {
    const Json* merges = field(model_, "merges");
    if (merges == nullptr || !merges->is_array()) fail("'merges' is missing");
    for (const Json& merge : *merges) {
      std::string left, right;
      if (merge.is_string()) {
        const auto text = merge.get<std::string>();
        const std::size_t space = text.find(' ');
        if (space != text.npos) left = text.substr(0, space), right = text.substr(space + 1);
      } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
        left = merge[0].get<std::string>(), right = merge[1].get<std::string>();
      }
      if (left.empty() || right.empty()) fail("a merge is no pair of texts");
      f(left, right);
    }
  }

  /// A token's score is above another's if its merge comes first.
  void add_scores() {
    std::map<std::string, double> scores;
    double next = 0;
    each_merge([&](const std::string& left, const std::string& right) { scores.emplace(left + right, next--); });
    std::vector<double> all;
    for (const std::string& token : tokens_) {
      const auto found = scores.find(token);
      all.push_back(found == scores.end() ? 0 : found->second);
    }
    made_->set("tokenizer.ggml.scores", std::move(all));
    bool prefix = false;
    const auto look = [&](const Json& part) {
      prefix |= is_type(part, "Prepend") ||
                (is_type(part, "Metaspace") && value_or<std::string>(part, "prepend_scheme", "always") != "never");
    };
    each_part(field(json_, "normalizer"), look);
    each_part(field(json_, "pre_tokenizer"), look);
    made_->set("tokenizer.ggml.add_space_prefix", prefix);
  }

  void add_words() {
    std::vector<std::string> merges;
    each_merge([&](const std::string& left, const std::string& right) { merges.push_back(left + " " + right); });
    made_->set("tokenizer.ggml.merges", merges);
    std::string pattern;
    bool bytes = false;
    each_part(field(json_, "pre_tokenizer"), [&](const Json& part) {
      bytes |= is_type(part, "ByteLevel");
      if (const Json* split = field(part, "pattern"); is_type(part, "Split") && split != nullptr)
        pattern = value_or<std::string>(*split, "Regex", "");
    });
    const gguf::WordPattern* words = bytes ? gguf::word_pattern_of(pattern) : nullptr;
    if (words == nullptr) fail("it splits texts in a way that GGUF has no name for");
    made_->set("tokenizer.ggml.pre", words->name);
  }

  /// The token that stands in front of every text.
  void add_begin() {
    bool begins = false;
    each_part(field(json_, "post_processor"), [&](const Json& part) {
      const Json *single = field(part, "single"), *special = field(part, "special_tokens");
      if (!is_type(part, "TemplateProcessing") || single == nullptr || !single->is_array() || single->empty()) return;
      const Json* first = field(single->front(), "SpecialToken");
      const Json* token =
          first == nullptr || special == nullptr ? nullptr : field(*special, value_or<std::string>(*first, "id", ""));
      const Json* ids = token == nullptr ? nullptr : field(*token, "ids");
      if (ids == nullptr || !ids->is_array() || ids->size() != 1 || !ids->front().is_number_unsigned()) return;
      if (begins) return;
      made_->set("tokenizer.ggml.bos_token_id", ids->front().get<std::int64_t>());
      begins = true;
    });
    made_->set("tokenizer.ggml.add_bos_token", begins);
  }

  const Json &json_, &model_;
  std::vector<std::string> tokens_;
  std::vector<std::int64_t> types_;
  std::shared_ptr<gguf::Draft> made_ = std::make_shared<gguf::Draft>();
};

}  // namespace

std::shared_ptr<const gguf::Contents> tokenizer_metadata(const std::filesystem::path& folder) {
  constexpr std::size_t kMostBytes = 256 << 20;
  const std::filesystem::path path = folder / "tokenizer.json";
  try {
    return Writer(parse_file(path, kMostBytes)).write();
  } catch (const Error& e) {
    throw e.at(message("tokenizer '{}'", path.string()));
  }
}

}  // namespace monza::checkpoint
