#include "policy/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "base/unique_fd.h"

namespace toren {
namespace {

// Readable and writable for its owner, or nothing in it could be removed. By a descriptor, so that no link is followed.
Result<UniqueFd> open_up(int parent, const char* name) {
    const UniqueFd folder(::openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder) return errno_error(std::string("open '") + name + "'");
    const std::string self = "/proc/self/fd/" + std::to_string(folder.get());
    if (::chmod(self.c_str(), 0700) != 0) return errno_error(std::string("open up '") + name + "'");
    UniqueFd opened(::open(self.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened) return errno_error(std::string("open '") + name + "'");
    return opened;
}

// One buffer of names at a time: a folder may hold millions.
Result<std::vector<std::string>> some_names(int folder) {
    alignas(dirent64) char buffer[32768];
    std::vector<std::string> names;
    if (::lseek(folder, 0, SEEK_SET) != 0) return errno_error("rewind a folder");
    while (names.empty()) {
        const long length = ::syscall(SYS_getdents64, folder, buffer, sizeof buffer);
        if (length < 0) return errno_error("read a folder");
        if (length == 0) break;
        for (long at = 0; at < length;) {
            const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
            at += entry->d_reclen;
            if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
                names.emplace_back(entry->d_name);
        }
    }
    return names;
}

enum class Left { kNothing, kFolder };

Result<Left> remove_one(int folder, const std::string& name) {
    if (::unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) return Left::kNothing;
    if (errno != EISDIR) return errno_error("remove '" + name + "'");
    if (::unlinkat(folder, name.c_str(), AT_REMOVEDIR) == 0) return Left::kNothing;
    if (errno == ENOTEMPTY || errno == EEXIST) return Left::kFolder;
    return errno_error("remove '" + name + "'");
}

// No folder is ever entered more than two levels down: what is deeper is moved up to the top first. So depth costs
// neither descriptors nor memory.
class Remover {
public:
    explicit Remover(int top) : top_(top) {}

    Result<> empty_top() {
        for (;;) {
            TRY_ASSIGN(const auto names, some_names(top_));
            if (names.empty()) return Ok{};
            for (const auto& name : names) {
                TRY_ASSIGN(const auto left, remove_one(top_, name));
                if (left == Left::kFolder) TRY(empty(name));
            }
        }
    }

private:
    Result<> empty(const std::string& name) {
        TRY_ASSIGN(const auto folder, open_up(top_, name.c_str()));
        for (;;) {
            TRY_ASSIGN(const auto names, some_names(folder.get()));
            if (names.empty()) break;
            for (const auto& inner : names) {
                TRY_ASSIGN(const auto left, remove_one(folder.get(), inner));
                if (left == Left::kFolder) TRY(move_up(folder.get(), inner));
            }
        }
        if (::unlinkat(top_, name.c_str(), AT_REMOVEDIR) != 0) return errno_error("remove '" + name + "'");
        return Ok{};
    }

    Result<> move_up(int folder, const std::string& name) {
        TRY(open_up(folder, name.c_str()));  // its `..` is about to change, which needs the right to write it
        for (;;) {
            const std::string moved = std::to_string(moved_++);
            if (::syscall(SYS_renameat2, folder, name.c_str(), top_, moved.c_str(), RENAME_NOREPLACE) == 0) return Ok{};
            if (errno != EEXIST) return errno_error("move '" + name + "' up");
        }
    }

    int top_;
    std::uint64_t moved_ = 0;
};

}  // namespace

Result<> remove_tree(int parent, const std::string& name) {
    TRY_ASSIGN(const auto left, remove_one(parent, name));
    if (left == Left::kNothing) return Ok{};
    TRY_ASSIGN(const auto top, open_up(parent, name.c_str()));
    TRY(Remover(top.get()).empty_top());
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0) return errno_error("remove '" + name + "'");
    return Ok{};
}

}  // namespace toren
