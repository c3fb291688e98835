#include "workers/files/facts.h"

#include <fcntl.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <ctime>
#include <limits>

namespace toren::workers {
namespace {

using ipc::FileKind;

// Saturates: a file system can hold years that 64 bits of nanoseconds cannot.
std::int64_t nanoseconds(const timespec& when) {
    std::int64_t total = 0;
    if (__builtin_mul_overflow(std::int64_t{when.tv_sec}, std::int64_t{1'000'000'000}, &total) ||
        __builtin_add_overflow(total, std::int64_t{when.tv_nsec}, &total))
        return when.tv_sec < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
    return total;
}

FileKind kind_of(mode_t mode) {
    if (S_ISREG(mode)) return FileKind::kFile;
    if (S_ISDIR(mode)) return FileKind::kFolder;
    return S_ISLNK(mode) ? FileKind::kSymlink : FileKind::kOther;
}

std::string hex(std::uint64_t number) {
    char text[17];
    std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(number));
    return text;
}

// What a rename leaves as it is.
std::string content_tag(const struct stat& about) {
    return hex(about.st_ino) + '-' + hex(static_cast<std::uint64_t>(about.st_size)) + '-' +
           hex(static_cast<std::uint64_t>(nanoseconds(about.st_mtim))) + '-';
}

Result<> read_target(int folder, const std::string& name, ipc::FileFacts& facts) {
    char target[PATH_MAX];
    const ssize_t length = ::readlinkat(folder, name.c_str(), target, sizeof target);
    if (length < 0) return errno_error("readlink '" + name + "'");
    facts.target.assign(target, static_cast<std::size_t>(length));
    return Ok{};
}

}  // namespace

std::string version_of(const struct stat& about) {
    return content_tag(about) + hex(static_cast<std::uint64_t>(nanoseconds(about.st_ctim)));
}

bool same_content(const struct stat& about, const std::string& version) {
    return S_ISREG(about.st_mode) && version.starts_with(content_tag(about));
}

ipc::FileFacts facts_of(const struct stat& about) {
    ipc::FileFacts facts;
    facts.kind = kind_of(about.st_mode);
    facts.size = static_cast<std::uint64_t>(about.st_size);
    facts.mode = about.st_mode & 07777;
    facts.modified_ns = nanoseconds(about.st_mtim);
    if (facts.kind == FileKind::kFile) facts.version = version_of(about);
    return facts;
}

Result<ipc::FileFacts> facts_at(int folder, const std::string& name) {
    struct stat about {};
    if (::fstatat(folder, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) return errno_error("stat '" + name + "'");
    ipc::FileFacts facts = facts_of(about);
    if (facts.kind == FileKind::kSymlink) TRY(read_target(folder, name, facts));
    return facts;
}

Result<ipc::FileFacts> facts_of_open(int file) {
    struct stat about {};
    if (::fstat(file, &about) != 0) return errno_error("fstat");
    ipc::FileFacts facts = facts_of(about);
    if (facts.kind == FileKind::kSymlink) TRY(read_target(file, "", facts));
    return facts;
}

Result<> stamp(int file) {
    timespec times[2] = {{0, UTIME_OMIT}, {}};
    if (::clock_gettime(CLOCK_REALTIME, &times[1]) != 0 || ::futimens(file, times) != 0) return errno_error("futimens");
    return Ok{};
}

}  // namespace toren::workers
