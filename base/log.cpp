#include "base/log.h"

#include <unistd.h>

#include <ctime>

#include "base/utf8.h"

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
    const auto hex = [&](std::string_view bytes) {
        for (const char c : bytes) {
            const auto byte = static_cast<unsigned char>(c);
            ((out += "\\x") += kHex[byte >> 4]) += kHex[byte & 15];
        }
    };
    while (!text.empty()) {
        std::size_t bad = 0;
        const std::size_t good = utf8_sequence(text, bad);
        const std::string_view part = text.substr(0, good == 0 ? bad : good);
        text.remove_prefix(part.size());
        const char c = part[0];
        if (c == '\n') out += "\\n";
        else if (c == '"' || c == '\\') (out += '\\') += c;
        else if (good == 0 || is_control(part)) hex(part);
        else out += part;
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
