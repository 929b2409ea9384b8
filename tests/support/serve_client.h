// A service of small models, and a conversation with it over bytes alone.
#pragma once

#include <atomic>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "serve/http_session.h"
#include "serve/service.h"

namespace monza::test {

/// Bytes of a list of numbers.
template <typename T>
std::string bytes_of(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

/// A message with a body; "Content-Length" is added.
inline std::string http_message(std::string_view first_line, std::string_view body, std::string_view fields = {}) {
  std::string out(first_line);
  out += " HTTP/1.1\r\nHost: test\r\n";
  out += fields;
  out += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  out += body;
  return out;
}
/// An inference with binary tensors.
inline std::string binary_infer(std::string_view model, std::string_view json, std::string_view tensors) {
  std::string body(json);
  body += tensors;
  return http_message("POST /v2/models/" + std::string(model) + "/infer", body,
                      "Inference-Header-Content-Length: " + std::to_string(json.size()) + "\r\n");
}

/// One connection.
class ServeClient {
 public:
  explicit ServeClient(serve::Service& service,
                       serve::HttpSession::Purpose purpose = serve::HttpSession::Purpose::inference)
      : service_(service), session_(service, purpose, &ServeClient::wake, this) {}
  /// A result that is still to come is waited for.
  ~ServeClient() {
    if (!session_.disconnect()) {
      await();
      session_.finish();
    }
  }

  /// Sends bytes, `piece` at a time, and returns what is answered until the session wants more, or its end. With
  /// `finish` false it returns when a result is waited for.
  std::string talk(std::string_view bytes, std::size_t piece = SIZE_MAX, bool finish = true) {
    using Want = serve::HttpSession::Want;
    std::string answer;
    for (;;) {
      switch (session_.want()) {
        case Want::bytes: {
          if (bytes.empty()) return answer;
          std::size_t given = 0;
          for (const std::span<std::byte> space : session_.receive_space()) {
            const std::size_t n = std::min({space.size(), bytes.size(), piece - given});
            if (n > 0) std::memcpy(space.data(), bytes.data(), n);
            bytes.remove_prefix(n);
            given += n;
          }
          session_.received(given);
          break;
        }
        case Want::result:
          if (!finish) return answer;
          await();
          session_.finish();
          break;
        case Want::send: {
          const std::span<const std::byte> first = session_.output()[0];
          const std::size_t n = std::min(piece, first.size());
          answer.append(reinterpret_cast<const char*>(first.data()), n);
          session_.sent(n);
          break;
        }
        case Want::close: return answer + "<closed>";
      }
    }
  }
  serve::HttpSession& session() { return session_; }

 private:
  static void wake(void* user) noexcept {
    auto& awake = static_cast<ServeClient*>(user)->awake_;
    awake.store(true);
    awake.notify_one();
  }
  void await() {
    service_.scheduler.idle();
    awake_.wait(false);
    awake_.store(false);
  }

  serve::Service& service_;
  std::atomic<bool> awake_{false};
  serve::HttpSession session_;
};

}  // namespace monza::test
