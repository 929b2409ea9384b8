#include "tools/load/load.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "tools/args/usage_error.h"

namespace monza::tool {
namespace {

using Clock = std::chrono::steady_clock;

/// One thread over all connections.
class LoadRun {
 public:
  LoadRun(const LoadOptions& options, const HttpUrl& url, const std::string& request)
      : o_(options), url_(url), request_(request), random_(options.seed), gap_(options.rate) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < o_.concurrency; ++i) {
      users_.push_back(std::make_unique<User>());
      connect(*users_.back());
    }
  }
  ~LoadRun() { ::close(epoll_); }
  LoadRun(const LoadRun&) = delete;
  LoadRun& operator=(const LoadRun&) = delete;

  LoadResult run() {
    const Clock::time_point begin = Clock::now();
    counted_from_ = begin + seconds(o_.warmup);
    end_ = counted_from_ + seconds(o_.duration);
    next_due_ = begin;
    if (o_.rate <= 0)
      for (auto& user : users_) start(*user, Clock::now());
    std::vector<epoll_event> events(users_.size());
    for (;;) {
      const Clock::time_point now = Clock::now();
      if (now >= end_) break;
      if (o_.rate > 0) send_due(now);
      const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms(now));
      for (int i = 0; i < ready; ++i) {
        User& user = *static_cast<User*>(events[static_cast<std::size_t>(i)].data.ptr);
        if (user.busy) handle(user, user.connection.progress());
      }
      if (gone_ && busy_ == 0) break;
    }
    result_.seconds = std::chrono::duration<double>(Clock::now() - counted_from_).count();
    result_.latency_ms = summarize(std::move(latencies_));
    return std::move(result_);
  }

 private:
  struct User {
    HttpConnection connection;
    bool busy = false;
    Clock::time_point due;
  };
  static Clock::duration seconds(double s) {
    return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
  }

  void connect(User& user) {
    user.connection.open(url_);
    epoll_event event{EPOLLIN | EPOLLOUT | EPOLLET, {.ptr = &user}};
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, user.connection.fd(), &event);
  }

  void start(User& user, Clock::time_point due) {
    if (!user.connection.is_open()) {
      try {
        connect(user);
      } catch (const RunError&) {
        if (due >= counted_from_) ++result_.refused;
        gone_ = true;
        return;
      }
    }
    user.busy = true;
    ++busy_;
    user.due = due;
    handle(user, user.connection.send(request_));
  }

  void handle(User& user, HttpConnection::Event event) {
    if (event == HttpConnection::Event::pending) return;
    user.busy = false;
    --busy_;
    const Clock::time_point now = Clock::now();
    if (event == HttpConnection::Event::lost) {
      ++result_.lost;  // whenever it was sent
      user.connection.close();
    } else if (user.due >= counted_from_) {
      ++result_.statuses[user.connection.status()];
      if (user.connection.status() == 200) {
        ++result_.answered;
        latencies_.push_back(std::chrono::duration<double, std::milli>(now - user.due).count());
      }
    }
    if (now >= end_) return;
    if (o_.rate <= 0) start(user, now);
    else if (!waiting_.empty()) {
      const Clock::time_point due = waiting_.front();
      waiting_.pop_front();
      start(user, due);
    }
  }

  /// Arrivals are a Poisson process: nobody waits for anybody.
  void send_due(Clock::time_point now) {
    while (next_due_ <= now) {
      const Clock::time_point due = next_due_;
      next_due_ += seconds(gap_(random_));
      const auto idle = std::find_if(users_.begin(), users_.end(), [](const auto& user) { return !user->busy; });
      if (idle == users_.end()) waiting_.push_back(due);
      else start(**idle, due);
    }
  }

  int wait_ms(Clock::time_point now) const {
    const Clock::time_point until = o_.rate > 0 ? std::min(next_due_, end_) : end_;
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(until - now).count();
    return static_cast<int>(std::clamp<std::int64_t>(ms, 0, 100));
  }

  const LoadOptions& o_;
  const HttpUrl& url_;
  const std::string& request_;
  std::mt19937_64 random_;
  std::exponential_distribution<double> gap_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<User>> users_;
  int busy_ = 0;
  bool gone_ = false;  ///< nothing listens any more
  Clock::time_point counted_from_, end_, next_due_;
  std::deque<Clock::time_point> waiting_;
  std::vector<double> latencies_;
  LoadResult result_;
};

}  // namespace

LoadResult measure_load(const LoadOptions& options, const HttpUrl& url, const std::string& request) {
  return LoadRun(options, url, request).run();
}

}  // namespace monza::tool
