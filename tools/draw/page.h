// What the pages of the tool have in common.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace monza::tool {

/// The begin of a page: its head with the styles that all pages share, its title, `about` below it, links to
/// `sections` (id, text) and a field to search in. Light or dark as the reader's system is. A page fetches nothing and
/// runs one script, for the search, which browsers know by its hash: none that a model's text might bring in.
std::string page_begin(const std::string& title, const std::string& about,
                       const std::vector<std::pair<const char*, const char*>>& sections);
std::string page_end();
/// A number and what it is, in a box. Escapes both.
std::string page_card(const std::string& value, const std::string& what);

}  // namespace monza::tool
