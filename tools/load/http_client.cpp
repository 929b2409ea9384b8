#include "tools/load/http_client.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "serve/request_error.h"
#include "tools/args/usage_error.h"
#include "tools/text/terminal.h"

namespace monza::tool {
namespace {

constexpr int kFetchMs = 3'000;

}  // namespace

HttpUrl::HttpUrl(const std::string& text) {
  constexpr std::string_view kScheme = "http://";
  const auto refuse = [&] {
    throw UsageError(message("'{}' is not of the form http://HOST:PORT/v2/models/NAME", text));
  };
  if (!text.starts_with(kScheme)) refuse();
  std::string rest = text.substr(kScheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  path = slash < rest.size() ? rest.substr(slash) : "/";
  rest.resize(slash);
  const std::size_t colon = rest.rfind(':');
  const bool has_port = colon != rest.npos && rest.find(']', colon) == rest.npos;
  host = has_port ? rest.substr(0, colon) : rest;
  port = has_port ? rest.substr(colon + 1) : "80";
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const auto is_line = [](const std::string& part) {
    return std::all_of(part.begin(), part.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F; });
  };
  if (host.empty() || port.empty() || !is_line(host) || !is_line(port) || !is_line(path)) refuse();
}

void HttpConnection::open(const HttpUrl& url) {
  close();
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (const int code = ::getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &found); code != 0)
    throw RunError(message("'{}' port {} is not known: {}", url.host, url.port, ::gai_strerror(code)));
  int error = 0;
  for (const addrinfo* a = found; a != nullptr && fd_ < 0; a = a->ai_next) {
    fd_ = ::socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    if (fd_ < 0 || ::connect(fd_, a->ai_addr, a->ai_addrlen) == 0) continue;
    error = errno;
    close();
  }
  ::freeaddrinfo(found);
  if (fd_ < 0) throw RunError(message("cannot connect to {} port {}: {}", url.host, url.port, std::strerror(error)));
  const int on = 1;
  (void)::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  (void)::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
  buffer_.resize(64 << 10);
}

void HttpConnection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  unsent_ = {};
}

HttpConnection::Event HttpConnection::send(std::string_view request) {
  unsent_ = request;
  have_ = 0;
  body_left_ = 0;
  status_ = 0;
  reader_.reset(UINT64_MAX);
  return progress();
}

HttpConnection::Event HttpConnection::progress(std::string* body) {
  while (!unsent_.empty()) {
    const ssize_t n = ::send(fd_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return Event::pending;
    if (n < 0) return Event::lost;
    unsent_.remove_prefix(static_cast<std::size_t>(n));
    if (unsent_.empty()) return Event::pending;  // the answer takes longer than asking for it now
  }
  return receive(body);
}

HttpConnection::Event HttpConnection::receive(std::string* body) {
  for (;;) {
    const ssize_t n = ::recv(fd_, buffer_.data() + have_, buffer_.size() - have_, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return Event::pending;
    if (n <= 0) return Event::lost;
    have_ += static_cast<std::size_t>(n);
    try {
      if (!reader_.head_done()) {
        const std::size_t used = reader_.read_head({buffer_.data(), have_});
        have_ -= used;
        std::memmove(buffer_.data(), buffer_.data() + used, have_);
        if (!reader_.head_done()) continue;
        // An answer without a length would end with the connection; Monza's have one.
        if (!reader_.head().content_length) return Event::lost;
        body_left_ = *reader_.head().content_length;
      }
    } catch (const serve::RequestError&) {
      return Event::lost;
    }
    const std::size_t used = static_cast<std::size_t>(std::min<std::uint64_t>(body_left_, have_));
    if (body != nullptr) body->append(buffer_.data(), used);
    body_left_ -= used;
    have_ = 0;
    if (body_left_ > 0) continue;
    status_ = reader_.head().status;
    if (!reader_.head().keep_alive) close();
    return Event::answered;
  }
}

std::string fetch(const HttpUrl& url, const std::string& path) {
  HttpConnection connection;
  connection.open(url);
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: " + url.host + "\r\n\r\n";
  std::string body;
  HttpConnection::Event event = connection.send(request);
  while (event == HttpConnection::Event::pending) {
    pollfd poll{connection.fd(), static_cast<short>(connection.wants_to_write() ? POLLOUT : POLLIN), 0};
    if (::poll(&poll, 1, kFetchMs) == 0)
      throw RunError(message("{} port {} does not answer within {} seconds", url.host, url.port, kFetchMs / 1000));
    event = connection.progress(&body);
  }
  if (event == HttpConnection::Event::lost)
    throw RunError(message("{} port {} ends the connection without an answer", url.host, url.port));
  if (connection.status() != 200)
    throw RunError(message("{} is answered with {}: {}", path, connection.status(), body.substr(0, 300)));
  return body;
}

}  // namespace monza::tool
