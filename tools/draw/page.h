// What the pages of the tool have in common.
#pragma once

#include <string>
#include <string_view>

namespace monza::tool {

/// The begin of a document up to its title, with the styles that all pages share. A page fetches nothing and runs no
/// script.
extern const std::string_view kPageHead;
/// A number and what it is, in a box. Escapes both.
std::string page_card(const std::string& value, const std::string& what);

}  // namespace monza::tool
