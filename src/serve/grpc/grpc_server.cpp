// The one place that includes gRPC, whose headers cost a compiler seconds. Calls of all methods come to one generic
// service as bytes: so no generated stubs are compiled, and tensors are copied from where they were received to the
// batch that they run in.
#include "serve/grpc/grpc_server.h"

#include <grpc/support/log.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "base/error.h"
#include "base/log.h"
#include "serve/grpc/inference.h"
#include "serve/grpc/methods.h"
#include "serve/request_error.h"

namespace monza::serve {
namespace {

/// Requests of one stream that are computed at a time: further ones wait in the kernel's buffers.
constexpr std::size_t kMostInFlight = 16;
/// At the end: for how long no call must have come, and how long that is waited for.
constexpr std::chrono::milliseconds kQuiet{100}, kMostRefusing{2000};
constexpr int kMostStreams = 1024;  // calls of one connection at a time

/// The pieces of a message; valid as long as `slices`.
Pieces pieces_of(const grpc::ByteBuffer& message, std::vector<grpc::Slice>& slices) {
  Pieces pieces;
  if (message.Valid() && message.Dump(&slices).ok())
    for (const grpc::Slice& slice : slices)
      pieces.emplace_back(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return pieces;
}

/// A message that keeps the string: nothing is copied.
grpc::ByteBuffer message_of(std::string text) {
  auto* kept = new std::string(std::move(text));
  const grpc::Slice slice(kept->data(), kept->size(), [](void* user) { delete static_cast<std::string*>(user); }, kept);
  return {&slice, 1};
}

Clock::time_point deadline_of(const grpc::CallbackServerContext& context) {
  const auto left = context.deadline() - std::chrono::system_clock::now();
  return left > std::chrono::hours(24) ? Clock::time_point::max() : Clock::now() + left;
}

std::shared_ptr<grpc::ServerCredentials> credentials(const TlsFiles& files) {
  if (!files.given()) return grpc::InsecureServerCredentials();
  SSL_CTX_free(make_tls_context(files));  // gRPC would say what is wrong with them in its log alone
  const auto watched = std::make_shared<grpc::experimental::FileWatcherCertificateProvider>(
      files.key, files.certificate, static_cast<unsigned>(kTlsLook.count()));
  grpc::experimental::TlsServerCredentialsOptions options(watched);
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  return grpc::experimental::TlsServerCredentials(options);
}

grpc::Status status_of(int status, const std::string& words) {
  return {static_cast<grpc::StatusCode>(rpc_code(status)), words};
}

}  // namespace

struct GrpcServer::Impl final : grpc::CallbackGenericService {
  /// One call. Belongs to gRPC from construction on, until OnDone.
  class Call : public grpc::ServerGenericBidiReactor {
   public:
    Call(Impl& server, grpc::GenericCallbackServerContext& context) : server(server), context(context) {
      const std::lock_guard lock(server.mutex);
      server.calls.insert(this);
    }
    /// No further request will be waited for.
    virtual void end_soon() {}
    virtual void cancel() = 0;
    void OnCancel() override {
      if (Clock::now() >= server.cut_at.load()) server.lost.fetch_add(1);
      cancel();
    }
    void OnDone() override {
      {
        const std::lock_guard lock(server.mutex);
        server.calls.erase(this);
      }
      delete this;
    }
    void count(int code, RequestRecord record, std::size_t bytes_in) {
      server.service.metrics.grpc_answers[static_cast<std::size_t>(code)].fetch_add(1, std::memory_order_relaxed);
      if (!server.service.observer.on()) return;
      const std::string client = context.peer();
      const auto given = context.client_metadata().find("traceparent");
      if (given != context.client_metadata().end()) record.traceparent = {given->second.data(), given->second.size()};
      record.target = context.method();
      record.client = client;
      record.status = code;
      record.bytes_in = bytes_in;
      server.service.observer.report(record);
    }

    Impl& server;
    grpc::GenericCallbackServerContext& context;
    grpc::ByteBuffer in, out;
  };

  class UnaryCall final : public Call {
   public:
    UnaryCall(Impl& server, grpc::GenericCallbackServerContext& context)
        : Call(server, context), inference_(server.service, &UnaryCall::done, this) {
      StartRead(&in);
    }
    void OnReadDone(bool ok) override {
      if (!ok) return end(400, "the call has no request");
      std::vector<grpc::Slice> slices;
      const Pieces message = pieces_of(in, slices);
      if (context.method() == kInferMethod) return inference_.begin(message, deadline_of(context));
      std::string request;
      for (const std::string_view piece : message) request += piece;
      try {
        const auto changed = [this](int status, const std::string& words) {
          if (status == 200) send({});
          else end(status, words);
        };
        if (change_models_rpc(server.service, context.method(), request, changed)) return;
        send(answer_rpc(server.service, context.method(), request));
      } catch (const RequestError& e) {
        end(e.status(), e.fact());
      }
    }
    void cancel() override { inference_.cancel(); }

   private:
    static void done(void* user, RpcInference& inference) noexcept {
      auto& result = inference.result();
      auto* call = static_cast<UnaryCall*>(user);
      if (result.status == 200) call->send(std::move(result.message));
      else call->end(result.status, result.words);
    }
    void send(std::string message) {
      count(grpc::OK, inference_.record(), in.Length());
      out = message_of(std::move(message));
      StartWriteAndFinish(&out, {}, grpc::Status::OK);
    }
    void end(int status, const std::string& words) {
      count(rpc_code(status), inference_.record(), in.Length());
      Finish(status_of(status, words));
    }

    RpcInference inference_;
  };

  /// Requests of a stream are computed as they come, and answered in their order.
  class StreamCall final : public Call {
   public:
    StreamCall(Impl& server, grpc::GenericCallbackServerContext& context) : Call(server, context) { StartRead(&in); }

    void OnReadDone(bool ok) override {
      if (!ok) {
        const std::lock_guard lock(mutex_);
        read_ended_ = true;
        return advance();
      }
      std::vector<grpc::Slice> slices;
      const Pieces message = pieces_of(in, slices);
      const auto one = std::make_shared<Pending>(server.service, *this);
      one->bytes_in = in.Length();
      {
        const std::lock_guard lock(mutex_);
        pending_.push_back(one);
      }
      one->inference.begin(message, deadline_of(context));
      const std::lock_guard lock(mutex_);
      reading_ = false;
      advance();
    }
    void OnWriteDone(bool /*ok*/) override {
      const std::lock_guard lock(mutex_);
      pending_.pop_front();
      writing_ = false;
      advance();
    }
    void cancel() override {
      std::deque<std::shared_ptr<Pending>> all;
      {
        const std::lock_guard lock(mutex_);
        all = pending_;
      }
      for (const auto& one : all) one->inference.cancel();
    }
    void end_soon() override {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      advance();
    }

   private:
    struct Pending {
      Pending(Service& service, StreamCall& call) : call(call), inference(service, &StreamCall::done, this) {}
      StreamCall& call;
      RpcInference inference;
      std::size_t bytes_in = 0;
      bool done = false;
    };
    static void done(void* user, RpcInference& /*inference*/) noexcept {
      auto* one = static_cast<Pending*>(user);
      const std::lock_guard lock(one->call.mutex_);
      one->done = true;
      one->call.advance();
    }
    /// Begins what can be done next. Under the mutex: gRPC reports each of these on another stack.
    void advance() {
      if (finished_) return;
      if (!writing_ && !pending_.empty() && pending_.front()->done) {
        writing_ = true;
        RpcInference& inference = pending_.front()->inference;
        auto& result = inference.result();
        count(rpc_code(result.status), inference.record(), pending_.front()->bytes_in);
        out = message_of(result.status == 200 ? stream_answer_message(result.message)
                                              : stream_error_message(inference.id(), result.words));
        StartWrite(&out);
      }
      if (pending_.empty() && (read_ended_ || ending_)) {
        finished_ = true;
        Finish(read_ended_ ? grpc::Status::OK : grpc::Status(grpc::UNAVAILABLE, "the server is ending"));
      } else if (!reading_ && !read_ended_ && pending_.size() < kMostInFlight) {
        reading_ = true;
        StartRead(&in);
      }
    }

    std::mutex mutex_;
    std::deque<std::shared_ptr<Pending>> pending_;
    bool reading_ = true, read_ended_ = false, writing_ = false, ending_ = false, finished_ = false;
  };

  Impl(Service& service, const GrpcServerOptions& options) : service(service) {
    gpr_set_log_function([](gpr_log_func_args* said) { log(LogLevel::debug, "grpc: {}", said->message); });
    grpc::ServerBuilder builder;
    const bool v6 = options.host.find(':') != std::string::npos;
    const std::string address = fmt::format("{0}{1}{2}:{3}", v6 ? "[" : "", options.host, v6 ? "]" : "", options.port);
    builder.AddListeningPort(address, credentials(options.tls), &port);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // else two servers would share the port unawares
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMostStreams);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(service.limits.max_head));
    // A message of a few kilobytes must not become one of gigabytes.
    builder.AddChannelArgument(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1);
    builder.SetMaxReceiveMessageSize(static_cast<int>(std::min<std::uint64_t>(service.limits.max_body, INT32_MAX)));
    builder.SetMaxSendMessageSize(-1);
    builder.RegisterCallbackGenericService(this);
    server = builder.BuildAndStart();
    if (server == nullptr || port == 0)
      fail_hint("another --grpc-port, or end what listens there", "cannot listen on {} port {}", options.host,
                options.port);
  }
  ~Impl() override {
    close(Clock::now());
    finish();
  }

  class RefusedCall final : public grpc::ServerGenericBidiReactor {
   public:
    explicit RefusedCall(const grpc::Status& status) { Finish(status); }
    void OnDone() override { delete this; }
  };

  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    if (closed) {
      refused_at = Clock::now();
      return new RefusedCall({grpc::UNAVAILABLE, "the server is ending"});
    }
    const auto given = context->client_metadata().find("authorization");
    const std::string_view token =
        given == context->client_metadata().end() ? "" : std::string_view(given->second.data(), given->second.size());
    if (!service.access.allows(token, need_of_rpc(context->method())))
      return new RefusedCall({grpc::UNAUTHENTICATED, "this needs a token: authorization: Bearer TOKEN"});
    if (service.admin_apart && need_of_rpc(context->method()) == Access::Need::admin)
      return new RefusedCall({grpc::PERMISSION_DENIED, "this is for the port of admins alone, over HTTP"});
    if (context->method() == kStreamMethod) return new StreamCall(*this, *context);
    return new UnaryCall(*this, *context);
  }

  void close(Clock::time_point until) {
    if (closed.exchange(true)) return;
    cut_at = until;
    {
      const std::lock_guard lock(mutex);
      for (Call* call : calls) call->end_soon();
    }
    ending = std::thread([this, until] {
      // What comes once Shutdown has begun is cancelled, not told to come again: so that nothing does, clients are
      // told.
      const Clock::time_point latest = std::min(until, Clock::now() + kMostRefusing);
      for (refused_at = Clock::now(); Clock::now() < latest && Clock::now() - refused_at.load() < kQuiet;)
        std::this_thread::sleep_for(kQuiet / 10);
      server->Shutdown(std::chrono::system_clock::now() + std::max<Clock::duration>(until - Clock::now(), {}));
    });
  }

  void finish() {
    if (ending.joinable()) ending.join();
  }

  Service& service;
  int port = 0;
  std::atomic<bool> closed{false};
  std::mutex mutex;
  std::unordered_set<Call*> calls;
  std::atomic<Clock::time_point> cut_at{Clock::time_point::max()};
  std::atomic<Clock::time_point> refused_at;  ///< the last call that came after close()
  std::atomic<int> lost{0};
  std::thread ending;  ///< Shutdown waits
  std::unique_ptr<grpc::Server> server;
};

GrpcServer::GrpcServer(Service& service, const GrpcServerOptions& options)
    : impl_(std::make_unique<Impl>(service, options)) {}
GrpcServer::~GrpcServer() = default;

int GrpcServer::port() const { return impl_->port; }
void GrpcServer::close(Clock::time_point until) { impl_->close(until); }

bool GrpcServer::busy() {
  const std::lock_guard lock(impl_->mutex);
  return !impl_->calls.empty();
}

void GrpcServer::cut() {
  impl_->cut_at = Clock::now();
  impl_->close(Clock::now());
  const std::lock_guard lock(impl_->mutex);
  for (Impl::Call* call : impl_->calls) call->context.TryCancel();
}

int GrpcServer::finish() {
  impl_->finish();
  return impl_->lost;
}

}  // namespace monza::serve
