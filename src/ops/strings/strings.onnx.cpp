// ONNX operators that only strings have. Equal and Cast of strings are imported with their families.
#include "import/api.h"
#include "ops/shared/inputs.onnx.h"
#include "tensor/dtype.h"

namespace monza::ops {
namespace {

ir::ValueId strings(OnnxNode& n, std::vector<std::string> values, const Shape& shape) {
  auto made = std::make_shared<ir::Constant>();
  made->dtype = DType::string;
  made->shape = shape;
  made->strings = std::move(values);
  return n.constant_value(std::move(made));
}

void import_concat(OnnxNode& n) { n.bind(0, n.add1("StringConcat", {n.input(0), n.input(1)})); }

void import_split(OnnxNode& n) {
  ir::Attrs attrs;
  if (n.has_attr("maxsplit")) {
    const std::int64_t limit = n.i("maxsplit", 0);
    if (limit < 0) fail("maxsplit is {}", limit);
    attrs.set("maxsplit", limit);
  }
  const auto out = n.add("StringSplit", {n.input(0), strings(n, {n.s("delimiter", "")}, Shape{})}, std::move(attrs), 2);
  for (int i = 0; i < 2; ++i)
    if (n.has_output(i)) n.bind(i, out[static_cast<std::size_t>(i)]);
}

void import_normalizer(OnnxNode& n) {
  // Case is mapped character by character, as every locale does but those of Turkic languages.
  const std::string locale = n.s("locale", "");
  for (const char* turkic : {"tr", "az"})
    if (locale.starts_with(turkic))
      fail_hint("normalise the text before the model", "the case rules of locale '{}' are not supported", locale);
  auto words = n.strings("stopwords");
  const Shape shape{static_cast<std::int64_t>(words.size())};
  ir::Attrs attrs;
  attrs.set("case_change_action", n.s("case_change_action", "NONE"));
  attrs.set("is_case_sensitive", n.i("is_case_sensitive", 0));
  n.bind(0, n.add1("StringNormalizer", {n.input(0), strings(n, std::move(words), shape)}, std::move(attrs)));
}

void import_regex(OnnxNode& n) {
  n.bind(0, n.add1("RegexFullMatch", {n.input(0), strings(n, {n.s("pattern", "")}, Shape{})}));
}

constexpr OnnxImporter kImporters[] = {
    {.op_type = "StringConcat", .import = import_concat},
    {.op_type = "StringSplit", .import = import_split},
    {.op_type = "StringNormalizer", .import = import_normalizer},
    {.op_type = "RegexFullMatch", .import = import_regex},
};

}  // namespace

extern const OnnxImporters strings_onnx{kImporters};

}  // namespace monza::ops
