#include "supervisor/log_relay.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/utf8.h"

namespace toren::supervisor {
namespace {

constexpr std::size_t kLongestLine = 4096;

// Our own processes have escaped their lines already; quotes and backslashes stay as they are.
void write_line(const std::string& line) {
    std::string out;
    std::string_view rest = line;
    while (!rest.empty()) {
        std::size_t bad = 0;
        const std::size_t good = utf8_sequence(rest, bad);
        const std::string_view part = rest.substr(0, good == 0 ? bad : good);
        rest.remove_prefix(part.size());
        out += is_control(part) || good == 0 ? "?" : part;
    }
    out += '\n';
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, out.data(), out.size());
}

}  // namespace

Result<LogRelay> LogRelay::create(UniqueFd& write_end) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe2");
    LogRelay relay;
    relay.read_.reset(ends[0]);
    write_end.reset(ends[1]);
    // Only this end: a child that writes faster than the log is read waits; the supervisor never does.
    if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return errno_error("fcntl O_NONBLOCK");
    return relay;
}

void LogRelay::pass_on() {
    char buffer[kLongestLine];
    const ssize_t length = ::read(read_.get(), buffer, sizeof buffer);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0) {
        read_.reset();
        if (!rest_.empty()) write_line(std::exchange(rest_, {}));
        return;
    }
    for (const char c : std::string_view(buffer, static_cast<std::size_t>(length))) {
        if (c != '\n') rest_ += c;
        if (c == '\n' || rest_.size() >= kLongestLine) write_line(std::exchange(rest_, {}));
    }
}

}  // namespace toren::supervisor
