#include "serve/settings.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "serve/request_error.h"

namespace monza::serve {
namespace {

using Json = nlohmann::json;

std::int64_t number_of(std::string_view key, std::string_view text, std::int64_t least) {
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || number < least)
    fail_with(400, "{} is '{}', and no number from {} on", key, text, least);
  return number;
}

Json read_object(std::string_view body) {
  Json object = Json::parse(body.begin(), body.end(), nullptr, false);
  if (!object.is_object()) fail_with(400, "the body is no JSON object");
  return object;
}

bool flag(const LogSettings& settings, std::string_view key) {
  const bool* value = std::get_if<bool>(&settings.find(key)->second);
  if (value == nullptr) fail_with(400, "{} is no boolean", key);
  return *value;
}

}  // namespace

TraceSettings trace_settings(const Observer& observer) {
  return {{"trace_level", {observer.tracing.on ? "TIMESTAMPS" : "OFF"}},
          {"trace_rate", {std::to_string(observer.tracing.rate)}},
          {"trace_count", {std::to_string(observer.tracing.left)}},
          {"trace_file", {observer.traces.path()}},
          {"trace_mode", {"opentelemetry"}},
          {"log_frequency", {"0"}}};
}

void change_trace(Observer& observer, const TraceSettings& settings) {
  bool on = observer.tracing.on;
  std::int64_t rate = observer.tracing.rate, left = observer.tracing.left;
  for (const auto& [key, values] : settings) {
    const std::string value = values.empty() ? "" : values[0];
    if (key == "trace_level") {
      if (values.size() > 1 || (value != "OFF" && value != "TIMESTAMPS" && !value.empty()))
        fail_with(400, "trace_level is '{}': OFF and TIMESTAMPS are what there is", value);
      on = value.empty() ? observer.traces.is_open() : value == "TIMESTAMPS";
    } else if (key == "trace_rate") {
      rate = value.empty() ? Observer::Tracing::kRate : number_of(key, value, 1);
    } else if (key == "trace_count") {
      left = value.empty() ? -1 : number_of(key, value, -1);
    } else if (key == "trace_file" || key == "trace_mode" || key == "log_frequency") {
      const auto now = trace_settings(observer);
      if (!value.empty() && value != now.at(key)[0]) fail_with(400, "{} is what it was at the start", key);
    } else {
      fail_with(400, "there is no trace setting '{}'", key);
    }
  }
  if (on && !observer.traces.is_open()) fail_with(400, "the server was started without a file for traces");
  observer.tracing.rate = rate;
  observer.tracing.left = left;
  observer.tracing.on = on;
}

LogSettings log_settings() {
  return {{"log_error", log_enabled(LogLevel::error)},
          {"log_warning", log_enabled(LogLevel::warning)},
          {"log_info", log_enabled(LogLevel::info)},
          {"log_verbose_level", std::uint32_t{log_enabled(LogLevel::debug)}},
          {"log_file", std::string()},
          {"log_format", std::string("default")}};
}

void change_log(const LogSettings& settings) {
  const LogSettings now = log_settings();
  LogSettings wanted = now;
  for (const auto& [key, value] : settings) {
    const auto found = wanted.find(key);
    if (found == wanted.end()) fail_with(400, "there is no log setting '{}'", key);
    if ((key == "log_file" || key == "log_format") && value != found->second)
      fail_with(400, "{} cannot be changed: the log goes to where the server was started", key);
    found->second = value;
  }
  const std::uint32_t* verbose = std::get_if<std::uint32_t>(&wanted.at("log_verbose_level"));
  if (verbose == nullptr) fail_with(400, "log_verbose_level is no number from 0 on");
  const bool error = flag(wanted, "log_error"), warning = flag(wanted, "log_warning"), info = flag(wanted, "log_info");
  if ((warning && !error) || (info && !warning) || (*verbose > 0 && !info))
    fail_with(400, "log_info wants log_warning, which wants log_error; log_verbose_level wants all three");
  set_log_level(*verbose > 0 ? LogLevel::debug
                : info       ? LogLevel::info
                : warning    ? LogLevel::warning
                : error      ? LogLevel::error
                             : LogLevel::off);
}

std::string answer_trace_setting(Observer& observer, std::string_view body) {
  if (!body.empty()) {
    TraceSettings settings;
    const auto add = [](std::vector<std::string>& values, const Json& value) {
      if (!value.is_string()) fail_with(400, "a trace setting is a string, a list of strings, or null");
      values.push_back(value.get<std::string>());
    };
    const Json object = read_object(body);
    for (const auto& [key, value] : object.items()) {
      std::vector<std::string>& values = settings[key];
      if (value.is_array())
        for (const Json& one : value) add(values, one);
      else if (!value.is_null()) add(values, value);
    }
    change_trace(observer, settings);
  }
  Json answer = Json::object();
  for (const auto& [key, values] : trace_settings(observer)) {
    if (key == "trace_level") answer[key] = values;
    else answer[key] = values[0];
  }
  return answer.dump();
}

std::string answer_log_settings(std::string_view body) {
  if (!body.empty()) {
    LogSettings settings;
    const Json object = read_object(body);
    for (const auto& [key, value] : object.items()) {
      if (value.is_boolean()) settings[key] = value.get<bool>();
      else if (value.is_string()) settings[key] = value.get<std::string>();
      else if (value.is_number_unsigned() && value.get<std::uint64_t>() <= UINT32_MAX)
        settings[key] = value.get<std::uint32_t>();
      else fail_with(400, "log setting '{}' is neither a boolean, a string nor a number", key);
    }
    change_log(settings);
  }
  Json answer = Json::object();
  for (const auto& [key, value] : log_settings()) std::visit([&](const auto& v) { answer[key] = v; }, value);
  return answer.dump();
}

}  // namespace monza::serve
