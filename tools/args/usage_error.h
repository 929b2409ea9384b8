// What stops a command, beside monza::Error.
#pragma once

#include <stdexcept>

#include "base/printable.h"
#include "eval/run.h"

namespace monza::tool {

/// The command line asks for something that does not make sense. Exit 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
/// Exit 4.
using eval::RunError;

}  // namespace monza::tool
