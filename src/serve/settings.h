// Triton's extensions for trace and log settings, whatever carries them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "serve/observer.h"

namespace monza::serve {

using TraceSettings = std::map<std::string, std::vector<std::string>, std::less<>>;
using LogSettings = std::map<std::string, std::variant<bool, std::uint32_t, std::string>, std::less<>>;

/// trace_level, trace_rate, trace_count, trace_file, trace_mode, log_frequency.
TraceSettings trace_settings(const Observer& observer);
/// All of the settings, or none. Without values a setting is what it was at the start. Throws RequestError.
void change_trace(Observer& observer, const TraceSettings& settings);

/// log_error, log_warning, log_info, log_verbose_level, log_file, log_format: of the log on stderr.
LogSettings log_settings();
/// The log has one level, so that each of log_error, log_warning and log_info wants those before it. Throws
/// RequestError.
void change_log(const LogSettings& settings);

/// The same as JSON: what is set by the body ("": nothing is), and then all as they are. Throws RequestError.
std::string answer_trace_setting(Observer& observer, std::string_view body);
std::string answer_log_settings(std::string_view body);

}  // namespace monza::serve
