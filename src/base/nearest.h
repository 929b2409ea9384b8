// What a name that is not there may have been meant for.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace monza {

/// Those of `names` that are most like `name`: at most `count`, nearest first; none when nothing is near.
std::vector<std::string> nearest_names(const std::string& name, const std::vector<std::string>& names,
                                       std::size_t count = 5);

/// "one of 'a', 'b'": a hint. Empty for no names.
std::string one_of(const std::vector<std::string>& names);

}  // namespace monza
