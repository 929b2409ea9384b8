#include "tools/text/json_text.h"

#include <nlohmann/json.hpp>

#include "base/printable.h"
#include "tools/text/terminal.h"

namespace monza::tool {

std::string json_text(const nlohmann::ordered_json& value, int indent) {
  return printable_json(value.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

void print_json(const nlohmann::ordered_json& value, int indent) { write_output(json_text(value, indent) + "\n"); }

}  // namespace monza::tool
