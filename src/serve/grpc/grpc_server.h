// KServe v2 over gRPC: sockets and threads, which are gRPC's own.
#pragma once

#include <memory>
#include <string>

#include "serve/other_server.h"
#include "serve/service.h"
#include "serve/tls.h"

namespace monza::serve {

struct GrpcServerOptions {
  std::string host = "127.0.0.1";  ///< an address of this machine: 0.0.0.0 and :: are all of them
  int port = 8001;                 ///< 0: any that is free
  TlsFiles tls;
};

/// Calls are taken from construction on until close(). Thread-safe.
class GrpcServer final : public OtherServer {
 public:
  /// Listens. Throws Error when it cannot.
  GrpcServer(Service& service, const GrpcServerOptions& options);
  /// Ends what is still open.
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  int port() const;

  void close(Clock::time_point until) override;
  bool busy() override;
  void cut() override;
  int finish() override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace monza::serve
