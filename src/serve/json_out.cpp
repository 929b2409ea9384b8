#include "serve/json_out.h"

#include "base/utf8.h"

namespace monza::serve {

void append_json_string(std::string& out, std::string_view text) {
  constexpr const char* kHex = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const auto c = static_cast<unsigned char>(text[0]);
    std::size_t used = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += text[0];
    } else if (c < 0x20 || c == 0x7F) {
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else if (c < 0x80) {
      out += text[0];
    } else if ((used = utf8_bytes(text)) > 0) {
      out.append(text.substr(0, used));
    } else {
      out += "\\ufffd";
      used = 1;
    }
    text.remove_prefix(used);
  }
  out += '"';
}

}  // namespace monza::serve
