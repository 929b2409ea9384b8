// HTTP/1.1 messages out of bytes: heads, and bodies in chunks. Knows no sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace monza::serve {

/// What is used of a head.
struct HttpHead {
  std::string method, target, authorization, traceparent;
  int status = 0;  ///< of a response
  std::optional<std::uint64_t> content_length;
  /// The header of KServe's binary tensor extension: bytes of JSON before the tensors.
  std::optional<std::uint64_t> inference_header;
  bool chunked = false;
  bool keep_alive = true;
  bool expects_continue = false;
  bool encoded = false;  ///< its Content-Encoding is not identity
};

/// Reads one message after another. What RFC 9112 forbids (two lengths, a length beside chunks, a bare line feed in a
/// head, ...) is an error. Throws RequestError: 400, 413 for a body beyond the limit, 431 for a long head.
class HttpReader {
 public:
  enum class Kind { requests, responses };
  explicit HttpReader(Kind kind, std::size_t max_head = 16 << 10);
  ~HttpReader();
  HttpReader(const HttpReader&) = delete;
  HttpReader& operator=(const HttpReader&) = delete;

  /// Begins the next message, whose body may have `max_body` bytes.
  void reset(std::uint64_t max_body);
  /// Takes what it can of the head off the front of `bytes`. Bytes taken; what is left is given again with more behind
  /// it, unless head_done().
  std::size_t read_head(std::string_view bytes);
  bool head_done() const { return head_done_; }
  const HttpHead& head() const { return head_; }
  /// Of a chunked body: takes what it can off the front of `bytes` and appends the content to `body`. Bytes taken; the
  /// rest is given again with more behind it.
  std::size_t read_chunks(std::string_view bytes, std::string& body);
  bool chunks_done() const;

 private:
  struct Parser;
  const Kind kind_;
  const std::size_t max_head_;
  HttpHead head_;
  bool head_done_ = false;
  std::size_t head_bytes_ = 0;  ///< taken so far
  std::unique_ptr<Parser> parser_;
};

}  // namespace monza::serve
