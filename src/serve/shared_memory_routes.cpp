#include "serve/shared_memory_routes.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "serve/json_out.h"
#include "serve/request_error.h"

namespace monza::serve {
namespace {

using Json = nlohmann::json;

std::uint64_t unsigned_at(const Json& object, const char* key, bool required) {
  const auto found = object.find(key);
  if (found == object.end() && !required) return 0;
  if (found == object.end() || !found->is_number_unsigned()) fail_with(400, "'{}' is no count of bytes", key);
  return found->get<std::uint64_t>();
}

SharedRegion::Place place_of(std::string_view body) {
  const Json object = Json::parse(body.begin(), body.end(), nullptr, false);
  if (!object.is_object()) fail_with(400, "the body is no JSON object");
  const auto key = object.find("key");
  if (key == object.end() || !key->is_string()) fail_with(400, "'key' is no string");
  return {key->get<std::string>(), unsigned_at(object, "offset", false), unsigned_at(object, "byte_size", true)};
}

}  // namespace

Answer answer_shared_memory(SharedMemory& memory, const Route& route, std::string_view body) {
  if (route.what == Route::What::shared_register) {
    memory.add(route.region, place_of(body));
    return {};
  }
  if (route.what == Route::What::shared_unregister) {
    if (route.region.empty()) memory.remove_all();
    else memory.remove(route.region);
    return {};
  }
  if (!route.region.empty()) (void)memory.find(route.region);
  std::string text = "[";
  for (const auto& [name, place] : memory.regions()) {
    if (!route.region.empty() && name != route.region) continue;
    if (text.size() > 1) text += ',';
    text += "{\"name\":";
    append_json_string(text, name);
    text += ",\"key\":";
    append_json_string(text, place.key);
    text += fmt::format(",\"offset\":{},\"byte_size\":{}}}", place.offset, place.bytes);
  }
  return {200, text + "]"};
}

}  // namespace monza::serve
