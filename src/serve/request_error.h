// What a client asked for and does not get: a status of HTTP and the words.
#pragma once

#include <string>
#include <utility>

#include "base/error.h"

namespace monza::serve {

/// Thrown while a request is read and checked. Its words go to the client: they speak of the request and of the model's
/// interface, never of files, addresses or nodes.
class RequestError : public Error {
 public:
  RequestError(int status, std::string fact) : Error(std::move(fact)), status_(status) {}
  int status() const noexcept { return status_; }  ///< 400 to 599, as RFC 9110 numbers them

 private:
  int status_;
};

/// Throws RequestError; strings among the arguments are made printable (base/printable.h).
template <typename... Args>
[[noreturn]] void fail_with(int status, fmt::format_string<Shown<Args>...> format, const Args&... args) {
  throw RequestError(status, message(format, args...));
}

}  // namespace monza::serve
