// Loading plugins: the library is opened, what it says of itself is checked, and its operators are added.
#include "monza/load_plugin.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string_view>

#include "base/error.h"
#include "base/plugin_operator.h"
#include "plugin/kernels.h"

namespace monza {
namespace {

using plugin::Operator;

constexpr const char* kRecompile = "compile it against the monza/plugin.h of this build";

/// Everything that is loaded; operators stay where they are.
struct Loaded {
  struct File {
    PluginInfo info;
    dev_t device;
    ino_t number;
  };
  std::mutex mutex;
  std::vector<File> files;
  std::deque<Operator> operators;
};

Loaded& loaded() {
  static Loaded* const all = new Loaded;  // operators are used until the process ends
  return *all;
}

/// A library that is closed again unless it is kept.
class Library {
 public:
  explicit Library(const std::filesystem::path& path) : handle_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ != nullptr) return;
    const char* reason = ::dlerror();
    fail_hint("a shared library for this processor (cc -shared -fPIC); `ldd FILE` names the libraries that it misses",
              "it cannot be loaded: {}", std::string_view(reason != nullptr ? reason : "no reason is given"));
  }
  ~Library() {
    if (handle_ != nullptr) ::dlclose(handle_);
  }
  Library(const Library&) = delete;
  void* find(const char* symbol) const { return ::dlsym(handle_, symbol); }
  void keep() { handle_ = nullptr; }

 private:
  void* handle_;
};

bool is_word(const char* text, bool with_dots) {
  if (text == nullptr || *text == 0) return false;
  const auto letter = [&](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || (with_dots && c == '.');
  };
  return std::all_of(text, text + std::string_view(text).size(), letter);
}

/// ONNX's own domains, and the one whose operators Monza's importers know.
bool is_reserved(std::string_view domain) {
  for (const std::string_view own : {"ai.onnx", "com.microsoft"})
    if (domain == own || (domain.starts_with(own) && domain[own.size()] == '.')) return true;
  return false;
}

void check_attribute(const monza_plugin_attribute* a) {
  if (a == nullptr) fail("an attribute is NULL");
  if (a->struct_size < sizeof(monza_plugin_attribute))
    fail_hint(kRecompile, "an attribute's struct_size is {}; {} is the least", a->struct_size,
              sizeof(monza_plugin_attribute));
  if (!is_word(a->name, false)) fail("an attribute has no name, or one of other signs than letters, digits and _");
  if (a->kind < MONZA_PLUGIN_INTEGER || a->kind > MONZA_PLUGIN_NUMBERS)
    fail("attribute '{}' is of kind {}, which there is not", a->name, a->kind);
}

void check_range(const char* what, int low, int high, int most) {
  if (low < 0 || high < low || high > most)
    fail("it takes or makes {} to {} {}; from 0 to {} are possible", low, high, what, most);
}

void check_operator(const monza_plugin_operator& d) {
  if (!is_word(d.domain, true) || std::string_view(d.domain).find("..") != std::string_view::npos || *d.domain == '.' ||
      std::string_view(d.domain).back() == '.')
    fail("its domain is '{}'; a domain is made of letters, digits, _ and dots between them",
         std::string_view(d.domain != nullptr ? d.domain : ""));
  if (is_reserved(d.domain))
    fail_hint("a domain of your own, such as org.example", "its domain '{}' is not for plugins", d.domain);
  if (!is_word(d.name, false))
    fail("its name is '{}'; a name is made of letters, digits and _",
         std::string_view(d.name != nullptr ? d.name : ""));
  if (d.version < 1) fail("its version is {}; versions count from 1", d.version);
  if (d.first_opset < 0 || d.last_opset < d.first_opset)
    fail("it takes the versions {} to {} of its domain", d.first_opset, d.last_opset);
  check_range("inputs", d.min_inputs, d.max_inputs, MONZA_PLUGIN_MAX_OPERANDS);
  check_range("outputs", d.min_outputs, d.max_outputs, MONZA_PLUGIN_MAX_OPERANDS);
  if (d.min_outputs < 1) fail("it makes no output");
  if (d.extent_count < 0 || d.extent_count > MONZA_PLUGIN_MAX_EXTENTS)
    fail("it reports {} extents; from 0 to {} are possible", d.extent_count, MONZA_PLUGIN_MAX_EXTENTS);
  if (d.params_bytes > MONZA_PLUGIN_MAX_PARAMS)
    fail_hint("an input for what is large: constants of the model lie in the engine",
              "its parameters take {} bytes; {} are the most", d.params_bytes, MONZA_PLUGIN_MAX_PARAMS);
  if ((d.params_bytes > 0) != (d.params != nullptr))
    fail("params_bytes is {}, and `params` {}", d.params_bytes, d.params != nullptr ? "is given" : "is NULL");
  if (d.infer == nullptr || d.verify == nullptr) fail("`infer` or `verify` is NULL");
  if (d.run == nullptr && d.run_cuda == nullptr) fail("`run` and `run_cuda` are both NULL");
  if (d.attribute_count > 0 && d.attributes == nullptr)
    fail("attribute_count is {}, and `attributes` is NULL", d.attribute_count);
  for (std::size_t i = 0; i < d.attribute_count; ++i) {
    check_attribute(d.attributes[i]);
    for (std::size_t k = 0; k < i; ++k)
      if (std::string_view(d.attributes[k]->name) == d.attributes[i]->name)
        fail("attribute '{}' is declared twice", d.attributes[i]->name);
  }
}

/// What the plugin says of itself, checked.
const monza_plugin& ask(const Library& library) {
  const auto get = reinterpret_cast<decltype(&monza_plugin_get)>(library.find("monza_plugin_get"));
  if (get == nullptr)
    fail_hint("a library made as docs/howto/write-a-plugin.md says",
              "it is no plugin of Monza: it does not export monza_plugin_get");
  const monza_plugin* plugin = nullptr;
  try {
    plugin = get();
  } catch (...) {
    fail("its monza_plugin_get threw an exception");
  }
  if (plugin == nullptr) fail("its monza_plugin_get returned NULL");
  if (plugin->struct_size < sizeof(monza_plugin) || plugin->abi != MONZA_PLUGIN_ABI)
    fail_hint(kRecompile, "it is written for version {} of the plugin interface; this build of Monza has version {}",
              plugin->struct_size < sizeof(monza_plugin) ? 0 : plugin->abi, MONZA_PLUGIN_ABI);
  if (plugin->operator_count < 1 || plugin->operators == nullptr) fail("it has no operators");
  return *plugin;
}

/// Throws Error where `others` have an operator of the same domain and name, of whatever version.
void check_clash(const monza_plugin_operator& d, const std::deque<Operator>& others) {
  for (const Operator& other : others)
    if (std::string_view(other.declared->domain) == d.domain && std::string_view(other.declared->name) == d.name)
      fail_hint("load one of the two", "plugin '{}' has brought {}.{} already", other.file, d.domain, d.name);
}

/// An operator of the plugin, checked.
Operator read_operator(const monza_plugin_operator* declared, const std::string& file) {
  if (declared == nullptr) fail("an operator is NULL");
  if (declared->struct_size < sizeof(monza_plugin_operator))
    fail_hint(kRecompile, "an operator's struct_size is {}; {} is the least", declared->struct_size,
              sizeof(monza_plugin_operator));
  const std::string_view name = declared->name != nullptr ? declared->name : "";
  try {
    check_operator(*declared);
  } catch (const Error& e) {
    throw e.at(message("operator '{}'", name));
  }
  return {declared, plugin_operator_name(declared->domain, name, declared->version), file};
}

PluginInfo load(const std::string& path, Loaded& all) {
  struct stat st{};
  if (::stat(path.c_str(), &st) != 0 || !S_ISREG(st.st_mode))
    fail_hint("the path of a shared library, such as ./libexample.so", "there is no such file");
  for (const Loaded::File& f : all.files)
    if (f.device == st.st_dev && f.number == st.st_ino) return f.info;
  // Without a slash the loader would look into its own folders.
  Library library(std::filesystem::absolute(path));
  const monza_plugin& plugin = ask(library);
  PluginInfo info{path, plugin.name != nullptr ? plugin.name : "", {}};
  std::deque<Operator> fresh;
  for (std::size_t i = 0; i < plugin.operator_count; ++i) {
    const Operator op = read_operator(plugin.operators[i], path);
    check_clash(*op.declared, all.operators);
    check_clash(*op.declared, fresh);
    fresh.push_back(op);
    info.operators.push_back(fresh.back().name);
  }
  if (all.operators.size() + fresh.size() > static_cast<std::size_t>(plugin::kMaxOperators))
    fail("with its {} operators there would be {} of plugins; {} are the most", fresh.size(),
         all.operators.size() + fresh.size(), plugin::kMaxOperators);
  library.keep();
  for (Operator& op : fresh) {
    all.operators.push_back(std::move(op));
    plugin::add_operator(static_cast<int>(all.operators.size()) - 1, all.operators.back());
    if (plugin::monza_define_operator != nullptr) plugin::monza_define_operator(all.operators.back());
  }
  all.files.push_back({info, st.st_dev, st.st_ino});
  return info;
}

}  // namespace

PluginInfo load_plugin(const std::string& path) {
  Loaded& all = loaded();
  const std::lock_guard lock(all.mutex);
  try {
    return load(path, all);
  } catch (const Error& e) {
    throw e.at(message("plugin '{}'", path));
  }
}

std::vector<PluginInfo> loaded_plugins() {
  Loaded& all = loaded();
  const std::lock_guard lock(all.mutex);
  std::vector<PluginInfo> list;
  for (const Loaded::File& f : all.files) list.push_back(f.info);
  return list;
}

}  // namespace monza
