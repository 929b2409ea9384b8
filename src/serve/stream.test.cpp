// Answers that are made while they are sent, and such as are waited for without a thread.
#include "serve/stream.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "serve/task.h"
#include "support/serve_client.h"
#include "support/temporary.h"

namespace monza::serve {
namespace {

using test::http_message, test::ServeClient;

/// Hands its streams to the test.
class StreamTask final : public Task {
 public:
  explicit StreamTask(bool whole) : whole_(whole) {}
  Answer answer(const TaskRequest&) const override {
    auto stream = std::make_shared<Stream>(1 << 16);
    {
      const std::lock_guard lock(mutex_);
      last_ = stream;
    }
    if (early_) stream->write("at once"), stream->end(207);
    ready_.store(true);
    ready_.notify_all();
    return {200, "", "text/event-stream", "", stream, whole_};
  }
  std::shared_ptr<Stream> stream() const {
    ready_.wait(false);
    ready_.store(false);
    const std::lock_guard lock(mutex_);
    return last_;
  }
  std::atomic<bool> early_{false};

 private:
  const bool whole_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<Stream> last_;
  mutable std::atomic<bool> ready_{false};
};

std::string without_head(const std::string& answer) { return answer.substr(answer.find("\r\n\r\n") + 4); }

TEST(HttpStream, SendsWhatIsWritten) {
  const test::TemporaryFolder folder;
  Service service{SchedulerOptions{}};
  service.observer.access.open(folder / "log");
  const auto task = std::make_shared<const StreamTask>(false);
  service.add_task("/s", task);
  ServeClient client(service);
  std::thread writer([&] {
    const auto stream = task->stream();
    for (const char* text : {"one", "", "two\r\n", "three"}) {
      EXPECT_TRUE(stream->write(text));
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    stream->end();
    EXPECT_FALSE(stream->write("late"));
  });
  // Two requests behind each other: the second is answered when the first has ended.
  const std::string answer = client.talk(http_message("POST /s", "x") + "GET /v2/health/live HTTP/1.1\r\n\r\n");
  writer.join();
  EXPECT_TRUE(
      answer.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n"))
      << answer;
  HttpReader reader(HttpReader::Kind::responses);
  reader.reset(1 << 20);
  std::string_view rest = answer;
  rest.remove_prefix(reader.read_head(rest));
  std::string body;
  rest.remove_prefix(reader.read_chunks(rest, body));
  EXPECT_TRUE(reader.chunks_done());
  EXPECT_EQ(body, "onetwo\r\nthree");
  EXPECT_TRUE(rest.starts_with("HTTP/1.1 200 OK\r\n")) << rest;
  service.observer.flush();
  std::string line;
  std::getline(std::ifstream(folder / "log"), line);
  EXPECT_NE(line.find(R"("status":200,"bytes_in":1,"bytes_out":13,)"), std::string::npos) << line;
}

TEST(HttpStream, WaitsForAllOfIt) {
  Service service{SchedulerOptions{}};
  const auto task = std::make_shared<StreamTask>(true);
  service.add_task("/s", task);
  ServeClient client(service);
  std::thread writer([&] {
    const auto stream = task->stream();
    stream->write("a"), stream->write("b");
    stream->end(500);
  });
  const std::string answer = client.talk(http_message("POST /s", "x"));
  writer.join();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 500 ")) << answer;
  EXPECT_EQ(without_head(answer), "ab");
  task->early_ = true;
  EXPECT_EQ(without_head(client.talk(http_message("POST /s", "x"))), "at once");
}

TEST(HttpStream, HearsThatItsReaderIsGone) {
  Service service{SchedulerOptions{}};
  for (const bool whole : {false, true}) {
    const auto task = std::make_shared<const StreamTask>(whole);
    const std::string path = whole ? "/whole" : "/pieces";
    service.add_task(path, task);
    std::atomic<int> left{0};
    std::shared_ptr<Stream> stream;
    {
      ServeClient client(service);
      std::thread opener([&] {
        stream = task->stream();
        stream->on_leave([&] { ++left; });
        stream->write("begun");
      });
      (void)client.talk(http_message("POST " + path, "x"), SIZE_MAX, false);
      opener.join();
      EXPECT_EQ(left, 0);
    }
    EXPECT_EQ(left, 1);
    EXPECT_FALSE(stream->write("more"));
    stream->on_leave([&] { ++left; });
    EXPECT_EQ(left, 2);
  }
}

TEST(HttpStream, HoldsSoMuchForASlowReader) {
  Stream stream(10);
  EXPECT_TRUE(stream.write("12345"));
  EXPECT_FALSE(stream.write("678901"));
  EXPECT_EQ(stream.take().text, "12345");
  EXPECT_TRUE(stream.write("678901"));
}

// The client goes while pieces come: nobody is woken who is no more.
TEST(HttpStream, EndsInAnyOrder) {
  Service service{SchedulerOptions{}};
  const auto task = std::make_shared<const StreamTask>(false);
  service.add_task("/s", task);
  for (int i = 0; i < 200; ++i) {
    std::thread writer;
    {
      ServeClient client(service);
      writer = std::thread([&] {
        const auto stream = task->stream();
        for (int k = 0; k < 20 && stream->write("piece"); ++k) {
        }
        stream->end();
      });
      (void)client.talk(http_message("POST /s", "x"), SIZE_MAX, i % 2 == 0);
    }
    writer.join();
  }
}

}  // namespace
}  // namespace monza::serve
