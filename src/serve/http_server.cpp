// The one place that includes Asio, whose headers cost a compiler seconds.
//
// What a request costs here, beside what is read and sent: one wait for many sockets, one receive, one send. A
// session's bytes are received where it wants them, and its answer is sent from where it lies. When no socket has more
// to say, the scheduler is told: that is when a batch is closed.
#include "serve/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>

#include <linux/filter.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "serve/http_session.h"

namespace monza::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Failure = boost::system::error_code;

constexpr std::chrono::milliseconds kSweep{250}, kDrainStep{10}, kAcceptPause{100};
/// How long what a client still sends is read after the last answer: closing at once would take the answer from it.
constexpr std::chrono::milliseconds kLinger{1000};

/// Pieces as Asio takes them, without a list of its own.
template <typename Buffer, std::size_t most>
class Pieces {
 public:
  using value_type = Buffer;
  using const_iterator = const Buffer*;
  template <typename Spans>
  explicit Pieces(const Spans& spans) {
    for (const auto span : spans) {
      if (count_ == most) break;
      buffers_[count_++] = Buffer(span.data(), span.size());
    }
  }
  const_iterator begin() const { return buffers_.data(); }
  const_iterator end() const { return buffers_.data() + count_; }

 private:
  std::array<Buffer, most> buffers_;
  std::size_t count_ = 0;
};
using Incoming = Pieces<asio::mutable_buffer, 16>;
using Outgoing = Pieces<asio::const_buffer, 16>;

}  // namespace

struct HttpServer::Impl {
  using TlsStream = asio::ssl::stream<tcp::socket&>;

  struct Connection : std::enable_shared_from_this<Connection> {
    Connection(Impl& server, tcp::socket&& accepted, HttpSession::Purpose purpose)
        : server(server), socket(std::move(accepted)), session(server.service, purpose, &Impl::wake, this) {
      if (server.tls == nullptr || purpose == HttpSession::Purpose::metrics) return;
      context = server.tls;
      tls.emplace(socket, *context);
      greet_until = Clock::now() + server.service.limits.head_time;
    }
    Clock::time_point deadline() const { return lingering ? linger_until : std::min(greet_until, session.deadline()); }

    Impl& server;
    tcp::socket socket;
    std::shared_ptr<asio::ssl::context> context;
    std::optional<TlsStream> tls;
    Clock::time_point greet_until = Clock::time_point::max();  ///< for the handshake
    HttpSession session;
    std::list<std::shared_ptr<Connection>>::iterator place;
    bool watched = false;    ///< for its client's end, while it waits for a result
    bool lingering = false;  ///< all is sent; what comes is forgotten
    bool dropped = false;
    Clock::time_point linger_until;
    std::array<char, 4096> forgotten;
  };
  using ConnectionPtr = std::shared_ptr<Connection>;

  Impl(Service& service, const HttpServerOptions& options) : service(service), options(options) {
    if (options.tls.given()) {
      tls_seen = tls_stamp(options.tls);
      tls = std::make_shared<asio::ssl::context>(make_tls_context(options.tls));
    }
    listen(http, options.host, options.http_port, "http");
    if (options.metrics_port >= 0) listen(metrics, options.host, options.metrics_port, "metrics");
    if (options.admin_port >= 0) listen(admin, options.admin_host, options.admin_port, "admin");
    service.admin_apart = options.admin_port >= 0;
  }

  void listen(tcp::acceptor& acceptor, const std::string& host, int port, const char* what) {
    Failure failure;
    const auto address = asio::ip::make_address(host, failure);
    if (failure) fail_hint("give an address: 127.0.0.1, 0.0.0.0 or ::1", "'{}' is no address to listen on", host);
    const tcp::endpoint endpoint(address, static_cast<std::uint16_t>(port));
    acceptor.open(endpoint.protocol(), failure);
    if (!failure) acceptor.set_option(tcp::acceptor::reuse_address(true), failure);
    if (!failure) acceptor.bind(endpoint, failure);
    if (!failure) acceptor.listen(4096, failure);
    if (!failure) acceptor.non_blocking(true, failure);
    if (failure)
      fail_hint(fmt::format("another --{}-port, or end what listens there", what), "cannot listen on {} port {}: {}",
                host, port, failure.message());
  }

  int run(OtherServer* beside) {
    other = beside;
    thread = std::this_thread::get_id();
    for (const Listening& one : listening)
      if (one.acceptor.is_open()) accept(one.acceptor, one.purpose);
    signals.async_wait([this](const Failure& failure, int) {
      if (!failure) drain();
    });
    sweep();
    io.run();
    // Runs that have begun write to their batches: they end before the memory does.
    io.restart();
    timer.cancel();
    drain_timer.cancel();
    signals.cancel();
    for (auto it = connections.begin(); it != connections.end();)
      if (const ConnectionPtr c = *it++; !c->dropped) drop(c);
    while (!connections.empty()) io.run_one();
    return cut;
  }

  // --- accepting

  void accept(tcp::acceptor& acceptor, HttpSession::Purpose purpose) {
    acceptor.async_accept([this, &acceptor, purpose](const Failure& failure, tcp::socket socket) {
      if (!failure) begin(std::move(socket), purpose);  // perhaps the last one
      if (!acceptor.is_open()) return;
      if (!failure) return accept(acceptor, purpose);
      // No more file descriptors, most likely: those that are waiting are not lost by waiting a little.
      const auto pause = std::make_shared<asio::steady_timer>(io, kAcceptPause);
      pause->async_wait([this, &acceptor, purpose, pause](const Failure& ended) {
        if (!ended && acceptor.is_open()) accept(acceptor, purpose);
      });
    });
  }

  void begin(tcp::socket&& socket, HttpSession::Purpose purpose) {
    Failure ignored;
    socket.non_blocking(true, ignored);
    if (static_cast<int>(connections.size()) >= service.limits.max_connections) {
      service.metrics.turned_away.fetch_add(1, std::memory_order_relaxed);
      if (tls != nullptr && purpose != HttpSession::Purpose::metrics) return;  // there are no words before a handshake
      static constexpr std::string_view kFull =
          "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nContent-Length: "
          "36\r\n"
          "Connection: close\r\n\r\n{\"error\":\"too many open connections\"}";
      socket.write_some(asio::buffer(kFull.data(), kFull.size()), ignored);
      return;
    }
    socket.set_option(tcp::no_delay(true), ignored);
    service.metrics.accepted.fetch_add(1, std::memory_order_relaxed);
    service.metrics.connections.fetch_add(1, std::memory_order_relaxed);
    connections.push_front(std::make_shared<Connection>(*this, std::move(socket), purpose));
    const ConnectionPtr c = connections.front();
    if (service.observer.on()) c->session.set_client(c->socket.remote_endpoint(ignored).address().to_string());
    c->place = connections.begin();
    if (!c->tls) return pump(c);
    c->tls->async_handshake(TlsStream::server, [this, c](const Failure& failure) {
      if (c->dropped) return;
      if (failure) return drop(c);
      c->greet_until = Clock::time_point::max();
      pump(c);
    });
  }

  // --- one connection

  void pump(const ConnectionPtr& c) {
    for (;;) {
      switch (c->session.want()) {
        case HttpSession::Want::bytes: return receive(c);
        case HttpSession::Want::result: return expect_idle(c);
        case HttpSession::Want::close: return linger(c);
        case HttpSession::Want::send: {
          if (c->tls) return send_tls(c);
          Failure failure;
          const std::size_t n = c->socket.write_some(Outgoing(c->session.output()), failure);
          if (failure == asio::error::would_block) {
            c->socket.async_wait(tcp::socket::wait_write, [this, c](const Failure& ended) {
              if (!ended && !c->dropped) pump(c);
            });
            return;
          }
          if (failure) return drop(c);
          c->session.sent(n);
        }
      }
    }
  }

  void receive(const ConnectionPtr& c) {
    const auto done = [this, c](const Failure& failure, std::size_t n) {
      if (c->dropped) return;
      if (failure) return drop(c);
      c->session.received(n);
      pump(c);
    };
    if (c->tls) c->tls->async_read_some(Incoming(c->session.receive_space()), done);
    else c->socket.async_read_some(Incoming(c->session.receive_space()), done);
  }

  void send_tls(const ConnectionPtr& c) {
    c->tls->async_write_some(Outgoing(c->session.output()), [this, c](const Failure& failure, std::size_t n) {
      if (c->dropped) return;
      if (failure) return drop(c);
      c->session.sent(n);
      pump(c);
    });
  }

  /// Of a connection that waits for its result: whether its client still does.
  void watch(const ConnectionPtr& c) {
    if (c->watched) return;
    c->watched = true;
    c->socket.async_wait(tcp::socket::wait_read, [this, c](const Failure& failure) {
      c->watched = false;
      if (failure || c->dropped || c->session.want() != HttpSession::Want::result) return;
      char next = 0;
      Failure ended;
      if (c->socket.receive(asio::buffer(&next, 1), tcp::socket::message_peek, ended) == 0 &&
          ended != asio::error::would_block)
        drop(c);
    });
  }

  void drop(const ConnectionPtr& c) {
    if (!c->dropped) {
      c->dropped = true;
      Failure ignored;
      c->socket.close(ignored);
      if (!c->session.disconnect()) return;  // its result is still to come
    }
    service.metrics.connections.fetch_sub(1, std::memory_order_relaxed);
    connections.erase(c->place);
  }

  void linger(const ConnectionPtr& c) {
    if (!c->lingering) {
      c->lingering = true;
      c->linger_until = Clock::now() + kLinger;
      if (c->tls)
        return c->tls->async_shutdown([this, c](const Failure&) {
          if (!c->dropped) drop(c);
        });
      Failure ignored;
      c->socket.shutdown(tcp::socket::shutdown_send, ignored);
    }
    c->socket.async_read_some(asio::buffer(c->forgotten), [this, c](const Failure& failure, std::size_t) {
      if (c->dropped) return;
      if (failure) drop(c);
      else linger(c);
    });
  }

  // --- results

  /// Once all that sockets have said is read.
  void expect_idle(const ConnectionPtr& c) {
    waiting.push_back(c);
    if (waiting.size() > 1) return;
    asio::post(io, [this] {
      asked.swap(waiting);
      service.scheduler.idle();
      finish_all(finished_here);
      for (const ConnectionPtr& waits : asked)
        if (waits->session.want() == HttpSession::Want::result && !waits->dropped) watch(waits);
      asked.clear();
    });
  }

  static void wake(void* user) noexcept {
    auto* c = static_cast<Connection*>(user);
    Impl& server = c->server;
    if (std::this_thread::get_id() == server.thread) {
      server.finished_here.push_back(c);
      return;
    }
    const std::lock_guard lock(server.mutex);
    server.finished_elsewhere.push_back(c);
    if (server.finished_elsewhere.size() > 1) return;  // the loop knows
    asio::post(server.io, [&server] {
      {
        const std::lock_guard again(server.mutex);
        server.finishing.swap(server.finished_elsewhere);
      }
      server.finish_all(server.finishing);
    });
  }

  void finish_all(std::vector<Connection*>& list) {
    for (Connection* raw : list) {
      const ConnectionPtr c = raw->shared_from_this();
      c->session.finish();
      if (c->dropped) drop(c);
      else pump(c);
    }
    list.clear();
  }

  // --- time

  void sweep() {
    timer.expires_after(kSweep);
    timer.async_wait([this](const Failure& failure) {
      if (failure) return;
      const Clock::time_point now = Clock::now();
      for (auto it = connections.begin(); it != connections.end();) {
        const ConnectionPtr c = *it++;
        if (!c->dropped && now > c->deadline()) drop(c);
      }
      service.observer.flush();
      if (tls != nullptr && now - tls_looked > kTlsLook) renew_tls(now);
      sweep();
    });
  }

  /// A certificate that was written anew is for connections that come from now on.
  void renew_tls(Clock::time_point now) {
    tls_looked = now;
    std::string stamp = tls_stamp(options.tls);
    if (stamp == tls_seen) return;
    try {
      tls = std::make_shared<asio::ssl::context>(make_tls_context(options.tls));
      tls_seen = std::move(stamp);
      log(LogLevel::info, "serve: '{}' was read anew", options.tls.certificate);
    } catch (const Error& e) {  // half of it is written, perhaps: it is looked at again
      log(LogLevel::warning, "serve: the old certificate stays: {}", e.what());
    }
  }

  /// Answers close their connections from now on, and readiness is gone; who connects within the grace is served.
  void drain() {
    if (service.draining.exchange(true)) return;
    drain_until = Clock::now() + options.drain_grace + options.drain_time;
    signals.async_wait([this](const Failure& failure, int) {
      if (!failure) end();
    });
    drain_timer.expires_after(options.drain_grace);
    drain_timer.async_wait([this](const Failure& failure) {
      if (failure) return;
      for (const Listening& one : listening) {
        if (!one.acceptor.is_open()) continue;
        Failure none;
        refuse_new(one.acceptor);
        for (;;) {  // whoever is connected already
          tcp::socket socket(io);
          one.acceptor.accept(socket, none);
          if (none) break;
          begin(std::move(socket), one.purpose);
        }
        one.acceptor.close(none);
      }
      if (other != nullptr) other->close(drain_until);
      drain_step();
    });
  }

  /// Whoever connects between the last accept() and close() would be taken for connected by their kernel, and lost. So
  /// no packet reaches the listening socket any more: they try again, and are refused then.
  static void refuse_new(tcp::acceptor& acceptor) {
    sock_filter nothing{BPF_RET | BPF_K, 0, 0, 0};
    const sock_fprog program{1, &nothing};
    (void)::setsockopt(acceptor.native_handle(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
  }

  /// Connections end when they have been quiet for as long as the grace was: their client may be about to send.
  void drain_step() {
    const Clock::time_point now = Clock::now();

    for (auto it = connections.begin(); it != connections.end();) {
      const ConnectionPtr c = *it++;
      if (c->dropped || c->lingering || !c->session.between_requests()) continue;
      if (c->session.idle_since() + options.drain_grace > now) continue;
      Failure failure;
      if (c->socket.available(failure) == 0 || failure) drop(c);
    }
    const bool finished = connections.empty() && (other == nullptr || !other->busy());
    if (finished || now > drain_until) return end();
    drain_timer.expires_after(kDrainStep);
    drain_timer.async_wait([this](const Failure& failure) {
      if (!failure) drain_step();
    });
  }

  void end() {
    if (other != nullptr) other->cut();
    for (const ConnectionPtr& c : connections) cut += c->lingering || c->dropped ? 0 : 1;
    io.stop();
  }

  Service& service;
  const HttpServerOptions options;
  asio::io_context io{1};
  tcp::acceptor http{io}, metrics{io}, admin{io};
  struct Listening {
    tcp::acceptor& acceptor;
    HttpSession::Purpose purpose;
  };
  const std::array<Listening, 3> listening{{{http, HttpSession::Purpose::inference},
                                            {metrics, HttpSession::Purpose::metrics},
                                            {admin, HttpSession::Purpose::admin}}};
  std::shared_ptr<asio::ssl::context> tls;  ///< for the next connection; null: without
  std::string tls_seen;
  Clock::time_point tls_looked = Clock::now();
  asio::signal_set signals{io, SIGTERM, SIGINT};
  asio::steady_timer timer{io}, drain_timer{io};
  std::thread::id thread;
  std::list<ConnectionPtr> connections;
  std::vector<ConnectionPtr> waiting, asked;  ///< for the next idle(), for the present one
  std::vector<Connection*> finished_here, finishing;
  std::mutex mutex;
  std::vector<Connection*> finished_elsewhere;  ///< by the scheduler's thread; guarded by mutex
  Clock::time_point drain_until;
  OtherServer* other = nullptr;
  int cut = 0;
};

HttpServer::HttpServer(Service& service, const HttpServerOptions& options)
    : impl_(std::make_unique<Impl>(service, options)) {}
HttpServer::~HttpServer() = default;

int HttpServer::http_port() const { return impl_->http.local_endpoint().port(); }
int HttpServer::metrics_port() const { return impl_->metrics.is_open() ? impl_->metrics.local_endpoint().port() : -1; }

int HttpServer::admin_port() const { return impl_->admin.is_open() ? impl_->admin.local_endpoint().port() : -1; }

int HttpServer::run(OtherServer* other) { return impl_->run(other); }

void HttpServer::stop() {
  asio::post(impl_->io, [this] { impl_->drain(); });
}

}  // namespace monza::serve
