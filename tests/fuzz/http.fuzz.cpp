// A connection to a server: HTTP, JSON and binary tensors in pieces. The first byte is the size of the pieces.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <string_view>
#include <thread>

#include "fuzz/fuzz.h"
#include "serve/http_session.h"
#include "serve/service.h"
#include "support/engine_from_text.h"

namespace monza::fuzz {
namespace {

/// `m`: rows of two floats, in batches; `s`: the same of strings.
serve::Service& service() {
  static serve::Service* const made = [] {
    plan::PlanScope scope;
    scope.profile["batch"] = {1, 4, 4};
    const auto model = [&](const char* name, const std::string& type, const std::string& node) {
      const std::string text = "graph \"main\" (%x: " + type + "[batch,2]) {\n  %y = " + node + "\n  return (y: %y)\n}";
      return std::make_shared<serve::ServedModel>(name, test::engine_from_text(text, scope).engine, serve::BatchRule{});
    };
    auto* s = new serve::Service(serve::SchedulerOptions{.inline_limit = std::chrono::seconds(10)},
                                 serve::ServiceLimits{.max_body = 1 << 20});
    s->add(model("m", "f32", "Neg(%x)"), {});
    s->add(model("s", "string", "StringConcat(%x, %x)"), {});
    return s;
  }();
  return *made;
}

void run(Bytes input) {
  using Want = serve::HttpSession::Want;
  const std::size_t piece = input.empty() ? 1 : 1 + static_cast<std::size_t>(input[0]);
  if (!input.empty()) input = input.subspan(1);
  std::atomic<bool> awake{false};
  serve::HttpSession session(
      service(), serve::HttpSession::Purpose::inference,
      [](void* user) noexcept { static_cast<std::atomic<bool>*>(user)->store(true); }, &awake);
  for (;;) {
    switch (session.want()) {
      case Want::bytes: {
        if (input.empty()) return;
        const auto space = session.receive_space();
        if (space.empty() || space[0].empty()) finding("a session that wants bytes has no place for them");
        const std::size_t n = std::min({space[0].size(), input.size(), piece});
        std::memcpy(space[0].data(), input.data(), n);
        input = input.subspan(n);
        session.received(n);
        break;
      }
      case Want::result:
        service().scheduler.idle();  // runs it here, or has been run by the scheduler's thread
        while (!awake.exchange(false)) std::this_thread::yield();
        session.finish();
        break;
      case Want::send: {
        const auto output = session.output();
        if (output.empty() || output[0].empty()) finding("a session that wants to send has nothing");
        const std::string_view head(reinterpret_cast<const char*>(output[0].data()), output[0].size());
        if (head.starts_with("HTTP/1.1 500")) finding("a request ends in what nobody foresaw");
        session.sent(output[0].size());
        break;
      }
      case Want::close: return;
    }
  }
}

}  // namespace

const Target http_target{"http", run, nullptr, 4 << 20, 64};

}  // namespace monza::fuzz
