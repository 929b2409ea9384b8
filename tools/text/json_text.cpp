#include "tools/text/json_text.h"

#include "base/printable.h"
#include "tools/text/json.h"
#include "tools/text/terminal.h"

namespace monza::tool {

std::string json_text(const Json& value, int indent) {
  return printable_json(value.dump(indent, ' ', false, Json::error_handler_t::replace));
}

void print_json(const Json& value, int indent) { write_output(json_text(value, indent) + "\n"); }

}  // namespace monza::tool
