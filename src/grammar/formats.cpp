#include "grammar/formats.h"

#include <map>
#include <string>

namespace monza::grammar {
namespace {

/// The patterns, put together of those that RFCs name.
struct Patterns {
  // RFC 3339: as many days as the month has, the 29th of February in the years that have it. Of leap seconds those that
  // are written 23:59:60Z alone.
  std::string leap_year = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)";
  std::string date =
      "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8])"
      ")|" +
      leap_year + "-02-29)";
  std::string time =
      "(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]+)?([zZ]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
      "|23:59:60(\\.[0-9]+)?([zZ]|[+-]00:00))";
  std::string time_span = "T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S)";
  std::string duration =
      "P(([0-9]+D|[0-9]+M([0-9]+D)?|[0-9]+Y([0-9]+M([0-9]+D)?)?)(" + time_span + ")?|" + time_span + "|[0-9]+W)";
  // RFC 4291 and 2673.
  std::string octet = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
  std::string ipv4 = octet + "(\\." + octet + "){3}";
  std::string hex = "[0-9a-fA-F]", h16 = hex + "{1,4}", h16c = "(" + h16 + ":)";
  std::string ls32 = "(" + h16 + ":" + h16 + "|" + ipv4 + ")";
  std::string ipv6 = "(" + h16c + "{6}" + ls32 + "|::" + h16c + "{5}" + ls32 + "|(" + h16 + ")?::" + h16c + "{4}" +
                     ls32 + "|(" + h16c + "{0,1}" + h16 + ")?::" + h16c + "{3}" + ls32 + "|(" + h16c + "{0,2}" + h16 +
                     ")?::" + h16c + "{2}" + ls32 + "|(" + h16c + "{0,3}" + h16 + ")?::" + h16c + ls32 + "|(" + h16c +
                     "{0,4}" + h16 + ")?::" + ls32 + "|(" + h16c + "{0,5}" + h16 + ")?::" + h16 + "|(" + h16c +
                     "{0,6}" + h16 + ")?::)";
  // RFC 1123. Labels with "--" behind two characters are encoded ones, whose rules no pattern holds: they are left out.
  std::string an = "[a-zA-Z0-9]", anh = "[a-zA-Z0-9-]";
  std::string label = an + "(" + anh + "?" + an + "|" + anh + "(" + an + anh + "{0,59}" + an + "|-" + an + "(" + anh +
                      "{0,58}" + an + ")?))?";
  std::string host = label + "(\\." + label + ")*";
  // RFC 3986.
  std::string encoded = "%" + hex + "{2}";
  std::string pchar = "([a-zA-Z0-9._~!$&'()*+,;=:@-]|" + encoded + ")", path = "(/" + pchar + "*)*";
  std::string authority = "(([a-zA-Z0-9._~!$&'()*+,;=:-]|" + encoded + ")*@)?(\\[(" + ipv6 + "|[vV]" + hex +
                          "+\\.[a-zA-Z0-9._~!$&'()*+,;=:-]+)\\]|([a-zA-Z0-9._~!$&'()*+,;=-]|" + encoded +
                          ")*)(:[0-9]*)?";
  std::string tail = "(\\?(" + pchar + "|[/?])*)?(#(" + pchar + "|[/?])*)?";
  std::string absolute = "/(" + pchar + "+" + path + ")?";
  std::string uri =
      "[a-zA-Z][a-zA-Z0-9+.-]*:(//" + authority + path + "|" + absolute + "|" + pchar + "+" + path + "|)" + tail;
  std::string relative = "(//" + authority + path + "|" + absolute + "|([a-zA-Z0-9._~!$&'()*+,;=@-]|" + encoded + ")+" +
                         path + "|)" + tail;
  // RFC 5321.
  std::string atom = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+";
  std::string email = "(" + atom + "(\\." + atom + ")*|\"([\\x20-!#-\\[\\]-~]|\\\\[\\x20-~])*\")@(" + host + "|\\[(" +
                      ipv4 + "|IPv6:" + ipv6 + ")\\])";
  std::string pointer = "(/([^/~]|~[01])*)*";
};

std::map<std::string_view, std::string> make() {
  const Patterns p;
  std::map<std::string_view, std::string> all = {
      {"date", p.date},
      {"time", p.time},
      {"date-time", p.date + "[tT]" + p.time},
      {"duration", p.duration},
      {"uuid", p.hex + "{8}-" + p.hex + "{4}-" + p.hex + "{4}-" + p.hex + "{4}-" + p.hex + "{12}"},
      {"ipv4", p.ipv4},
      {"ipv6", p.ipv6},
      {"hostname", p.host},
      {"email", p.email},
      {"uri", p.uri},
      {"uri-reference", p.uri + "|" + p.relative},
      {"json-pointer", p.pointer},
      {"relative-json-pointer", "(0|[1-9][0-9]*)(#|" + p.pointer + ")"},
  };
  for (auto& [name, pattern] : all) pattern = "^(" + pattern + ")$";
  for (const char* other : {"idn-email", "idn-hostname", "iri", "iri-reference", "uri-template", "regex"})
    all.emplace(other, "");
  return all;
}

}  // namespace

const char* format_pattern(std::string_view format) {
  static const std::map<std::string_view, std::string> kPatterns = make();
  const auto found = kPatterns.find(format);
  return found == kPatterns.end() ? nullptr : found->second.c_str();
}

}  // namespace monza::grammar
