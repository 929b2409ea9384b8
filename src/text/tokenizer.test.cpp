// Tokenizers made here, whose tokens can be worked out by hand. Those of real models: tests/peers/tokenizer_test.py.
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "monza/error.h"

namespace monza::text {
namespace {

using Tokens = std::vector<Token>;

constexpr const char* kByteBpe = R"({
  "added_tokens": [{"id": 20, "content": "<|end|>", "special": true}, {"id": 21, "content": "<b>", "lstrip": true, "rstrip": true}],
  "normalizer": {"type": "NFC"},
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
  "decoder": {"type": "ByteLevel"},
  "model": {"type": "BPE", "vocab": {"h":0,"e":1,"l":2,"o":3,"Ġ":4,"w":5,"r":6,"d":7,"he":8,"ll":9,"hell":10,"hello":11,"Ġw":12,
    "or":13,"Ã":14,"©":15,"Ã©":16,"ð":17,"Ł":18,"ĺ":19},
    "merges": ["h e","l l","he ll","hell o","Ġ w","o r","Ã ©"]}})";

constexpr const char* kSentencePiece = R"({
  "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
    {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
  "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<s>", "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
  "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
    {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
  "added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "<s>", "special": true}],
  "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
    "vocab": {"<unk>":0,"<s>":1,"▁":2,"a":3,"b":4,"▁a":5,"ab":6,"▁ab":7,"<0xC3>":8,"<0xA9>":9,"<0x0A>":10},
    "merges": [["a","b"],["▁","ab"],["▁","a"]]}})";

constexpr const char* kUnigram = R"({
  "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
  "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"},
  "model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>",0],["▁",-2],["a",-3],["b",-3],["ab",-4],["▁ab",-9],["abc",-20],["c",-3]]}})";

Tokenizer wordpiece() {
  return Tokenizer::from_vocab("[PAD]\n[UNK]\n[CLS]\n[SEP]\nhello\nworld\n##s\n,\nnaive\n中\n", true, "vocab");
}

TEST(Tokenizer, MergesBytesByRank) {
  const Tokenizer t = Tokenizer::from_json(kByteBpe, "t");
  EXPECT_EQ(t.encode("hello world").tokens, (Tokens{11, 12, 13, 2, 7}));
  EXPECT_EQ(t.encode("he ho").tokens, (Tokens{8, 4, 0, 3}));
  EXPECT_EQ(t.encode("e\xCC\x81").tokens, (Tokens{16})) << "e and a combining accent are one character of NFC";
  EXPECT_EQ(t.encode("").tokens, Tokens{});
  EXPECT_EQ(t.decode(Tokens{11, 12, 13, 2, 7, 16}), "hello world\xC3\xA9");
}

TEST(Tokenizer, FindsAddedTokensFirst) {
  const Tokenizer t = Tokenizer::from_json(kByteBpe, "t");
  EXPECT_EQ(t.encode("he<|end|>o").tokens, (Tokens{8, 20, 3}));
  EXPECT_EQ(t.encode("he <b> o").tokens, (Tokens{8, 21, 3})) << "with the white space around it";
  EXPECT_EQ(t.decode(Tokens{8, 20, 3}), "heo");
  EXPECT_EQ(t.decode(Tokens{8, 20, 3}, false), "he<|end|>o");
}

TEST(Tokenizer, StreamsWholeCharacters) {
  const Tokenizer t = Tokenizer::from_json(kByteBpe, "t");
  StreamDecoder stream(t, true);
  EXPECT_EQ(stream.add(14), "") << "the first byte of two";
  EXPECT_EQ(stream.add(15), "\xC3\xA9");
  EXPECT_EQ(stream.add(17), "");
  EXPECT_EQ(stream.add(18), "");
  EXPECT_EQ(stream.add(0), "\xEF\xBF\xBDh") << "two bytes of a character that never came";
  EXPECT_EQ(stream.add(17), "");
  EXPECT_EQ(stream.add(9999), "") << "no token";
  EXPECT_EQ(stream.finish(), "\xEF\xBF\xBD");
}

TEST(Tokenizer, FallsBackToBytes) {
  const Tokenizer t = Tokenizer::from_json(kSentencePiece, "t");
  EXPECT_EQ(t.encode("ab a", false).tokens, (Tokens{7, 5}));
  EXPECT_EQ(t.encode("\xC3\xA9\n").tokens, (Tokens{1, 2, 8, 9, 10}));
  EXPECT_EQ(t.encode("zz", false).tokens, (Tokens{2, 0})) << "neighbours that are unknown are one token";
  EXPECT_EQ(t.decode(Tokens{1, 7, 5, 8, 9, 10}), "ab a\xC3\xA9\n");
  EXPECT_EQ(t.decode(Tokens{7, 8, 5}), "ab\xEF\xBF\xBD a");
}

TEST(Tokenizer, PairsAndLimits) {
  const Tokenizer t = Tokenizer::from_json(kSentencePiece, "t");
  const Encoding pair = t.encode_pair("ab", "a");
  EXPECT_EQ(pair.tokens, (Tokens{7, 1, 5}));
  EXPECT_EQ(pair.types, (std::vector<std::uint8_t>{0, 1, 1}));
  EXPECT_EQ(t.encode("ab ab ab", true, 3).tokens, (Tokens{1, 7, 7}));
  EXPECT_EQ(t.encode_pair("ab ab ab", "a", 4).tokens, (Tokens{7, 7, 1, 5})) << "the longer one gives";
  EXPECT_EQ(t.encode_pair("ab ab ab", "a a a", 4).tokens, (Tokens{7, 1, 5, 5}));
  EXPECT_THROW((void)t.encode("ab", true, 1), Error);
}

TEST(Tokenizer, TakesTheBestWayThroughAWord) {
  const Tokenizer t = Tokenizer::from_json(kUnigram, "t");
  EXPECT_EQ(t.encode("ab").tokens, (Tokens{1, 4})) << "-2 - 4 is more than -9";
  EXPECT_EQ(t.encode("abc").tokens, (Tokens{1, 4, 7}));
  EXPECT_EQ(t.encode("xyab").tokens, (Tokens{1, 0, 4}));
  EXPECT_EQ(t.decode(Tokens{1, 4, 5}), "ab ab");
}

TEST(Tokenizer, WordPieceTakesTheLongest) {
  const Tokenizer t = wordpiece();
  EXPECT_EQ(t.encode("Hello, WORLDS").tokens, (Tokens{2, 4, 7, 5, 6, 3}));
  EXPECT_EQ(t.encode("Na\xC3\xAFve hellox").tokens, (Tokens{2, 8, 1, 3}));
  EXPECT_EQ(t.encode("\xE4\xB8\xAD\xE4\xB8\xAD", false).tokens, (Tokens{9, 9}));
  EXPECT_EQ(t.encode(std::string(101, 'a'), false).tokens, (Tokens{1}));
  EXPECT_EQ(t.decode(Tokens{2, 4, 7, 5, 6, 3}), "hello, worlds");
  const Encoding pair = t.encode_pair("hello", "world");
  EXPECT_EQ(pair.tokens, (Tokens{2, 4, 3, 5, 3}));
  EXPECT_EQ(pair.types, (std::vector<std::uint8_t>{0, 0, 0, 1, 1}));
}

TEST(Tokenizer, OpensFoldersAndFiles) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "monza_tokenizer";
  std::filesystem::create_directories(folder);
  std::filesystem::remove(folder / "tokenizer_config.json");
  std::filesystem::remove(folder / "tokenizer.json");
  std::ofstream(folder / "vocab.txt") << "[UNK]\n[CLS]\n[SEP]\nHello\nhello\n";
  EXPECT_TRUE(Tokenizer::in_folder(folder));
  EXPECT_EQ(Tokenizer::open(folder).encode("Hello", false).tokens, (Tokens{3})) << "a vocabulary with capitals";
  std::ofstream(folder / "tokenizer_config.json") << R"({"do_lower_case": true})";
  EXPECT_EQ(Tokenizer::open(folder).encode("Hello", false).tokens, (Tokens{4}));
  std::ofstream(folder / "tokenizer.json") << kByteBpe;
  EXPECT_EQ(Tokenizer::open(folder).encode("hello", false).tokens, (Tokens{11})) << "tokenizer.json comes first";
  std::filesystem::remove_all(folder);
}

// What is wrong, and what is said of it.
TEST(Tokenizer, SaysWhatIsWrong) {
  const auto said = [](const std::string& json) -> std::string {
    try {
      (void)Tokenizer::from_json(json, "t");
    } catch (const Error& e) {
      return e.fact() + "\n  try: " + e.hint();
    }
    return "nothing";
  };
  const auto bpe = [](const std::string& rest) {
    return R"({"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[])" + rest;
  };
  const std::pair<std::string, std::string> cases[] = {
      {"{", "t: it is not JSON: "},
      {"", "a tokenizer.json as Hugging Face's tokenizers write it"},
      {std::string(40, '['), "it is nested deeper than 32 levels"},
      {"{}", "a tokenizer's 'model' is missing"},
      {R"({"model":{"type":"Words"}})",
       "the tokenizer's model 'Words' is not supported: BPE, Unigram and WordPiece are"},
      {R"({"model":{"type":"BPE","vocab":[],"merges":[]}})", "a tokenizer's 'vocab' is no object"},
      {R"({"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}})",
       "a token has the number -1, which is not from 0 to 4194303"},
      {R"({"model":{"type":"BPE","vocab":{"a":1,"b":1},"merges":[]}})", "token 1 is both 'a' and 'b'"},
      {R"({"model":{"type":"BPE","vocab":{"a":"x"},"merges":[]}})",
       "a tokenizer's 'vocab' is no whole number from -9223372036854775808 to 9223372036854775807"},
      {R"({"model":{"type":"BPE","vocab":{"a":1e99},"merges":[]}})", "a tokenizer's 'vocab' is no whole number"},
      {R"({"model":{"type":"BPE","vocab":{"a":0.5},"merges":[]}})", "a tokenizer's 'vocab' is no whole number"},
      {R"({"model":{"type":"Unigram","vocab":[["a","b"]]}})", "a tokenizer's 'vocab': "},
      {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":["ab"]}})",
       "the merge 'ab' is not two texts with ' ' between them"},
      {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[1]}})", "a tokenizer's merge is no pair of texts"},
      {R"({"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}})",
       "the merge of 'a' and 'b' names what is not in the vocabulary"},
      {bpe(R"(,"end_of_word_suffix":"</w>"}})"), "the tokenizer's 'end_of_word_suffix' is not supported"},
      {bpe(R"(,"dropout":0.1}})"), "the tokenizer's 'dropout' is not supported"},
      {bpe(R"(,"unk_token":"?"}})"), "the tokenizer's token for what is unknown, '?', is not in its vocabulary"},
      {bpe(R"(},"normalizer":{"type":"Nmt"}})"), "the tokenizer has the normalizer 'Nmt', which is not supported"},
      {bpe(R"(},"normalizer":{"type":"Precompiled","precompiled_charsmap":"?"}})"),
       "a tokenizer's 'precompiled_charsmap' is not base64"},
      {bpe(R"(},"normalizer":{"type":"Precompiled","precompiled_charsmap":"AAAA"}})"),
       "the tokenizer's table of characters (precompiled_charsmap) is damaged: its 3 bytes hold no tree of 0"},
      {bpe(R"(},"normalizer":{"type":"Precompiled","precompiled_charsmap":"BAAAAAAAAABh"}})"),
       "is damaged: its last text has no end"},
      {bpe(R"(},"normalizer":{"type":"Precompiled","precompiled_charsmap":"BAAAAAAAAAD/AA=="}})"),
       "holds a text that is not UTF-8"},
      {bpe(R"(},"pre_tokenizer":{"type":"Split","pattern":{"String":""},"behavior":"Isolated"}})"),
       "a tokenizer splits by a text that is empty"},
      {bpe(R"(},"pre_tokenizer":{"type":"Split","pattern":{"String":" "},"behavior":"Kept"}})"),
       "the tokenizer has the split behavior 'Kept', which is not supported"},
      {bpe(R"(},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]}})"),
       "the tokenizer has the pre-tokenizer 'Digits' behind 'ByteLevel', which is not supported"},
      {bpe(R"(},"pre_tokenizer":{"type":"UnicodeScripts"}})"), "the tokenizer has the pre-tokenizer 'UnicodeScripts'"},
      {bpe(R"(},"pre_tokenizer":{"type":"Metaspace","prepend_scheme":"last"}})"),
       "the tokenizer has the prepend scheme 'last'"},
      {bpe(R"(},"post_processor":{"type":"Other"}})"), "the tokenizer has the post-processor 'Other'"},
      {bpe(R"(},"post_processor":{"type":"BertProcessing","sep":1,"cls":["b",1]}})"),
       "a tokenizer's 'sep' is no pair of a text and a number"},
      {bpe(R"(},"post_processor":{"type":"BertProcessing","sep":["a",-2],"cls":["b",1]}})"),
       "a special token has the number -2"},
      {bpe(R"(},"decoder":{"type":"CTC"}})"), "the tokenizer has the decoder 'CTC'"},
      {bpe(R"(},"decoder":{"type":"Replace","pattern":{"String":"x"},"content":"y"}})"), "'Replace by other than ' ''"},
      {bpe(R"(},"decoder":{"type":"Strip","content":"x","start":1,"stop":0}})"),
       "'Strip of other than ' ' at the beginning'"},
      {R"({"pre_tokenizer":{"type":"ByteLevel"},"model":{"type":"WordPiece","vocab":{}}})",
       "the tokenizer has 'ByteLevel' beside a model that is not BPE, which is not supported"},
      {R"({"model":{"type":"WordPiece","vocab":{"a":0}}})", "a WordPiece tokenizer needs a token for unknown words"},
      {R"({"model":{"type":"Unigram","vocab":["a"]}})",
       "a tokenizer's 'vocab' holds what is no pair of a text and a score"},
      {R"({"model":{"type":"Unigram","unk_id":3,"vocab":[["a",0]]}})", "the tokenizer's 'unk_id' 3 is no token"},
  };
  for (const auto& [json, words] : cases)
    EXPECT_NE(said(json).find(words), std::string::npos) << json << "\n  " << said(json);
  const std::string long_token(Vocabulary::kMaxTokenBytes + 1, 'x');
  EXPECT_NE(said(R"({"model":{"type":"BPE","vocab":{")" + long_token + R"(":0},"merges":[]}})")
                .find("token 0 has 65537 bytes, more than 65536"),
            std::string::npos);
  EXPECT_NE(
      said(bpe(R"(},"added_tokens":[{"id":5,"content":")" + long_token + R"("}]})")).find("token 5 has 65537 bytes"),
      std::string::npos);
}

TEST(Tokenizer, SaysWhatIsWrongWithTextsAndVocabularies) {
  const auto said = [](auto call) -> std::string {
    try {
      call();
    } catch (const Error& e) {
      return e.hint().empty() ? e.fact() : e.fact() + "\n  try: " + e.hint();
    }
    return "nothing";
  };
  EXPECT_EQ(said([] { (void)wordpiece().encode("a\xFF"); }), "the text is not UTF-8: byte 1 begins no character");
  EXPECT_EQ(said([] { (void)wordpiece().encode("a", true, 2); }), "2 tokens are too few: the special ones alone are 2");
  EXPECT_EQ(said([] { (void)Tokenizer::from_vocab("a\n", true, "v"); }),
            "v: one of [UNK], [CLS] and [SEP] is missing\n  try: a vocab.txt of WordPiece: a word a line, [UNK], [CLS] "
            "and [SEP] among them");
  EXPECT_EQ(
      said([] { (void)Tokenizer::from_vocab("a\n\xFF\n", true, "v"); }),
      "v: line 2 is not UTF-8\n  try: a vocab.txt of WordPiece: a word a line, [UNK], [CLS] and [SEP] among them");
  EXPECT_EQ(
      said([] { (void)Tokenizer::from_json(R"({"model":{"type":"Unigram","vocab":[["a",0]]}})", "t").encode("b"); }),
      "the tokenizer has no token for 'b', and none for what is unknown");
  const auto folder = std::filesystem::path(testing::TempDir()) / "monza_no_tokenizer";
  std::filesystem::create_directories(folder);
  EXPECT_EQ(said([&] { (void)Tokenizer::open(folder); }),
            folder.string() +
                " holds no tokenizer\n  try: a folder with a tokenizer.json or vocab.txt, or one of those files");
  std::ofstream(folder / "vocab.txt") << "a\n";
  std::ofstream(folder / "tokenizer_config.json") << "{";
  EXPECT_EQ(said([&] { (void)Tokenizer::open(folder); }), (folder / "tokenizer_config.json").string() + " is not JSON");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace monza::text
