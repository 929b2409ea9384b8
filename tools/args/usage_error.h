// What stops a command, beside monza::Error.
#pragma once

#include <stdexcept>

#include "base/printable.h"

namespace monza::tool {

/// The command line asks for something that does not make sense. Exit 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
/// An inference failed: the words of Context::describe(). Exit 4.
class RunError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace monza::tool
