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

/// Whether a process is held to RLIMIT_AS here: qemu's user mode takes the limit and does nothing about it.
bool address_space_is_limited();

}  // namespace monza::test

/// Skips the test where no limit of memory is kept.
#define MONZA_NEED_ADDRESS_SPACE_LIMIT()          \
  if (!::monza::test::address_space_is_limited()) \
  GTEST_SKIP() << "a process may have more memory here than its limit (RLIMIT_AS) says"
