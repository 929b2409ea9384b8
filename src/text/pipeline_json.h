// The steps of a tokenizer.json around its model.
#pragma once

#include "text/json_fields.h"
#include "text/tokenizer.h"

namespace monza::text {

/// All take the field's object; null stands for one that is missing. They throw Error for what is not supported.
NormalizerPtr read_normalizer(const Json& json);
struct PreTokenizers {
  std::vector<PreTokenizerPtr> steps;
  bool bytes = false;  ///< words are bytes
};
void read_pre_tokenizer(const Json& json, PreTokenizers& out);
void read_post_processor(const Json& json, Template& out);
DecoderRules read_decoder(const Json* json);

}  // namespace monza::text
