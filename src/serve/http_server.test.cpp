// A server on sockets of this machine: many clients, slow and broken ones, and its end, at which nothing is lost.
#include "serve/http_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "monza/error.h"
#include "support/engine_from_text.h"
#include "support/serve_client.h"

namespace monza::serve {
namespace {

using test::binary_infer, test::bytes_of;

std::shared_ptr<const ServedModel> negate_model() {
  plan::PlanScope scope;
  scope.profile["batch"] = {1, 8, 8};
  const Engine engine = test::engine_from_text(R"(graph "main" (%x: f32[batch,2]) {
  %y = Neg(%x)
  return (y: %y)
})",
                                               scope)
                            .engine;
  return std::make_shared<ServedModel>("m", engine, BatchRule{});
}

/// A server that runs on a thread of its own until it is stopped.
class Running {
 public:
  explicit Running(const SchedulerOptions& scheduling = {}, const ServiceLimits& limits = {})
      : service_(scheduling, limits), server_(service_, {.http_port = 0, .metrics_port = 0}) {
    service_.add(negate_model(), {});
    thread_ = std::thread([this] { cut_ = server_.run(); });
  }
  ~Running() { (void)stop(); }
  int stop() {
    if (thread_.joinable()) {
      server_.stop();
      thread_.join();
    }
    return cut_;
  }
  void ask_to_stop() { server_.stop(); }
  HttpServer& server() { return server_; }
  /// Until the server has so many, which clients do not see.
  void await_connections(std::int64_t count) {
    for (int i = 0; service_.metrics.connections.load() != count; ++i) {
      ASSERT_LT(i, 10'000);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  Service& service() { return service_; }

 private:
  Service service_;
  HttpServer server_;
  std::thread thread_;
  int cut_ = -1;
};

/// A blocking connection.
class Socket {
 public:
  explicit Socket(int port) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  bool connected() const { return connected_; }
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  /// One answer; "" at the end of the connection.
  std::string receive() {
    for (;;) {
      if (const std::size_t end = have_.find("\r\n\r\n"); end != std::string::npos) {
        const std::size_t at = have_.find("\r\nContent-Length: ");
        const std::size_t size = end + 4 + (at < end ? std::stoul(have_.substr(at + 18)) : 0);
        if (have_.size() >= size) {
          std::string answer = have_.substr(0, size);
          have_.erase(0, size);
          return answer;
        }
      }
      char buffer[4096];
      const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n <= 0) return "";
      have_.append(buffer, static_cast<std::size_t>(n));
    }
  }

 private:
  int fd_ = -1;
  bool connected_ = false;
  std::string have_;
};

std::string infer_of(float value) {
  return binary_infer("m",
                      R"({"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],)"
                      R"("parameters":{"binary_data_output":true}})",
                      bytes_of<float>({value, 1}));
}
bool answers(const std::string& answer, float value) {
  return answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with(bytes_of<float>({-value, -1}));
}

TEST(HttpServer, AnswersManyClientsAtOnce) {
  Running running;
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int c = 0; c < 8; ++c)
    clients.emplace_back([&, c] {
      Socket socket(running.server().http_port());
      for (int i = 0; i < 200; ++i) {
        const auto value = static_cast<float>(c * 1000 + i);
        if (socket.send(infer_of(value)) && answers(socket.receive(), value)) ++good;
      }
    });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 1600);
  Socket metrics(running.server().metrics_port());
  ASSERT_TRUE(metrics.send("GET /metrics HTTP/1.1\r\n\r\n"));
  EXPECT_NE(metrics.receive().find("monza_rows_total{model=\"m\",version=\"1\"} 1600\n"), std::string::npos);
}

TEST(HttpServer, TheThreadOfTheSchedulerAnswersToo) {
  // No run is short enough for the thread of the sockets.
  Running running(SchedulerOptions{.inline_limit = std::chrono::microseconds(0)});
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int c = 0; c < 4; ++c)
    clients.emplace_back([&, c] {
      Socket socket(running.server().http_port());
      std::string ahead;
      for (int i = 0; i < 50; ++i) ahead += infer_of(static_cast<float>(c * 1000 + i));
      if (!socket.send(ahead)) return;
      for (int i = 0; i < 50; ++i) good += answers(socket.receive(), static_cast<float>(c * 1000 + i)) ? 1 : 0;
    });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 200);
}

TEST(HttpServer, NothingIsLostAtItsEnd) {
  for (const int inline_us : {30, 0}) {
    Running running(SchedulerOptions{.inline_limit = std::chrono::microseconds(inline_us)});
    const int port = running.server().http_port();
    std::vector<std::thread> clients;
    std::atomic<int> good{0}, lost{0};
    for (int c = 0; c < 8; ++c)
      clients.emplace_back([&] {
        // Until nothing listens: whatever was sent on an open connection is answered.
        for (;;) {
          Socket socket(port);
          if (!socket.connected()) return;
          for (bool open = true; open;) {
            if (!socket.send(infer_of(7))) break;
            const std::string answer = socket.receive();
            if (answer.empty()) return void(++lost);
            good += answers(answer, 7) ? 1 : 0;
            open = answer.find("\r\nConnection: close\r\n") == std::string::npos;
          }
        }
      });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(running.stop(), 0);
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(lost, 0);
    EXPECT_GT(good, 8);
  }
}

TEST(HttpServer, BoundsTimeAndConnections) {
  ServiceLimits limits;
  limits.max_connections = 2;
  limits.head_time = limits.transfer_time = limits.idle_time = std::chrono::milliseconds(600);
  Running running({}, limits);
  const int port = running.server().http_port();
  {
    Socket idle(port), slow_head(port);
    ASSERT_TRUE(slow_head.send("GET /v2 HT"));
    running.await_connections(2);
    Socket third(port);
    const std::string full = third.receive();
    EXPECT_TRUE(full.starts_with("HTTP/1.1 503 ")) << full;
    EXPECT_NE(full.find("too many open connections"), std::string::npos);
    EXPECT_EQ(idle.receive(), "");
    EXPECT_EQ(slow_head.receive(), "");
  }
  running.await_connections(0);
  Socket slow_body(port);
  const std::string message = infer_of(1);
  ASSERT_TRUE(slow_body.send(message.substr(0, message.size() - 3)));
  EXPECT_EQ(slow_body.receive(), "");
  Socket next(port);
  ASSERT_TRUE(next.send(message));
  EXPECT_TRUE(answers(next.receive(), 1));
}

TEST(HttpServer, WhoLeavesFreesTheirPlace) {
  Running running(SchedulerOptions{.max_queue = 1, .max_delay = std::chrono::seconds(5)});
  const std::string message = infer_of(1);
  {
    Socket leaves(running.server().http_port());
    ASSERT_TRUE(leaves.send(message));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));  // it waits for its batch to fill
  }
  for (int i = 0;; ++i) {
    Socket next(running.server().http_port());
    ASSERT_TRUE(next.send(message));
    // The place is taken, so far: its answer waits as long as the first would have.
    if (running.service().model("m")->metrics().refused[static_cast<std::size_t>(Reason::cancelled)] > 0) break;
    ASSERT_LT(i, 100) << "a client that is gone keeps its place";
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

TEST(HttpServer, SaysWhyItCannotListen) {
  Service service({});
  const HttpServer first(service, {.http_port = 0, .metrics_port = -1});
  EXPECT_EQ(first.metrics_port(), -1);
  const auto refusal = [&](const HttpServerOptions& options) -> std::string {
    try {
      const HttpServer server(service, options);
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  };
  EXPECT_EQ(
      refusal({.http_port = first.http_port(), .metrics_port = -1}),
      fmt::format("cannot listen on 127.0.0.1 port {}: Address already in use\n  try: another --http-port, or end "
                  "what listens there",
                  first.http_port()));
  EXPECT_EQ(refusal({.host = "localhost", .http_port = 0}),
            "'localhost' is no address to listen on\n  try: give an address: 127.0.0.1, 0.0.0.0 or ::1");
}

}  // namespace
}  // namespace monza::serve
