#include "text/pipeline_json.h"

#include "base/base64.h"

namespace monza::text {
namespace {

constexpr const char* kMetaspaceMark = "\xE2\x96\x81";  // U+2581

[[noreturn]] void fail_unsupported(const char* what, const std::string& type) {
  fail("the tokenizer has the {} '{}', which is not supported", what, type);
}

/// {"String": ...} or {"Regex": ...}, or the text alone.
template <typename FromText, typename FromPattern>
auto with_pattern(const Json& json, FromText from_text, FromPattern from_pattern) {
  const Json& pattern = need(json, "pattern");
  if (pattern.is_string()) return from_text(pattern.get<std::string>());
  if (const Json* text = field(pattern, "String")) return from_text(value_of<std::string>(*text, "String"));
  return from_pattern(Pattern(need_value<std::string>(pattern, "Regex")));
}

SplitBehavior behavior_of(const Json& json) {
  const auto name = need_value<std::string>(json, "behavior");
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  fail_unsupported("split behavior", name);
}

PrependScheme scheme_of(const Json& json) {
  const auto name =
      value_or<std::string>(json, "prepend_scheme", value_or(json, "add_prefix_space", true) ? "always" : "never");
  if (name == "always") return PrependScheme::always;
  if (name == "first") return PrependScheme::first;
  if (name == "never") return PrependScheme::never;
  fail_unsupported("prepend scheme", name);
}

Token token_of(const Json& json) {
  const auto token = value_of<std::int64_t>(json, "id");
  if (token < 0 || token >= Vocabulary::kMaxTokens) fail("a special token has the number {}", token);
  return static_cast<Token>(token);
}

std::vector<Template::Part> template_of(const Json& list, const Json& special) {
  std::vector<Template::Part> parts;
  for (const Json& item : list) {
    Template::Part part;
    const Json* sequence = field(item, "Sequence");
    const Json& body = sequence != nullptr ? *sequence : need(item, "SpecialToken");
    part.type = value_or<std::uint8_t>(body, "type_id", 0);
    const auto id = need_value<std::string>(body, "id");
    if (sequence != nullptr) {
      part.what = id == "A" ? Template::Part::What::first : Template::Part::What::second;
    } else {
      for (const Json& token : need(need(special, id.c_str()), "ids")) part.tokens.push_back(token_of(token));
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

/// ["[SEP]", 102]
Token named_token(const Json& json, const char* key) {
  const Json& pair = need(json, key);
  if (!pair.is_array() || pair.size() != 2) fail("a tokenizer's '{}' is no pair of a text and a number", key);
  return token_of(pair[1]);
}

}  // namespace

NormalizerPtr read_normalizer(const Json& json) {
  const std::string type = type_of(json);
  if (type == "Sequence") {
    std::vector<NormalizerPtr> steps;
    for (const Json& step : need(json, "normalizers")) steps.push_back(read_normalizer(step));
    return make_sequence(std::move(steps));
  }
  if (type == "NFC") return make_form(Form::nfc);
  if (type == "NFD") return make_form(Form::nfd);
  if (type == "NFKC") return make_form(Form::nfkc);
  if (type == "NFKD") return make_form(Form::nfkd);
  if (type == "Lowercase") return make_lowercase();
  if (type == "StripAccents") return make_strip_accents();
  if (type == "Strip") return make_strip(value_or(json, "strip_left", true), value_or(json, "strip_right", true));
  if (type == "Prepend") return make_prepend(need_value<std::string>(json, "prepend"));
  if (type == "Replace") {
    const auto content = need_value<std::string>(json, "content");
    return with_pattern(
        json, [&](std::string text) { return make_replace(std::move(text), content); },
        [&](Pattern pattern) { return make_replace(std::move(pattern), content); });
  }
  if (type == "BertNormalizer") {
    BertNormalizerOptions options;
    options.clean_text = value_or(json, "clean_text", true);
    options.handle_chinese_chars = value_or(json, "handle_chinese_chars", true);
    options.lowercase = value_or(json, "lowercase", true);
    options.strip_accents = value_or(json, "strip_accents", options.lowercase);
    return make_bert_normalizer(options);
  }
  if (type == "Precompiled") {
    auto bytes = from_base64(need_value<std::string>(json, "precompiled_charsmap"));
    if (!bytes) fail("a tokenizer's 'precompiled_charsmap' is not base64");
    return make_charsmap(std::move(*bytes));
  }
  fail_unsupported("normalizer", type);
}

void read_pre_tokenizer(const Json& json, PreTokenizers& out) {
  const std::string type = type_of(json);
  if (out.bytes) fail("the tokenizer has the pre-tokenizer '{}' behind 'ByteLevel', which is not supported", type);
  if (type == "Sequence") {
    for (const Json& step : need(json, "pretokenizers")) read_pre_tokenizer(step, out);
  } else if (type == "ByteLevel") {
    if (value_or(json, "add_prefix_space", true)) out.steps.push_back(make_prefix_space());
    if (value_or(json, "use_regex", true)) out.steps.push_back(make_gpt2_words());
    out.bytes = true;
  } else if (type == "Split") {
    const SplitBehavior behavior = behavior_of(json);
    const bool invert = value_or(json, "invert", false);
    out.steps.push_back(with_pattern(
        json, [&](const std::string& text) { return make_split(text, behavior, invert); },
        [&](Pattern pattern) { return make_split(std::move(pattern), behavior, invert); }));
  } else if (type == "BertPreTokenizer") {
    out.steps.push_back(make_bert_words());
  } else if (type == "Whitespace") {
    out.steps.push_back(make_whitespace());
  } else if (type == "WhitespaceSplit") {
    out.steps.push_back(make_whitespace_split());
  } else if (type == "Punctuation") {
    out.steps.push_back(
        make_punctuation(field(json, "behavior") != nullptr ? behavior_of(json) : SplitBehavior::isolated));
  } else if (type == "Digits") {
    out.steps.push_back(make_digits(value_or(json, "individual_digits", false)));
  } else if (type == "Metaspace") {
    out.steps.push_back(make_metaspace(value_or<std::string>(json, "replacement", kMetaspaceMark), scheme_of(json),
                                       value_or(json, "split", true)));
  } else {
    fail_unsupported("pre-tokenizer", type);
  }
}

void read_post_processor(const Json& json, Template& out) {
  const std::string type = type_of(json);
  using What = Template::Part::What;
  if (type == "Sequence") {
    for (const Json& step : need(json, "processors")) read_post_processor(step, out);
  } else if (type == "TemplateProcessing") {
    out.single = template_of(need(json, "single"), need(json, "special_tokens"));
    if (const Json* pair = field(json, "pair")) out.pair = template_of(*pair, need(json, "special_tokens"));
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    const Token sep = named_token(json, "sep"), cls = named_token(json, "cls");
    const bool bert = type == "BertProcessing";
    const std::uint8_t second = bert ? 1 : 0;
    out.single = {{What::special, {cls}, 0}, {What::first, {}, 0}, {What::special, {sep}, 0}};
    out.pair = out.single;
    if (!bert) out.pair.push_back({What::special, {sep}, 0});
    out.pair.push_back({What::second, {}, second});
    out.pair.push_back({What::special, {sep}, second});
  } else if (type != "ByteLevel") {  // which moves offsets alone
    fail_unsupported("post-processor", type);
  }
}

namespace {

void read_decoder_step(const Json& json, DecoderRules& rules) {
  const std::string type = type_of(json);
  if (type == "Sequence") {
    for (const Json& step : need(json, "decoders")) read_decoder_step(step, rules);
  } else if (type == "ByteLevel") {
    rules.kind = DecoderRules::Kind::bytes;
  } else if (type == "WordPiece") {
    rules.kind = DecoderRules::Kind::wordpiece;
    rules.prefix = value_or<std::string>(json, "prefix", "##");
    rules.cleanup = value_or(json, "cleanup", true);
  } else if (type == "Metaspace") {
    rules.mark = value_or<std::string>(json, "replacement", kMetaspaceMark);
    rules.strip_left = scheme_of(json) == PrependScheme::never ? 0 : 1;
  } else if (type == "ByteFallback") {
    rules.byte_fallback = true;
  } else if (type == "Replace") {
    const Json& pattern = need(json, "pattern");
    if (!rules.mark.empty() || need_value<std::string>(json, "content") != " ")
      fail_unsupported("decoder", "Replace by other than ' '");
    rules.mark = pattern.is_string() ? pattern.get<std::string>() : need_value<std::string>(pattern, "String");
  } else if (type == "Strip") {
    if (need_value<std::string>(json, "content") != " " || value_or(json, "stop", 0) != 0)
      fail_unsupported("decoder", "Strip of other than ' ' at the beginning");
    rules.strip_left = need_value<std::uint16_t>(json, "start");
  } else if (type != "Fuse") {
    fail_unsupported("decoder", type);
  }
}

}  // namespace

DecoderRules read_decoder(const Json* json) {
  DecoderRules rules;
  if (json == nullptr) rules.kind = DecoderRules::Kind::spaced;
  else read_decoder_step(*json, rules);
  return rules;
}

}  // namespace monza::text
