// The whole text of an error, for tests that compare it to the letter.
#pragma once

#include <sys/resource.h>

#include <functional>
#include <string>

namespace monza::test {

/// What a user reads of the Error that `f` throws; "" when it throws none. `folder`, where given, reads FOLDER.
std::string error_of(const std::function<void()>& f, const std::string& folder = {});

/// The same of `f` in a process of its own that may use no more of `resource` (RLIMIT_AS, ...) than `limit`.
std::string error_under_limit(int resource, rlim_t limit, const std::function<void()>& f,
                              const std::string& folder = {});

}  // namespace monza::test
