// Copying a file, or a tree with its symlinks as such. What is copied appears under its name when it is complete.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <vector>

#include "workers/files/atomic_write.h"
#include "workers/files/condition.h"
#include "workers/files/delete_tree.h"
#include "workers/files/facts.h"
#include "workers/files/operations.h"
#include "workers/tree/beneath.h"
#include "workers/tree/folder_reader.h"
#include "workers/tree/folder_stack.h"
#include "workers/tree/own_names.h"

namespace toren::workers {
namespace {

using ipc::Failure;

// A mode without the bits that would run it as somebody else.
mode_t plain(mode_t mode) { return mode & 0777; }

Result<> copy_by_hand(int from, int to, off_t at, off_t end) {
    char buffer[64 * 1024];
    while (at < end) {
        const auto part = std::min<off_t>(static_cast<off_t>(sizeof buffer), end - at);
        const ssize_t length = ::pread(from, buffer, static_cast<std::size_t>(part), at);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return errno_error("read");
        if (length == 0) break;
        for (ssize_t done = 0; done < length;) {
            const ssize_t written = ::pwrite(to, buffer + done, static_cast<std::size_t>(length - done), at + done);
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) return errno_error("write");
            done += written;
        }
        at += length;
    }
    return Ok{};
}

// In the kernel, which shares the blocks where the file system can.
Result<> copy_range(int from, int to, off_t at, off_t end) {
    while (at < end) {
        off_t in = at, out = at;
        const ssize_t length = ::copy_file_range(from, &in, to, &out, static_cast<std::size_t>(end - at), 0);
        if (length < 0 && errno == EINTR) continue;
        if (length <= 0) return copy_by_hand(from, to, at, end);  // not this file system, not these two
        at += length;
    }
    return Ok{};
}

// Data only: holes stay holes.
Result<> copy_content(int from, int to) {
    struct stat about {};
    if (::fstat(from, &about) != 0) return errno_error("fstat");
    for (off_t at = 0; at < about.st_size;) {
        const off_t data = ::lseek(from, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) break;
        const off_t start = data < 0 ? at : data;
        const off_t hole = data < 0 ? about.st_size : ::lseek(from, start, SEEK_HOLE);
        const off_t end = hole < 0 ? about.st_size : std::min(hole, about.st_size);
        TRY(copy_range(from, to, start, end));
        at = end;
    }
    if (::ftruncate(to, about.st_size) != 0) return errno_error("truncate");
    return Ok{};
}

Result<UniqueFd> open_source(int folder, const std::string& name, struct stat& about) {
    TRY_ASSIGN(auto from, open_beneath(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    if (::fstat(from.get(), &about) != 0) return errno_error("fstat '" + name + "'");
    if (!S_ISREG(about.st_mode)) return Error{ESTALE, "'" + name + "' was another thing a moment ago"};
    return from;
}

Result<> copy_link(int from_folder, const std::string& from, int to_folder, const std::string& to) {
    char target[PATH_MAX + 1];
    const ssize_t length = ::readlinkat(from_folder, from.c_str(), target, PATH_MAX);
    if (length < 0) return errno_error("readlink '" + from + "'");
    target[length] = '\0';
    if (::symlinkat(target, to_folder, to.c_str()) != 0) return errno_error("symlink '" + to + "'");
    return Ok{};
}

// The tree in the making, and where it stands in it.
class TreeCopy {
public:
    TreeCopy(FolderStack from, FolderStack to) : from_(std::move(from)), to_(std::move(to)) {}

    // From the folder `from` beside the stacks' roots into a new one named `to`.
    Result<> run(const std::string& from, const std::string& to) {
        into_device_ = to_.device();
        into_inode_ = to_.inode();
        TRY(enter(from, to));
        while (!levels_.empty()) TRY(step());
        return Ok{};
    }
    std::uint64_t skipped() const { return skipped_; }

private:
    struct Level {
        SortedNames names;
        std::size_t next = 0;
        mode_t mode = 0;
    };

    Result<> enter(const std::string& from, const std::string& to) {
        TRY(from_.push(from));
        if (from_.device() == into_device_ && from_.inode() == into_inode_)
            return Error{EPERM, "a folder cannot be copied into itself"};
        TRY_ASSIGN(const int folder, from_.top());
        struct stat about {};
        if (::fstat(folder, &about) != 0) return errno_error("fstat '" + from + "'");
        TRY_ASSIGN(auto names, SortedNames::read(folder));
        TRY_ASSIGN(const int above, to_.top());
        // Ours alone while it is filled; its mode comes at its end, for it may not let us write.
        if (::mkdirat(above, to.c_str(), 0700) != 0) return errno_error("mkdir '" + to + "'");
        TRY(to_.push(to));
        levels_.push_back({std::move(names), 0, plain(about.st_mode)});
        return Ok{};
    }

    Result<> step() {
        Level& level = levels_.back();
        TRY_ASSIGN(const int to, to_.top());
        if (level.next == level.names.size()) {
            if (::fchmod(to, level.mode) != 0) return errno_error("fchmod");
            levels_.pop_back();
            to_.pop();
            from_.pop();
            return Ok{};
        }
        TRY_ASSIGN(const int from, from_.top());
        const std::string name(level.names.name(level.next++));
        struct stat about {};
        if (::fstatat(from, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0)
            return errno == ENOENT ? Result<>(Ok{}) : errno_error("stat '" + name + "'");
        if (S_ISDIR(about.st_mode)) return enter(name, name);
        if (S_ISLNK(about.st_mode)) return copy_link(from, name, to, name);
        if (S_ISREG(about.st_mode)) return copy_one(from, to, name);
        ++skipped_;
        return Ok{};
    }

    static Result<> copy_one(int from_folder, int to_folder, const std::string& name) {
        struct stat about {};
        TRY_ASSIGN(const auto from, open_source(from_folder, name, about));
        TRY_ASSIGN(const auto to, open_beneath(to_folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
        TRY(copy_content(from.get(), to.get()));
        if (::fchmod(to.get(), plain(about.st_mode)) != 0) return errno_error("fchmod '" + name + "'");
        return stamp(to.get());
    }

    FolderStack from_, to_;
    std::vector<Level> levels_;
    dev_t into_device_ = 0;
    ino_t into_inode_ = 0;
    std::uint64_t skipped_ = 0;
};

Result<> put(const Place& to, const std::string& made, bool replace) {
    const int folder = to.folder.get();
    if (!replace) return rename_new(folder, made, folder, to.name);
    if (::renameat(folder, made.c_str(), folder, to.name.c_str()) != 0) return errno_error("rename '" + to.name + "'");
    return Ok{};
}

Result<> copy_file(const Place& from, const Place& to, bool replace) {
    struct stat about {};
    TRY_ASSIGN(const auto source, open_source(from.folder.get(), from.name, about));
    TRY_ASSIGN(auto folder, open_beneath(to.folder.get(), ".", O_PATH | O_DIRECTORY));
    TRY_ASSIGN(auto copy, AtomicWrite::begin(Place{std::move(folder), to.name}, to.name, plain(about.st_mode)));
    TRY(copy_content(source.get(), copy.file()));
    ipc::Condition condition;
    if (!replace) condition.kind = ipc::Condition::Kind::kAbsent;
    TRY_ASSIGN(const bool held, copy.commit(condition));
    if (!held) return Error{EEXIST, "'" + to.name + "'"};
    return Ok{};
}

Result<> copy_symlink(const Place& from, const Place& to, bool replace) {
    const std::string made = temporary_name();
    TRY(copy_link(from.folder.get(), from.name, to.folder.get(), made));
    auto done = put(to, made, replace);
    if (!done) ::unlinkat(to.folder.get(), made.c_str(), 0);
    return done;
}

Result<> copy_tree(const Place& from, const Place& to, bool replace, std::uint64_t& skipped) {
    TRY_ASSIGN(auto from_root, open_beneath(from.folder.get(), ".", O_RDONLY | O_DIRECTORY));
    TRY_ASSIGN(auto to_root, open_beneath(to.folder.get(), ".", O_RDONLY | O_DIRECTORY));
    TRY_ASSIGN(auto from_stack, FolderStack::at(std::move(from_root)));
    TRY_ASSIGN(auto to_stack, FolderStack::at(std::move(to_root)));
    const std::string made = temporary_name();
    TreeCopy copy(std::move(from_stack), std::move(to_stack));
    auto done = copy.run(from.name, made);
    if (done) done = put(to, made, replace);
    skipped = copy.skipped();
    std::uint64_t deleted = 0;
    if (!done) static_cast<void>(delete_tree(to.folder.get(), made, true, deleted));
    return done;
}

Result<> copy_any(const Place& from, const Place& to, const ipc::CopyPath& request, const struct stat& about,
                  std::uint64_t& skipped) {
    if (S_ISLNK(about.st_mode)) return copy_symlink(from, to, request.replace);
    if (S_ISDIR(about.st_mode)) return copy_tree(from, to, request.replace, skipped);
    return copy_file(from, to, request.replace);
}

}  // namespace

Answer copy_path(Call& call, const ipc::CopyPath& request) {
    SERVE_ASSIGN(const auto from, place_of_name(call.segment, request.from));
    SERVE_ASSIGN(const auto to, place_of_name(call.segment, request.to));
    struct stat about {
    }, there{};
    if (::fstatat(from.folder.get(), from.name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0)
        return refusal(errno_error("stat '" + request.from + "'"));
    if (S_ISDIR(about.st_mode) && !request.recursive)
        return Refusal{Failure::kIsFolder, "'" + request.from + "' is a folder"};
    if (!S_ISDIR(about.st_mode) && !S_ISLNK(about.st_mode) && !S_ISREG(about.st_mode))
        return Refusal{Failure::kNotRegular, "'" + request.from + "' is no regular file"};
    // Before a large tree is copied for nothing; what counts is the rename at its end.
    const bool exists = ::fstatat(to.folder.get(), to.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0;
    if (exists && !request.replace) return Refusal{Failure::kExists, "'" + request.to + "' is there"};
    if (exists && there.st_ino == about.st_ino && there.st_dev == about.st_dev)
        return Refusal{Failure::kExists, "'" + request.from + "' and '" + request.to + "' are one"};
    ipc::CopyEnd end;
    SERVE_TRY(copy_any(from, to, request, about, end.skipped));
    SERVE_TRY(sync_folder(to.folder.get()));
    SERVE_ASSIGN(end.facts, facts_at(to.folder.get(), to.name));
    return reply(end);
}

}  // namespace toren::workers
