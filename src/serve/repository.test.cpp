// A repository: what is loaded, replaced, kept and refused, and that no request is lost meanwhile.
#include "serve/repository.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <future>
#include <thread>

#include "base/error.h"
#include "base/temporary_folder.h"
#include "support/engine_from_text.h"
#include "support/serve_client.h"

namespace monza::serve {
namespace {
namespace fs = std::filesystem;
using Mode = RepositoryOptions::Mode;

/// Files of models hold a number, and their engines multiply by it: what a client gets says which file it was.
Engine engine_from_file(const fs::path& file, std::int64_t /*rows*/) {
  std::ifstream in(file);
  std::string factor;
  in >> factor;
  if (factor == "broken") fail("{} is broken", file.string());
  plan::PlanScope scope;
  scope.profile["batch"] = {1, 4, 4};
  return test::engine_from_text(fmt::format("graph \"main\" (%x: f32[batch,1]) {{\n  %c = constant f32[1] [{}]\n"
                                            "  %y = Mul(%x, %c)\n  return (y: %y)\n}}",
                                            factor),
                                scope)
      .engine;
}

fs::path root_of(const TemporaryFolder& folder) { return folder.path(); }

struct Repo {
  explicit Repo(Mode mode, std::vector<std::string> at_start = {})
      : folder("a repository"),
        service({}),
        options{root(), mode, std::chrono::milliseconds(20), std::move(at_start)} {}
  void write(const std::string& name, const std::string& text) const {
    const fs::path file = root() / name;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
    fs::last_write_time(file,
                        fs::file_time_type::clock::now() - std::chrono::seconds(5) + std::chrono::milliseconds(++age));
  }
  void start() {
    repository = std::make_unique<Repository>(service, ContextOptions{}, options, engine_from_file);
    service.control = repository.get();
    repository->start();
  }
  /// What x = 1 becomes, or the status.
  float factor(const std::string& path) {
    const std::string body = R"({"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]})";
    const std::string answer =
        test::ServeClient(service).talk(test::http_message("POST /v2/models/" + path + "/infer", body));
    const std::size_t at = answer.find("\"data\":[");
    return at == answer.npos ? -std::stof(answer.substr(9, 3)) : std::stof(answer.substr(at + 8));
  }
  std::string change(const std::string& name, const std::string& what) {
    return test::ServeClient(service).talk(test::http_message("POST /v2/repository/models/" + name + "/" + what, "{}"));
  }
  std::string reason(const std::string& name) {
    for (const auto& entry : repository->index())
      if (entry.name == name) return entry.state + ": " + entry.reason;
    return "none";
  }
  template <typename Truth>
  static bool soon(Truth truth) {
    for (int i = 0; i < 500; ++i) {
      if (truth()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  fs::path root() const { return root_of(folder); }
  mutable int age = 0;
  TemporaryFolder folder;
  Service service;
  RepositoryOptions options;
  std::unique_ptr<Repository> repository;
};

TEST(Repository, ServesVersionsAsTheConfigurationSays) {
  Repo f(Mode::fixed);
  f.write("latest/1/model.onnx", "2");
  f.write("latest/10/model.onnx", "3");
  f.write("latest/9/model.onnx", "4");
  f.write("all/1/model.onnx", "5");
  f.write("all/2/net.onnx", "6");
  f.write("all/1/net.onnx", "7");
  f.write("all/config.pbtxt", "default_model_filename: \"net.onnx\" version_policy { all {} }");
  f.start();
  EXPECT_EQ(f.factor("latest"), 3);
  EXPECT_EQ(f.factor("latest/versions/9"), -404);
  EXPECT_EQ(f.factor("all"), 6);
  EXPECT_EQ(f.factor("all/versions/1"), 7);
  EXPECT_TRUE(f.change("all", "load").starts_with("HTTP/1.1 409"));
  EXPECT_TRUE(f.change("all", "unload").starts_with("HTTP/1.1 409"));
}

TEST(Repository, LoadsAndUnloadsOnRequest) {
  Repo f(Mode::on_request, {"a"});
  f.write("a/1/model.onnx", "2");
  f.write("b/1/model.onnx", "3");
  f.start();
  EXPECT_EQ(f.factor("a"), 2);
  EXPECT_EQ(f.factor("b"), -404);
  EXPECT_TRUE(f.change("b", "load").starts_with("HTTP/1.1 200"));
  EXPECT_EQ(f.factor("b"), 3);
  f.write("b/1/model.onnx", "4.5");
  EXPECT_TRUE(f.change("b", "load").starts_with("HTTP/1.1 200"));
  EXPECT_EQ(f.factor("b"), 4.5f);
  f.write("b/1/model.onnx", "broken");
  const std::string refused = f.change("b", "load");
  EXPECT_TRUE(refused.ends_with(R"({"error":"b/1/model.onnx is broken"})")) << refused;
  EXPECT_EQ(f.factor("b"), 4.5f);  // what was served still is
  EXPECT_EQ(f.reason("b"), "READY: b/1/model.onnx is broken");
  EXPECT_TRUE(f.change("b", "unload").starts_with("HTTP/1.1 200"));
  EXPECT_EQ(f.factor("b"), -404);
  EXPECT_TRUE(f.change("b", "unload").ends_with(R"({"error":"the repository has no loaded model 'b'"})"));
}

TEST(Repository, LeavesModelsOfFilesAlone) {
  Repo f(Mode::on_request);
  f.write("a/1/model.onnx", "2");
  f.write("file", "3");
  f.service.add(std::make_shared<ServedModel>("a", engine_from_file(f.root() / "file", 0), BatchRule{}), {});
  f.start();
  EXPECT_TRUE(f.change("a", "load").ends_with(R"({"error":"a model of this name is served from a file of its own"})"));
  EXPECT_EQ(f.factor("a"), 3);
}

TEST(Repository, RefusesWhatIsOutside) {
  Repo f(Mode::on_request);
  const TemporaryFolder elsewhere("what is outside");
  fs::create_directories(root_of(elsewhere) / "m" / "1");
  std::ofstream(root_of(elsewhere) / "m" / "1" / "model.onnx") << "2";
  fs::create_directory_symlink(root_of(elsewhere) / "m", f.root() / "linked");
  fs::create_directories(f.root() / "version");
  fs::create_directory_symlink(root_of(elsewhere) / "m" / "1", f.root() / "version" / "1");
  fs::create_directories(f.root() / "file" / "1");
  fs::create_symlink(root_of(elsewhere) / "m" / "1" / "model.onnx", f.root() / "file" / "1" / "model.onnx");
  f.write("config/1/model.onnx", "2");
  f.write("config/config.pbtxt", "default_model_filename: \"../../../m/1/model.onnx\"");
  f.write("empty/readme", "");
  f.write("bare/1/readme", "");
  f.write("wants/1/model.onnx", "2");
  f.write("wants/config.pbtxt", "version_policy { specific { versions: [2] } }");
  f.write("large/1/model.onnx", "2");
  f.write("large/config.pbtxt", std::string((1 << 20) + 1, ' '));
  f.start();
  for (const char* name :
       {"linked", "version", "file", "config", "%2e%2e", "..%2f..%2fetc", "%00", "none", ".hidden"}) {
    const std::string answer = f.change(name, "load");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400")) << name << answer;
    EXPECT_EQ(answer.find(elsewhere.path()), answer.npos) << answer;  // nor says where it leads
    EXPECT_EQ(answer.find(f.folder.path()), answer.npos) << answer;
  }
  const auto said = [&](const char* name) {
    const std::string answer = f.change(name, "load");
    return answer.substr(answer.find("{\""));
  };
  EXPECT_EQ(said("version"), R"({"error":"version 1 is a link"})");
  EXPECT_EQ(said("none"), R"({"error":"the repository has no model 'none'"})");
  EXPECT_EQ(said("empty"), R"({"error":"'empty' has no version"})");
  EXPECT_EQ(said("bare"), R"({"error":"version 1 has no model file"})");
  EXPECT_EQ(said("wants"), R"({"error":"there is no version 2"})");
  EXPECT_EQ(said("large"), R"({"error":"config.pbtxt is no file of at most a megabyte"})");
  const std::string parameters = R"({"parameters":{"config":"{}"}})";
  EXPECT_TRUE(test::ServeClient(f.service)
                  .talk(test::http_message("POST /v2/repository/models/wants/load", parameters))
                  .ends_with(R"({"error":"models are loaded as they are in the repository, not with parameters"})"));
}

TEST(Repository, FollowsTheFolder) {
  Repo f(Mode::poll);
  f.write("a/1/model.onnx", "2");
  f.start();
  EXPECT_EQ(f.factor("a"), 2);
  f.write("a/2/model.onnx", "3");
  EXPECT_TRUE(Repo::soon([&] { return f.factor("a") == 3; }));
  EXPECT_EQ(f.factor("a/versions/1"), -404);
  f.write("a/3/model.onnx", "broken");
  EXPECT_TRUE(Repo::soon([&] { return f.reason("a") == "READY: a/3/model.onnx is broken"; })) << f.reason("a");
  EXPECT_EQ(f.factor("a"), 3);
  f.write("b/1/model.onnx", "4");
  EXPECT_TRUE(Repo::soon([&] { return f.factor("b") == 4; }));
  fs::remove_all(f.root() / "b");
  EXPECT_TRUE(Repo::soon([&] { return f.factor("b") == -404; }));
}

TEST(Repository, LosesNoRequestWhenItReloads) {
  Repo f(Mode::on_request, {"a"});
  f.write("a/1/model.onnx", "2");
  f.start();
  std::atomic<bool> end{false};
  std::atomic<int> lost{0}, asked{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 2; ++i)
    clients.emplace_back([&] {
      float least = 2;
      while (!end) {
        const float got = f.factor("a");
        lost += got < least;  // an error, or an older model than before
        least = std::max(least, got);
        ++asked;
      }
    });
  for (int factor = 3; factor < 40; ++factor) {
    f.write("a/1/model.onnx", std::to_string(factor));
    EXPECT_TRUE(f.change("a", "load").starts_with("HTTP/1.1 200"));
  }
  end = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(lost, 0);
  EXPECT_GT(asked, 40);
  EXPECT_EQ(f.factor("a"), 39);
}

}  // namespace
}  // namespace monza::serve
