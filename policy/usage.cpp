#include "policy/usage.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "base/unique_fd.h"

namespace toren {
namespace {

// linux_dirent64, which libc does not declare.
struct Entry {
    std::uint64_t inode;
    std::int64_t next;
    std::uint16_t length;
    std::uint8_t type;
    char name[];
};

// What is used of /proc/PID/stat.
struct Stat {
    std::uint64_t own_ticks = 0, childrens_ticks = 0, threads = 0, resident_pages = 0;
};

// Positions after the name's closing bracket; the state is 0 (proc(5) counts it as 3).
enum Field : std::size_t { kUtime = 11, kStime, kCutime, kCstime, kThreads = 17, kResident = 21, kFields };

// The name and the path of a file of a process, without an allocation.
class ProcessFile {
public:
    ProcessFile(int proc, pid_t pid, std::string_view name) {
        char path[40];
        char* end = std::to_chars(path, path + 12, pid).ptr;
        *end++ = '/';
        end = std::copy(name.begin(), name.end(), end);
        *end = '\0';
        file_.reset(::openat(proc, path, O_RDONLY | O_CLOEXEC));
    }
    // Empty where the process has gone or does not let it be read.
    std::string_view read() {
        const ssize_t length = file_ ? ::read(file_.get(), buffer_.data(), buffer_.size()) : 0;
        return {buffer_.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0))};
    }

private:
    UniqueFd file_;
    std::array<char, 2048> buffer_;
};

std::uint64_t number_at(std::string_view text) {
    const auto digit = text.find_first_of("0123456789");
    std::uint64_t number = 0;
    if (digit != text.npos) std::from_chars(text.data() + digit, text.data() + text.size(), number);
    return number;
}

// False where the process has gone.
bool read_stat(int proc, pid_t pid, Stat& stat) {
    ProcessFile file(proc, pid, "stat");
    std::string_view text = file.read();
    // The name may hold brackets and spaces; after its own last one there are only numbers and one letter.
    const auto bracket = text.rfind(')');
    if (bracket == text.npos || bracket + 2 >= text.size()) return false;
    text.remove_prefix(bracket + 2);
    std::array<std::uint64_t, kFields> fields{};
    for (std::size_t field = 0; field < kFields && !text.empty(); ++field) {
        const auto space = std::min(text.find(' '), text.size() - 1);
        std::from_chars(text.data(), text.data() + space, fields[field]);
        text.remove_prefix(space + 1);
    }
    stat = {fields[kUtime] + fields[kStime], fields[kCutime] + fields[kCstime], fields[kThreads], fields[kResident]};
    return true;
}

// What a process has for itself and its share of the rest, in memory and in swap; `otherwise` where it cannot be told.
std::uint64_t exact_memory(int proc, pid_t pid, std::uint64_t otherwise) {
    ProcessFile file(proc, pid, "smaps_rollup");
    const std::string_view text = file.read();
    const auto resident = text.find("\nPss:"), swapped = text.find("\nSwapPss:");
    if (resident == text.npos) return otherwise;
    const auto kibibytes =
        number_at(text.substr(resident)) + (swapped == text.npos ? 0 : number_at(text.substr(swapped)));
    return kibibytes * 1024;
}

// Calls `look(pid)` for every process; processes that start meanwhile may be missed.
template <typename Look>
Result<> each_process(int proc, const Look& look) {
    if (::lseek(proc, 0, SEEK_SET) < 0) return errno_error("lseek /proc");
    alignas(Entry) std::array<char, 8192> buffer;
    long length = 0;
    while ((length = ::syscall(SYS_getdents64, proc, buffer.data(), buffer.size())) > 0) {
        for (long at = 0; at < length;) {
            const auto* entry = reinterpret_cast<const Entry*>(buffer.data() + at);
            at += entry->length;
            const std::string_view name(entry->name);
            pid_t pid = 0;
            const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
            if (parsed.ec == std::errc() && *parsed.ptr == '\0' && pid > 0) look(pid);
        }
    }
    if (length < 0) return errno_error("getdents64 /proc");
    return Ok{};
}

}  // namespace

Result<Usage> measure_usage(int proc, pid_t except, std::uint64_t exact_beyond) {
    static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    static const auto ticks_in_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    Usage usage;
    std::uint64_t ticks = 0;
    TRY(each_process(proc, [&](pid_t pid) {
        Stat stat;
        if (!read_stat(proc, pid, stat)) return;
        ticks += stat.childrens_ticks;
        if (pid == except) return;
        ticks += stat.own_ticks;
        usage.memory_bytes += stat.resident_pages * page;
        usage.processes += 1;
        usage.threads += static_cast<unsigned>(stat.threads);
    }));
    usage.cpu_milliseconds = ticks * 1000 / ticks_in_second;
    if (usage.memory_bytes <= exact_beyond) return usage;
    std::uint64_t exact = 0;
    TRY(each_process(proc, [&](pid_t pid) {
        Stat stat;
        if (pid != except && read_stat(proc, pid, stat)) exact += exact_memory(proc, pid, stat.resident_pages * page);
    }));
    usage.memory_bytes = exact;
    return usage;
}

Result<> prefer_as_oom_victim() {
    UniqueFd file(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), "1000", 4) != 4) return errno_error("write /proc/self/oom_score_adj");
    return Ok{};
}

}  // namespace toren
