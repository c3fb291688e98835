#include "workers/tree/beneath.h"

#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

namespace toren::workers {
namespace {

constexpr int kLongestChain = 40;  // of symbolic links, as the kernel's own limit

// Opens a folder, making what is missing of it one component at a time, each from the descriptor of the one before.
Result<UniqueFd> open_folder(int segment, const std::string& path, bool create) {
    auto folder = open_beneath(segment, path, O_PATH | O_DIRECTORY);
    if (folder || !create || folder.error().code != ENOENT) return folder;
    const auto [parent, name] = split_path(path);
    if (parent == path) return folder;
    TRY_ASSIGN(const auto above, open_folder(segment, parent, true));
    if (::mkdirat(above.get(), name.c_str(), 0777) != 0 && errno != EEXIST) return errno_error("mkdir '" + path + "'");
    return open_beneath(segment, path, O_PATH | O_DIRECTORY);
}

}  // namespace

SplitPath split_path(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return {".", path};
    return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

namespace {

Result<UniqueFd> open_resolving(int folder, const std::string& path, int flags, mode_t mode, std::uint64_t resolve) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
    how.mode = (flags & O_CREAT) != 0 ? mode : 0;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | resolve;
    long fd = -1;
    // EAGAIN: something was renamed while the kernel looked at a "..", and it could not be sure; it asks us to try
    // again.
    for (int tries = 0;
         tries < 128 && (fd = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how)) < 0 && errno == EAGAIN;
         ++tries) {
    }
    if (fd < 0) return errno_error("openat2 '" + path + "'");
    return UniqueFd(static_cast<int>(fd));
}

}  // namespace

Result<UniqueFd> open_beneath(int folder, const std::string& path, int flags, mode_t mode) {
    return open_resolving(folder, path, flags, mode, 0);
}

Result<UniqueFd> open_without_links(int folder, const std::string& path, int flags) {
    return open_resolving(folder, path, flags, 0, RESOLVE_NO_SYMLINKS);
}

Result<Place> place_beneath(int segment, const std::string& path, bool create_parents) {
    std::string current = path;
    for (int links = 0; links < kLongestChain; ++links) {
        auto [parent, name] = split_path(current);
        if (name.empty() || name == "." || name == "..") return Error{EISDIR, "'" + path + "'"};
        TRY_ASSIGN(auto folder, open_folder(segment, parent, create_parents));
        char target[PATH_MAX];
        const ssize_t length = ::readlinkat(folder.get(), name.c_str(), target, sizeof target);
        if (length < 0) return Place{std::move(folder), std::move(name)};  // no link, or nothing there yet
        const std::string link(target, static_cast<std::size_t>(length));
        // An absolute target starts over at "/", which RESOLVE_BENEATH refuses: it may mean anything outside.
        current = link.starts_with('/') ? link : parent + "/" + link;
    }
    return Error{ELOOP, "'" + path + "'"};
}

Result<Place> place_of_name(int segment, const std::string& path) {
    auto [parent, name] = split_path(path);
    TRY_ASSIGN(auto folder, open_beneath(segment, parent, O_PATH | O_DIRECTORY));
    if (name.empty() || name == "." || name == "..") return Error{EBUSY, "'" + path + "'"};
    return Place{std::move(folder), std::move(name)};
}

Result<> sync_folder(int folder) {
    TRY_ASSIGN(const auto readable, open_beneath(folder, ".", O_RDONLY | O_DIRECTORY));
    if (::fsync(readable.get()) != 0) return errno_error("fsync of a folder");
    return Ok{};
}

}  // namespace toren::workers
