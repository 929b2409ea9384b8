// Connections of a load generator: HTTP/1.1 over sockets that do not block.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "serve/http_reader.h"

namespace monza::tool {

/// http://HOST[:PORT]/PATH. Throws UsageError for anything else.
struct HttpUrl {
  explicit HttpUrl(const std::string& text);
  std::string host, port, path;
};

/// One connection, one request at a time.
class HttpConnection {
 public:
  enum class Event : std::uint8_t { pending, answered, lost };

  HttpConnection() : reader_(serve::HttpReader::Kind::responses) {}
  ~HttpConnection() { close(); }
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  /// Throws RunError when nothing listens there.
  void open(const HttpUrl& url);
  void close();
  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  /// Begins to send a request, which must live until it is answered.
  Event send(std::string_view request);
  /// Goes on with what was begun, as far as it goes without waiting. `body`, if given, takes the answer's body.
  Event progress(std::string* body = nullptr);
  int status() const { return status_; }
  bool wants_to_write() const { return !unsent_.empty(); }

 private:
  Event receive(std::string* body);

  int fd_ = -1;
  serve::HttpReader reader_;
  std::string_view unsent_;
  std::string buffer_;
  std::size_t have_ = 0;         ///< of buffer_: a part of a head
  std::uint64_t body_left_ = 0;  ///< of the answer, once its head is read
  int status_ = 0;
  bool keep_alive_ = true;
};

/// Sends a request and waits for the answer. Throws RunError when there is none, or its status is not 200.
std::string fetch(const HttpUrl& url, const std::string& path);

}  // namespace monza::tool
