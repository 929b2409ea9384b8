// Sockets for HttpSessions: one thread that accepts, receives, sends and keeps time, and drains at the end.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "serve/other_server.h"
#include "serve/service.h"
#include "serve/tls.h"

namespace monza::serve {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  ///< an address of this machine: 0.0.0.0 and :: are all of them
  int http_port = 8000;            ///< 0: any that is free
  int metrics_port = 8002;         ///< -1: none; never TLS
  /// Of load, unload and what else is an admin's, which the other port refuses then (Service::admin_apart); -1: none.
  int admin_port = -1;
  std::string admin_host = "127.0.0.1";
  TlsFiles tls;  ///< of the ports of HTTP and admins
  /// After the first signal: how long connections are still accepted, so that nothing is lost that is on its way.
  std::chrono::milliseconds drain_grace{500};
  std::chrono::milliseconds drain_time{30'000};  ///< for what was accepted then
};

class HttpServer {
 public:
  /// Listens. Throws Error when it cannot.
  HttpServer(Service& service, const HttpServerOptions& options);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int http_port() const;
  int metrics_port() const;  ///< -1: none
  int admin_port() const;    ///< -1: none

  /// Serves until stop(), SIGTERM or SIGINT; then what was accepted is finished, answers say that the connection
  /// closes, and run() returns. A second signal ends it at once. The number of connections that were cut. `other` is
  /// closed and, when time is over, cut with them.
  int run(OtherServer* other = nullptr);
  /// From any thread.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace monza::serve
