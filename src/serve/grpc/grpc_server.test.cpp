// Listening; what is said over sockets is tested with Triton's client (tests/peers/serve_test.py).
#include "serve/grpc/grpc_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "monza/error.h"

// The thread sanitizer cannot see how gRPC's threads wait for each other: Debian's libraries are not built for it.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "race:libgrpc.so\nrace:libabsl_\n"; }

namespace monza::serve {
namespace {

TEST(GrpcServer, SharesItsPortWithNobody) {
  Service service({});
  GrpcServer first(service, {.port = 0});
  EXPECT_GT(first.port(), 0);
  try {
    const GrpcServer second(service, {.port = first.port()});
    ADD_FAILURE() << "two servers listen on one port";
  } catch (const Error& e) {
    EXPECT_EQ(e.fact(), fmt::format("cannot listen on 127.0.0.1 port {}", first.port()));
    EXPECT_EQ(e.hint(), "another --grpc-port, or end what listens there");
  }
  EXPECT_FALSE(first.busy());
  first.close(Clock::now());
  EXPECT_EQ(first.finish(), 0);
}

}  // namespace
}  // namespace monza::serve
