#include "base/log.h"

#include <unistd.h>

#include <ctime>

namespace toren {
namespace {

std::string& process_name() {
    static std::string name = "toren";
    return name;
}

const char* level_name(LogLevel level) {
    static constexpr const char* kNames[] = {"debug", "info", "warn", "error"};
    return kNames[static_cast<int>(level)];
}

}  // namespace

std::string utc_now() {
    std::timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    std::tm utc{};
    gmtime_r(&now.tv_sec, &utc);
    char text[32];
    const auto length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    return std::string(text, length) + 'Z';
}

void set_log_process(std::string_view name) { process_name() = name; }

std::string escape_controls(std::string_view text) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out;
    out.reserve(text.size() + 8);
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n') out += "\\n";
        else if (c == '"' || c == '\\') (out += '\\') += c;
        else if (byte < 0x20 || byte == 0x7f) (((out += "\\x") += kHex[byte >> 4]) += kHex[byte & 15]);
        else out += c;
    }
    return out;
}

void log(LogLevel level, std::string_view message) {
    const std::string line = "time=" + utc_now() + " level=" + level_name(level) + " process=" + process_name() +
                             " message=\"" + escape_controls(message) + "\"\n";
    // One write a line, so that lines of several processes do not mix. A log that cannot be written stops nothing.
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace toren
