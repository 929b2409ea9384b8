// The commands serve and load as processes: a server that is asked, loaded and ended.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "cli/driver.h"

namespace monza::test {
namespace {

using Json = nlohmann::json;

void open_dimensions(onnx::ModelProto& m, const char* first, const char* second) {
  auto& graph = *m.mutable_graph();
  graph.mutable_initializer(0)->set_dims(0, 1);
  graph.mutable_initializer(0)->mutable_float_data()->Truncate(3);
  for (auto* value : {graph.mutable_input(0), graph.mutable_output(0)}) {
    auto& shape = *value->mutable_type()->mutable_tensor_type()->mutable_shape();
    shape.mutable_dim(0)->set_dim_param(first);
    if (second != nullptr) shape.mutable_dim(1)->set_dim_param(second);
  }
  if (second != nullptr) {
    graph.mutable_initializer(0)->set_dims(1, 1);
    graph.mutable_initializer(0)->mutable_float_data()->Truncate(1);
  }
}

/// The tool, serving in its test's folder on a port of its own.
class Served {
 public:
  Served(const Tool& tool, const std::string& arguments) {
    int out[2];
    if (::pipe(out) != 0) throw std::runtime_error("no pipe");
    const std::string line = "cd '" + tool.path("").string() + "' && exec '" MONZA_TOOL "' serve " + arguments +
                             " --http-port 0 --grpc-port -1 --metrics-port 0 --threads 1 --json --quiet --no-tune";
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(out[1], STDOUT_FILENO);
      ::execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(out[1]);
    FILE* in = ::fdopen(out[0], "r");
    char text[4096] = "";
    if (std::fgets(text, sizeof text, in) != nullptr) said_ = Json::parse(text);
    std::fclose(in);
  }
  ~Served() {
    if (pid_ > 0) (void)end(SIGKILL);
  }
  const Json& said() const { return said_; }
  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(said_.at("http_port").get<int>()) + path;
  }
  /// The exit code.
  int end(int signal = SIGTERM) {
    ::kill(pid_, signal);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  Json said_;
};

TEST(ServeCommands, SayWhatIsWrong) {
  const Tool tool;
  tool.model("m.onnx");
  expect_messages(tool, "serve/serve.messages.txt");
}

TEST(ServeCommands, ServeAndLoad) {
  const Tool tool;
  tool.model("rows.onnx", [](onnx::ModelProto& m) { open_dimensions(m, "batch", nullptr); });
  tool.model("fixed.onnx");
  ASSERT_EQ(tool.run("build fixed.onnx --output fixed.engine --no-tune --quiet").code, 0);
  Served served(tool, "rows.onnx fixed.engine --max-queue 64");
  ASSERT_EQ(
      served.said().at("models"),
      Json::parse(R"([{"name":"fixed","version":"1","max_batch":1},{"name":"rows","version":"1","max_batch":8}])"));
  for (const char* arguments :
       {"/v2/models/rows --concurrency 4 --batch 2", "/v2/models/fixed --rate 200 --concurrency 8"}) {
    const Ran ran = tool.run("load " + served.url(arguments) + " --duration 0.3 --warmup 0.1 --json");
    ASSERT_EQ(ran.code, 0) << ran.err << ran.out;
    const Json r = Json::parse(ran.out);
    EXPECT_GT(r.at("answered"), 0);
    EXPECT_EQ(r.at("lost"), 0);
    EXPECT_GT(r.at("latency_ms").at("median").get<double>(), 0);
    EXPECT_GE(r.at("latency_ms").at("p99").get<double>(), r.at("latency_ms").at("median").get<double>());
    EXPECT_EQ(r.at("statuses").size(), 1u);
  }
  const Ran text = tool.run("load " + served.url("/v2/models/rows") + " --duration 0.1 --warmup 0");
  EXPECT_NE(text.out.find("requests/s"), std::string::npos) << text.err;
  const Ran many = tool.run("load " + served.url("/v2/models/rows") + " --duration 0.1 --warmup 0 --batch 9 --json");
  EXPECT_EQ(many.code, 4);  // none of them was answered with outputs
  EXPECT_GT(Json::parse(many.out).at("statuses").at("400"), 0);
  EXPECT_EQ(served.end(), 0);
}

TEST(ServeCommands, LoadSaysWhatAServerIsNot) {
  const Tool tool;
  tool.model("m.onnx", [](onnx::ModelProto& m) { open_dimensions(m, "batch", "width"); });
  Served served(tool, "m.onnx --min-shape width=1 --max-shape width=4");
  const auto said_of = [&](const std::string& arguments) {
    const Ran ran = tool.run("load " + arguments + " --duration 0.1");
    return std::to_string(ran.code) + " " + ran.err;
  };
  EXPECT_EQ(said_of(served.url("/v2/models/none")),
            "4 monza: error: /v2/models/none is answered with 404: {\"error\":\"there is no model 'none'\"}\n");
  EXPECT_EQ(said_of(served.url("/v2")),
            "4 monza: error: what is at '" + served.url("/v2") + "' is no model of KServe v2\n");
  EXPECT_EQ(said_of(served.url("/v2/models/m")),
            "2 monza: error: input 'x' has an open extent\n  try: --shape x=1x..\n");
  EXPECT_EQ(said_of(served.url("/v2/models/m --shape x=1x3 --shape z=1")),
            "2 monza: error: the model has no input 'z'\n");
  EXPECT_EQ(tool.run("load " + served.url("/v2/models/m --shape x=1x3 --duration 0.1")).code, 0);

  // What listens and says nothing, and what hangs up.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 8), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string port = std::to_string(ntohs(address.sin_port));
  EXPECT_EQ(said_of("http://127.0.0.1:" + port + "/v2/models/m"),
            "4 monza: error: 127.0.0.1 port " + port + " does not answer within 3 seconds\n");
  std::thread hangs_up([&] {
    for (int i = 0; i < 2; ++i) ::close(::accept(listener, nullptr, nullptr));
  });
  EXPECT_EQ(said_of("http://127.0.0.1:" + port + "/v2/models/m"),
            "4 monza: error: 127.0.0.1 port " + port + " ends the connection without an answer\n");
  hangs_up.join();
  ::close(listener);
}

TEST(ServeCommands, AnEndThatCutsSomebodyOffSaysSo) {
  const Tool tool;
  tool.model("m.onnx");
  Served served(tool, "m.onnx --drain-grace 0 --drain-time 0 2>said.txt");
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(served.said().at("http_port").get<int>()));
  ASSERT_EQ(::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::send(client, "GET /v2", 7, 0), 7);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(served.end(), 4);
  EXPECT_EQ(tool.read("said.txt"), "monza: error: 1 connection had not finished when the time to drain was over\n");
  ::close(client);
}

}  // namespace
}  // namespace monza::test
