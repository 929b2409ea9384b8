#include "serve/repository.h"

#include <fmt/format.h>

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <future>
#include <iterator>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

namespace monza::serve {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMostTasks = 64;
constexpr std::uintmax_t kMostConfig = 1 << 20;
/// A file that was written so lately may still be: polling waits for it to be left alone.
constexpr std::chrono::seconds kSettled{1};

/// Changes with a file's content; hidden files, as this server's own, do not count.
std::string stamp_of(const fs::path& folder) {
  std::vector<std::string> lines;
  std::error_code failure;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failure)) {
    const std::string name = entry.path().filename().string();
    struct stat about{};
    if (name.starts_with('.') || ::stat(entry.path().c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
    lines.push_back(fmt::format("{} {} {}.{} {}\n", name, about.st_size, about.st_mtim.tv_sec, about.st_mtim.tv_nsec,
                                about.st_ino));
  }
  std::sort(lines.begin(), lines.end());
  return fmt::format("{}", fmt::join(lines, ""));
}

/// The versions that there are: folders whose names are numbers above 0.
std::vector<std::int64_t> versions_in(const fs::path& folder) {
  std::vector<std::int64_t> versions;
  std::error_code failure;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failure)) {
    const std::string name = entry.path().filename().string();
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size() && number > 0 && entry.is_directory(failure))
      versions.push_back(number);
  }
  std::sort(versions.begin(), versions.end());
  return versions;
}

std::string whole_stamp(const fs::path& folder) {
  std::string stamp = stamp_of(folder);
  for (const std::int64_t version : versions_in(folder))
    stamp += fmt::format("{}/\n{}", version, stamp_of(folder / std::to_string(version)));
  return stamp;
}

bool settled(const fs::path& folder) {
  const auto before = fs::file_time_type::clock::now() - kSettled;
  std::error_code failure;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder, failure))
    if (entry.is_regular_file(failure) && entry.last_write_time(failure) > before) return false;
  return true;
}

ModelConfig config_of(const fs::path& folder, const std::string& name) {
  const fs::path file = folder / "config.pbtxt";
  std::error_code failure;
  if (!fs::exists(file, failure)) return {};
  if (!fs::is_regular_file(file, failure) || fs::file_size(file, failure) > kMostConfig)
    fail("config.pbtxt is no file of at most a megabyte");
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in) fail("config.pbtxt cannot be read");
  return parse_model_config(text, name);
}

/// Those that the configuration wants, of those that there are.
std::vector<std::int64_t> wanted_versions(const ModelConfig& config, std::vector<std::int64_t> there) {
  if (!config.versions.empty()) {
    for (const std::int64_t version : config.versions)
      if (std::find(there.begin(), there.end(), version) == there.end()) fail("there is no version {}", version);
    return config.versions;
  }
  if (config.latest > 0 && static_cast<std::size_t>(config.latest) < there.size())
    there.erase(there.begin(), there.end() - config.latest);
  return there;
}

fs::path model_file(const fs::path& folder, const ModelConfig& config) {
  if (!config.file.empty()) return resolve_confined(folder, config.file);
  for (const char* name : {"model.engine", "model.onnx"})
    if (fs::exists(folder / name)) return resolve_confined(folder, name);
  fail_hint("NAME/VERSION/model.onnx or model.engine, or default_model_filename in config.pbtxt",
            "version {} has no model file", folder.filename().string());
}

/// What went wrong, without the names of the folders above the repository.
std::string without_folder(std::string words, const fs::path& folder) {
  const std::string above = folder.string() + "/";
  for (std::size_t at; (at = words.find(above)) != words.npos;) words.erase(at, above.size());
  return words;
}

}  // namespace

Repository::Repository(Service& service, const ContextOptions& context, RepositoryOptions options, Build build)
    : service_(service),
      context_(context),
      options_(std::move(options)),
      folder_([&] {
        std::error_code failure;
        fs::path folder = fs::canonical(options_.folder, failure);
        if (failure || !fs::is_directory(folder, failure))
          fail_hint("a folder with a folder for each model", "'{}' is no folder", options_.folder.string());
        return folder;
      }()),
      build_(std::move(build)),
      thread_([this] { work(); }) {}

Repository::~Repository() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  news_.notify_all();
  thread_.join();
}

void Repository::start() {
  std::vector<std::future<void>> loads;
  const std::set<std::string> there = names();
  std::vector<std::string> wanted(there.begin(), there.end());
  if (options_.mode == RepositoryOptions::Mode::on_request) wanted = options_.at_start;
  for (const std::string& name : wanted) {
    auto loaded = std::make_shared<std::promise<void>>();
    loads.push_back(loaded->get_future());
    const std::lock_guard lock(mutex_);
    tasks_.push_back({true, name, [loaded](int, const std::string&) { loaded->set_value(); }});
  }
  news_.notify_all();
  for (std::future<void>& load : loads) load.wait();
}

void Repository::load(std::string name, Done done) {
  std::unique_lock lock(mutex_);
  if (options_.mode != RepositoryOptions::Mode::on_request) {
    lock.unlock();
    return done(409, "models are loaded by request with --model-control-mode explicit alone");
  }
  if (tasks_.size() >= kMostTasks) {
    lock.unlock();
    return done(429, "too many models are being loaded");
  }
  tasks_.push_back({true, std::move(name), std::move(done)});
  news_.notify_all();
}

void Repository::unload(std::string name, Done done) {
  std::unique_lock lock(mutex_);
  if (options_.mode != RepositoryOptions::Mode::on_request) {
    lock.unlock();
    return done(409, "models are unloaded by request with --model-control-mode explicit alone");
  }
  tasks_.push_back({false, std::move(name), std::move(done)});
  news_.notify_all();
}

void Repository::work() {
  auto next_poll = std::chrono::steady_clock::now() + options_.poll_time;
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (!tasks_.empty()) {
      Task task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      const std::string failure = change(task.name, task.load);
      task.done(failure.empty() ? 200 : 400, failure);
      lock.lock();
    } else if (options_.mode != RepositoryOptions::Mode::poll) {
      news_.wait(lock);
    } else if (std::chrono::steady_clock::now() >= next_poll) {
      lock.unlock();
      poll();
      lock.lock();
      next_poll = std::chrono::steady_clock::now() + options_.poll_time;
    } else {
      news_.wait_until(lock, next_poll);
    }
  }
  for (Task& task : tasks_) task.done(503, "the server is ending");
}

void Repository::poll() {
  const std::set<std::string> there = names();
  for (const std::string& name : there) {
    const fs::path folder = folder_ / name;
    const auto known = known_.find(name);
    if (known != known_.end() && known->second.wanted && known->second.tried == whole_stamp(folder)) continue;
    if (settled(folder)) (void)change(name, true);
  }
  for (const auto& [name, known] : known_)
    if (known.wanted && !there.contains(name)) (void)change(name, false);
}

std::string Repository::change(const std::string& name, bool load) {
  Known known;
  if (const auto found = known_.find(name); found != known_.end()) known = found->second;
  std::string failure;
  try {
    if (load) load_now(name, known);
    else unload_now(name, known);
  } catch (const Error& e) {
    failure = without_folder(e.fact(), folder_);
    log(LogLevel::warning, "serve: '{}' is not {}: {}", name, load ? "loaded" : "unloaded", e.fact());
  } catch (const std::exception& e) {
    failure = "the server has no means for it";
    log(LogLevel::warning, "serve: '{}' is not loaded: {}", name, e.what());
  }
  known.failure = failure;
  const std::lock_guard lock(mutex_);
  // What a client merely named is not remembered.
  if (known.wanted || known_.contains(name)) known_[name] = known;
  return failure;
}

fs::path Repository::folder_of(const std::string& name) const {
  const bool plain = !name.empty() && name.size() < 256 && !name.starts_with('.') && name.find('/') == name.npos &&
                     name.find('\0') == name.npos;
  std::error_code failure;
  const fs::path folder = plain ? fs::canonical(folder_ / name, failure) : fs::path();
  if (!plain || failure || folder.parent_path() != folder_ || !fs::is_directory(folder, failure))
    fail("the repository has no model '{}'", name);
  return folder;
}

std::set<std::string> Repository::names() const {
  std::set<std::string> found;
  std::error_code failure;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_, failure)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with('.') && entry.is_directory(failure)) found.insert(name);
  }
  return found;
}

void Repository::load_now(const std::string& name, Known& known) {
  const fs::path folder = folder_of(name);
  if (known.served.empty() && service_.has(name, "")) fail("a model of this name is served from a file of its own");
  known.wanted = true;
  known.tried = whole_stamp(folder);
  const ModelConfig config = config_of(folder, name);
  const std::vector<std::int64_t> wanted = wanted_versions(config, versions_in(folder));
  if (wanted.empty()) fail_hint("a folder 1 with the model file", "'{}' has no version", name);
  std::vector<Service::Model> made;
  std::map<std::int64_t, std::string> served;
  for (const std::int64_t version : wanted) {
    const fs::path place = folder / std::to_string(version);
    if (fs::canonical(place) != place) fail("version {} is a link", version);
    // The configuration is a part of each version.
    const std::string stamp = stamp_of(folder) + stamp_of(place);
    served[version] = stamp;
    if (const auto old = known.served.find(version); old != known.served.end() && old->second == stamp) continue;
    Engine engine = build_(model_file(place, config), config.rows);
    const BatchRule rule{config.rows == -1 ? 0 : std::max<std::int64_t>(1, config.rows)};
    auto model = std::make_shared<const ServedModel>(name, std::move(engine), rule, version, config.policy);
    check_declared(config, *model);
    made.push_back(service_.prepare(std::move(model), context_));
  }
  // All of it succeeded: now clients get it.
  for (const Service::Model& model : made) service_.publish(model);
  for (const auto& [version, stamp] : known.served)
    if (!served.contains(version)) service_.remove(name, version);
  known.served = std::move(served);
}

void Repository::unload_now(const std::string& name, Known& known) {
  if (!known.wanted) fail("the repository has no loaded model '{}'", name);
  for (const auto& [version, stamp] : known.served) service_.remove(name, version);
  known = {};
}

std::vector<ModelControl::IndexEntry> Repository::index() {
  const std::set<std::string> there = names();
  std::vector<IndexEntry> entries;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, known] : known_) {
    for (const auto& [version, stamp] : known.served)
      entries.push_back({name, std::to_string(version), "READY", known.failure});
    if (known.served.empty())
      entries.push_back({name, "", "UNAVAILABLE", known.failure.empty() ? "unloaded" : known.failure});
  }
  for (const std::string& name : there)
    if (!known_.contains(name)) entries.push_back({name, "", "", ""});
  return entries;
}

}  // namespace monza::serve
