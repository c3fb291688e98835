// The log: one line per event on stderr, control characters escaped (invariant 9), the process named first.
// Names of fields follow logfmt: `level=warn process=broker message="…"`, so that a log can be searched.
#pragma once

#include <string>
#include <string_view>

namespace toren {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Once at start: the name that each line carries.
void set_log_process(std::string_view name);

void log(LogLevel level, std::string_view message);
inline void log_info(std::string_view message) { log(LogLevel::kInfo, message); }
inline void log_warning(std::string_view message) { log(LogLevel::kWarning, message); }
inline void log_error(std::string_view message) { log(LogLevel::kError, message); }

// "2026-01-31T12:00:00Z"
std::string utc_now();

// The text with every control character (C1 included), byte that is no UTF-8, quote and backslash written as \n, \",
// \x1b …: a line stays one line.
std::string escape_controls(std::string_view text);

}  // namespace toren
