#include "workers/checkpoints/restore.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>

#include "workers/tree/beneath.h"
#include "workers/tree/folder_stack.h"
#include "workers/tree/own_names.h"
#include "workers/tree/write_all.h"

namespace toren::checkpoints {
namespace {

using workers::FolderStack;
using SharedFd = std::shared_ptr<UniqueFd>;

constexpr std::size_t kBatchFiles = 128;  // each may hold a descriptor of its folder
constexpr std::uint64_t kBatchBytes = std::uint64_t{64} << 20;
constexpr std::size_t kFewFiles = 8;  // are synced one by one: a sync of the file system waits for everybody's
constexpr std::uint64_t kAnySize = std::numeric_limits<std::uint32_t>::max();

bool same_file(const struct stat& about, const Stat& stat) {
    return about.st_ino == stat.inode && about.st_dev == stat.device &&
           static_cast<std::uint64_t>(about.st_size) == stat.size &&
           std::int64_t{about.st_mtim.tv_sec} * 1'000'000'000 + about.st_mtim.tv_nsec == stat.modified_ns;
}

std::string new_name() { return std::string(workers::kRestorePrefix) + workers::random_id(); }

class Restore {
public:
    explicit Restore(const RestoreTerms& terms) : terms_(terms) {}

    Result<ipc::CheckpointRestored> run() {
        TRY_ASSIGN(root_, workers::open_beneath(terms_.segment, ".", O_RDONLY | O_DIRECTORY));
        UniqueFd at(::fcntl(root_.get(), F_DUPFD_CLOEXEC, 3));
        if (!at) return errno_error("fcntl");
        TRY_ASSIGN(auto stack, FolderStack::at(std::move(at)));
        stack_.emplace(std::move(stack));
        TRY(folder(terms_.now.root(), terms_.wanted.root()));
        TRY(flush());
        if (::syncfs(root_.get()) != 0) return errno_error("syncfs");
        return end_;
    }

private:
    // What is renamed once its bytes are on disk.
    struct Waiting {
        SharedFd folder;
        std::string temporary, name, path;
        UniqueFd file;     // none of a link
        const Entry* now;  // what it replaces; null: nothing may be there
    };
    struct WaitingMode {
        SharedFd folder;
        mode_t mode;
        std::string path;
    };

    void fail(const std::string& path, const Error& error) { fail(path, error.text()); }
    void fail(const std::string& path, std::string why) {
        if (++end_.not_restored <= ipc::kMostLeftOutTold) terms_.tell({path, why.substr(0, 512)});
    }

    // The stack's top; either may be null, but not a wanted folder that is not there.
    Result<> folder(const Entry* now, const Entry* wanted) {
        Children olds(&terms_.now, now), news(&terms_.wanted, wanted);
        SharedFd here;
        const std::size_t length = path_.size();
        if (!path_.empty()) path_ += '/';
        const std::size_t inside = path_.size();
        while (olds.peek() != nullptr || news.peek() != nullptr) {
            const Entry *was = olds.peek(), *is = news.peek();
            if (was != nullptr && is != nullptr && was->name != is->name) (was->name < is->name ? is : was) = nullptr;
            path_ += was != nullptr ? was->name : is->name;
            if (is_selected(terms_.paths, path_) || leads_to_selected(terms_.paths, path_)) TRY(name(was, is, here));
            path_.resize(inside);
            if (was != nullptr) olds.pass();
            if (is != nullptr) news.pass();
        }
        path_.resize(length);
        return Ok{};
    }

    // One name of the stack's top. `here`: its descriptor, once it was needed.
    Result<> name(const Entry* now, const Entry* wanted, SharedFd& here) {
        const bool whole = is_selected(terms_.paths, path_);
        const bool was_folder = now != nullptr && now->kind == Kind::kFolder;
        if (wanted == nullptr)
            return was_folder ? remove_folder(*now, whole) : whole ? remove_name(*now) : Result<>(Ok{});
        if (wanted->kind == Kind::kFolder) {
            if (now != nullptr && !was_folder) TRY(remove_name(*now));
            return enter(was_folder ? now : nullptr, *wanted, whole);
        }
        if (!whole) return Ok{};
        if (now != nullptr && now->kind == wanted->kind && now->id == wanted->id) {
            if (wanted->kind == Kind::kFile && now->mode != wanted->mode) set_mode(*wanted);
            return Ok{};
        }
        if (was_folder) TRY(remove_folder(*now, true));
        if (!here) {
            const auto top = stack_->top();
            if (!top) return fail(path_, top.error()), Ok{};
            here = std::make_shared<UniqueFd>(::fcntl(*top, F_DUPFD_CLOEXEC, 3));
            if (!*here) return errno_error("fcntl");
        }
        return write(was_folder ? nullptr : now, *wanted, here);
    }

    // --- what goes

    Result<> remove_name(const Entry& now) {
        const auto top = stack_->top();
        if (!top) return fail(path_, top.error()), Ok{};
        if (::unlinkat(*top, now.name.c_str(), 0) == 0) ++end_.removed;
        else if (errno != ENOENT) fail(path_, errno_error("remove it"));
        return Ok{};
    }

    // What is in it that was recorded, and then itself, unless something is left.
    Result<> remove_folder(const Entry& now, bool whole) {
        if (const auto entered = stack_->push(now.name); !entered) {
            if (entered.error().code != ENOENT) fail(path_, entered.error());
            return Ok{};
        }
        const auto emptied = folder(&now, nullptr);
        stack_->pop();
        TRY(emptied);
        const auto top = stack_->top();
        if (!whole || !top) return Ok{};
        if (::unlinkat(*top, now.name.c_str(), AT_REMOVEDIR) == 0) ++end_.removed;
        else if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT) fail(path_, errno_error("remove it"));
        return Ok{};
    }

    // --- what comes

    Result<> enter(const Entry* now, const Entry& wanted, bool whole) {
        const auto top = stack_->top();
        if (!top) return fail(path_, top.error()), Ok{};
        bool made = false;
        if (now == nullptr) {
            made = ::mkdirat(*top, wanted.name.c_str(), 0700) == 0;
            if (!made && errno != EEXIST) return fail(path_, errno_error("make the folder")), Ok{};
        }
        if (const auto entered = stack_->push(wanted.name); !entered) return fail(path_, entered.error()), Ok{};
        if (made) ++end_.written;
        const auto inside = folder(now, &wanted);
        SharedFd own;
        const bool other_mode = made || (whole && now != nullptr && now->mode != wanted.mode);
        if (const auto open = stack_->top(); open && other_mode)
            own = std::make_shared<UniqueFd>(::fcntl(*open, F_DUPFD_CLOEXEC, 3));
        stack_->pop();
        TRY(inside);
        if (own && *own) modes_.push_back({std::move(own), wanted.mode, path_});
        // Only behind what is to be renamed in it: it may be closed to us then.
        return modes_.size() < kBatchFiles ? Result<>(Ok{}) : flush();
    }

    void set_mode(const Entry& wanted) {
        const auto top = stack_->top();
        if (!top) return fail(path_, top.error());
        const auto file = workers::open_without_links(*top, wanted.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (!file) return fail(path_, file.error());
        if (::fchmod(file->get(), wanted.mode & 0777) != 0) return fail(path_, errno_error("chmod it"));
        ++end_.written;
    }

    Result<> write(const Entry* now, const Entry& wanted, const SharedFd& here) {
        // Not what the file system refuses, but what the store no longer has, ends all of it.
        TRY_ASSIGN(const auto object, terms_.store.read(wanted.id, ObjectType::kBlob, kAnySize));
        Waiting waiting{here, new_name(), wanted.name, path_, {}, now};
        const int folder = here->get();
        if (wanted.kind == Kind::kLink) {
            if (::symlinkat(object.content.c_str(), folder, waiting.temporary.c_str()) != 0)
                return fail(path_, errno_error("make the link")), Ok{};
        } else {
            auto file =
                workers::open_beneath(folder, waiting.temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
            if (!file) return fail(path_, file.error()), Ok{};
            auto written = workers::write_all(file->get(), object.content);
            if (written && ::fchmod(file->get(), wanted.mode & 0777) != 0) written = errno_error("chmod it");
            if (!written) {
                ::unlinkat(folder, waiting.temporary.c_str(), 0);
                fail(path_, written.error());
                return Ok{};
            }
            waiting.file = std::move(*file);
        }
        bytes_ += object.content.size();
        waiting_.push_back(std::move(waiting));
        return waiting_.size() < kBatchFiles && bytes_ < kBatchBytes ? Result<>(Ok{}) : flush();
    }

    Result<> flush() {
        bool synced = true;
        if (waiting_.size() > kFewFiles) synced = ::syncfs(root_.get()) == 0;
        else
            for (const auto& one : waiting_) synced = synced && (!one.file || ::fsync(one.file.get()) == 0);
        const auto failed = errno_error("sync");
        for (auto& one : waiting_) {
            const int folder = one.folder->get();
            if (synced && put_in_place(one)) {
                ++end_.written;
                continue;
            }
            ::unlinkat(folder, one.temporary.c_str(), 0);
        }
        waiting_.clear();
        bytes_ = 0;
        if (!synced) return failed;
        for (const auto& one : modes_)
            if (::fchmod(one.folder->get(), one.mode & 0777) != 0) fail(one.path, errno_error("chmod it"));
        modes_.clear();
        return Ok{};
    }

    bool put_in_place(const Waiting& one) {
        const int folder = one.folder->get();
        struct stat about {};
        const bool there = ::fstatat(folder, one.name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0;
        if (one.now == nullptr || !there) {
            // What was left out stays.
            if (::renameat2(folder, one.temporary.c_str(), folder, one.name.c_str(), RENAME_NOREPLACE) == 0)
                return true;
            const int code = errno;
            fail(one.path, code == EEXIST ? Error{code, "what is in its place was not recorded"}
                                          : Error{code, "put it in place"});
            return false;
        }
        if (S_ISDIR(about.st_mode) || !same_file(about, one.now->stat)) {
            fail(one.path, "it was changed meanwhile");
            return false;
        }
        if (::renameat(folder, one.temporary.c_str(), folder, one.name.c_str()) == 0) return true;
        fail(one.path, errno_error("put it in place"));
        return false;
    }

    const RestoreTerms& terms_;
    UniqueFd root_;
    std::optional<FolderStack> stack_;
    std::string path_;
    std::vector<Waiting> waiting_;
    std::vector<WaitingMode> modes_;
    std::uint64_t bytes_ = 0;
    ipc::CheckpointRestored end_;
};

bool lies_in(std::string_view path, std::string_view folder) {
    return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

}  // namespace

bool is_selected(const std::vector<std::string>& paths, std::string_view path) {
    return paths.empty() ||
           std::ranges::any_of(paths, [&](const auto& one) { return path == one || lies_in(path, one); });
}

bool leads_to_selected(const std::vector<std::string>& paths, std::string_view path) {
    return std::ranges::any_of(paths, [&](const auto& one) { return lies_in(one, path); });
}

Result<ipc::CheckpointRestored> restore(const RestoreTerms& terms) { return Restore(terms).run(); }

}  // namespace toren::checkpoints
