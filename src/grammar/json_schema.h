// JSON Schemas as grammars of the JSON that they allow.
#pragma once

#include <string_view>

#include "grammar/grammar.h"

namespace monza::grammar {

struct SchemaOptions {
  /// Besides JSON without white space: a space or a line end with up to 64 spaces or tabs behind it, at the inner side
  /// of brackets and behind commas and colons.
  bool white_space = true;
  Limits limits;
};

/// A grammar whose texts are the JSON values that a schema (drafts 4 to 7, 2019-09, 2020-12) allows, properties in any
/// order. Each value has a text in it, not every text of each value: docs/adr/grammars.md says which. Throws Error that
/// names place and keyword where a schema asks for what is not supported; what it does not throw for is held exactly.
GrammarPtr compile_schema(std::string_view schema, const SchemaOptions& options = {});

}  // namespace monza::grammar
