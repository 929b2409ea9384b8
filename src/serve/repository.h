// A folder of models: DIR/NAME/VERSION/model.onnx (or .engine), and DIR/NAME/config.pbtxt where there is need of one.
//
// One thread loads, unloads and looks for changes. What is loaded takes the place of what was served in one step; what
// cannot be loaded leaves it there.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "serve/model_config.h"
#include "serve/model_control.h"
#include "serve/service.h"

namespace monza::serve {

struct RepositoryOptions {
  enum class Mode : std::uint8_t {
    fixed,      ///< all models, at the start
    poll,       ///< the same, and what changes in the folder
    on_request  ///< those of `at_start`, and what clients load and unload
  };
  std::filesystem::path folder;
  Mode mode = Mode::fixed;
  std::chrono::milliseconds poll_time{15'000};
  std::vector<std::string> at_start;
};

/// Thread-safe.
class Repository final : public ModelControl {
 public:
  /// Makes the engine of a file for batches of `rows` (-1: nothing is said, 0: none): on the repository's thread.
  /// Throws Error.
  using Build = std::function<Engine(const std::filesystem::path& file, std::int64_t rows)>;
  /// Throws Error when there is no such folder. The service must outlive this.
  Repository(Service& service, const ContextOptions& context, RepositoryOptions options, Build build);
  /// Ends with the load at hand.
  ~Repository() override;
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;

  /// Loads what is there at the start, before it returns. What cannot be loaded is in the log and in the index.
  void start();

  void load(std::string name, Done done) override;
  void unload(std::string name, Done done) override;
  std::vector<IndexEntry> index() override;

 private:
  struct Task {
    bool load = false;
    std::string name;
    Done done;
  };
  /// What is known of a folder in the repository.
  struct Known {
    std::map<std::int64_t, std::string> served;  ///< the stamp of what was loaded, by version
    std::string tried;                           ///< the stamp of the whole folder at the last attempt
    std::string failure;                         ///< of the last attempt; "": it succeeded, or was not made
    bool wanted = false;
  };

  void work();
  void poll();
  /// "" or what was wrong, in words that name no file of the machine.
  std::string change(const std::string& name, bool load);
  void load_now(const std::string& name, Known& known);
  void unload_now(const std::string& name, Known& known);
  std::filesystem::path folder_of(const std::string& name) const;
  std::set<std::string> names() const;

  Service& service_;
  const ContextOptions context_;
  const RepositoryOptions options_;
  const std::filesystem::path folder_;  ///< options_.folder without links
  const Build build_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<Task> tasks_;
  bool stop_ = false;
  std::map<std::string, Known> known_;  ///< changed by the repository's thread alone, under the mutex
  std::thread thread_;
};

}  // namespace monza::serve
