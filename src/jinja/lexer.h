// The words of a template.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "jinja/value.h"

namespace monza::jinja {

struct Word {
  enum class Kind : std::uint8_t {
    data,        ///< text between tags, with the white space that Jinja leaves (`text`)
    tag,         ///< {%
    tag_end,     ///< %}
    output,      ///< {{
    output_end,  ///< }}
    name,        ///< `text`
    literal,     ///< a number or a text: `value`
    sign,        ///< an operator or bracket: `text`
    end
  } kind;
  std::string text;
  Value value;
  int line;
};

/// With trim_blocks and lstrip_blocks, as chat templates are written for: the line feed behind a tag is left out, and
/// so is the white space before one that begins its line. Throws Error that names the line.
std::vector<Word> words_of(std::string_view source);

}  // namespace monza::jinja
