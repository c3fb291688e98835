// Watching a folder or a tree: events as they come, gathered for 50 ms, each name once in a batch. Runs until the
// broker closes the channel. Where the broker does not read, the kernel's queue overflows, and that is told.
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "workers/files/facts.h"
#include "workers/files/operations.h"
#include "workers/tree/beneath.h"
#include "workers/tree/own_names.h"
#include "workers/tree/watch_tree.h"

namespace toren::workers {
namespace {

using ipc::FileKind;
using ipc::WatchKind;

constexpr std::int64_t kBatchMilliseconds = 50;
// The kernel tells of a folder's own end when nobody has it open any more, and we have: so it is looked at now and
// then.
constexpr int kLookMilliseconds = 2000;
constexpr std::size_t kMostEvents = 100'000;  // in a batch; more is an overflow

std::int64_t milliseconds() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1'000'000;
}

class Watch {
public:
    Watch(Call& call, const ipc::WatchFolder& request, WatchTree tree)
        : call_(call), request_(request), tree_(std::move(tree)) {}

    Answer run() {
        send({WatchKind::kReady, FileKind::kFolder, "", ""});
        call_.channel.flush();
        while (true) {
            pollfd ready[] = {{call_.channel.fd(), POLLIN, 0}, {tree_.queue(), POLLIN, 0}};
            const int wait =
                due_ == 0 ? kLookMilliseconds : static_cast<int>(std::max<std::int64_t>(0, due_ - milliseconds()));
            if (::poll(ready, 2, wait) < 0 && errno != EINTR) return refusal(errno_error("poll"));
            if (ready[0].revents != 0) {
                // Nothing but the end may come: the watch is the channel's last request.
                if (call_.channel.next()) malformed_request();
                return Silence{};
            }
            if ((ready[1].revents & POLLIN) != 0) take();
            if (due_ != 0 && milliseconds() >= due_) {
                if (rules_changed_ || overflow_) SERVE_TRY(start_again());
                flush();
            }
            struct stat about {};
            if (due_ == 0 && ::fstat(tree_.root(), &about) == 0 && about.st_nlink == 0) gone_ = true;
            if (gone_) return Refusal{ipc::Failure::kNotFound, "'" + request_.path + "' has gone"};
        }
    }

private:
    struct MovedFrom {
        std::uint32_t cookie;
        int folder;
        std::string name;
        std::string path;
        bool is_folder;
        bool temporary;
        bool held_over = false;
    };

    void send(const ipc::WatchEvent& event) { call_.channel.write_record(event); }

    void take() {
        alignas(inotify_event) char buffer[32 * 1024];
        while (true) {
            const ssize_t length = ::read(tree_.queue(), buffer, sizeof buffer);
            if (length <= 0) return;
            if (due_ == 0) due_ = milliseconds() + kBatchMilliseconds;
            for (const char* at = buffer; at < buffer + length;) {
                inotify_event event;
                std::memcpy(&event, at, sizeof event);
                take(event, event.len > 0 ? std::string(at + sizeof event) : std::string());
                at += sizeof event + event.len;
            }
            if (milliseconds() >= due_) return;
        }
    }

    void take(const inotify_event& event, const std::string& name) {
        if ((event.mask & IN_Q_OVERFLOW) != 0) {
            overflow_ = true;
            return;
        }
        WatchTree::Folder* folder = tree_.find(event.wd);
        if (folder == nullptr) return;
        const bool top = folder->above == nullptr;
        if ((event.mask & IN_IGNORED) != 0) {
            if (top) gone_ = true;
            else tree_.forget(event.wd);
            return;
        }
        if ((event.mask & (IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
            gone_ = gone_ || top;  // of others, the folder above tells
            return;
        }
        if (name.empty()) return;
        const bool is_folder = (event.mask & IN_ISDIR) != 0;
        if (IgnoreRules::is_rule_file(name) && request_.ignore) rules_changed_ = true;
        if ((event.mask & IN_MOVED_FROM) != 0) return moved_from(event, *folder, name, is_folder);
        if ((event.mask & IN_MOVED_TO) != 0) return moved_to(event, *folder, name, is_folder);
        if (tree_.ignores(*folder, name, is_folder)) return;
        const std::string path = tree_.path_of(*folder, name);
        if ((event.mask & IN_CREATE) != 0) {
            note(WatchKind::kCreated, path, is_folder);
            if (is_folder) come(*folder, name);
        } else if ((event.mask & IN_DELETE) != 0) {
            note(WatchKind::kDeleted, path, is_folder);
            if (is_folder) tree_.remove(*folder, name);
        } else {
            note(WatchKind::kChanged, path, is_folder);
        }
    }

    void moved_from(const inotify_event& event, WatchTree::Folder& folder, const std::string& name, bool is_folder) {
        const bool temporary = is_own_name(name);
        if (!temporary && tree_.ignores(folder, name, is_folder)) return;
        moved_.push_back({event.cookie, event.wd, name, tree_.path_of(folder, name), is_folder, temporary});
    }

    void moved_to(const inotify_event& event, WatchTree::Folder& folder, const std::string& name, bool is_folder) {
        std::optional<MovedFrom> from;
        for (auto at = moved_.begin(); at != moved_.end(); ++at)
            if (at->cookie == event.cookie) {
                from = std::move(*at);
                moved_.erase(at);
                break;
            }
        WatchTree::Folder* old_folder = from ? tree_.find(from->folder) : nullptr;
        const std::string path = tree_.path_of(folder, name);
        if (tree_.ignores(folder, name, is_folder)) {
            // Out of sight. To a name of ours: a write has exchanged it, or a delete taken it.
            if (from && !from->temporary && is_own_name(name)) {
                note(WatchKind::kChanged, from->path, is_folder);
                taken_.insert(from->path);
            } else if (from && !from->temporary) {
                note(WatchKind::kDeleted, from->path, is_folder);
            }
            if (is_folder && old_folder != nullptr) tree_.remove(*old_folder, from->name);
            return;
        }
        // A file that was made under another name to be put in its place, as ours and those of most editors are: nobody
        // can tell whether there was one before.
        const auto made = from ? events_.find(from->path) : events_.end();
        if (from && !is_folder &&
            (from->temporary || (made != events_.end() && made->second.event == WatchKind::kCreated))) {
            if (!from->temporary) events_.erase(made);
            note(WatchKind::kChanged, path, false);
        } else if (from) {
            note(WatchKind::kMoved, path, is_folder, from->path);
        } else {
            note(WatchKind::kCreated, path, is_folder);
        }
        if (!is_folder) return;
        if (old_folder != nullptr && old_folder->folders.contains(from->name)) {
            tree_.move(*old_folder, from->name, folder, name);
            // Other rules may hold here.
            if (request_.ignore) rules_changed_ = rules_changed_ || old_folder != &folder;
        } else {
            come(folder, name);
        }
    }

    // A folder has come, and what is in it with it.
    void come(WatchTree::Folder& above, const std::string& name) {
        const auto added = tree_.add(
            above, name, [&](const std::string& path, bool is_folder) { note(WatchKind::kCreated, path, is_folder); });
        if (!added && added.error().code == ENOSPC) overflow_ = true;
    }

    void note(WatchKind kind, const std::string& path, bool is_folder, const std::string& from = "") {
        if (events_.size() >= kMostEvents) {
            overflow_ = true;
            return;
        }
        const FileKind file_kind = is_folder ? FileKind::kFolder : FileKind::kFile;
        const auto [at, first] = events_.try_emplace(path, ipc::WatchEvent{kind, file_kind, path, from});
        if (first) return;
        ipc::WatchEvent& event = at->second;
        const WatchKind before = event.event;
        event.kind = file_kind;
        if (kind == WatchKind::kChanged && before != WatchKind::kDeleted) return;  // made or moved, and then changed
        if (before == WatchKind::kMoved && kind != WatchKind::kMoved) {
            // What was moved here and then went: where it came from, nothing is any more.
            const std::string old = event.from;
            events_.erase(at);
            if (kind == WatchKind::kDeleted) note(WatchKind::kDeleted, old, is_folder);
            else events_[path] = {kind, file_kind, path, ""};
            return;
        }
        if (before == WatchKind::kCreated && kind == WatchKind::kDeleted) {
            events_.erase(at);
            return;
        }
        event.event = before == WatchKind::kDeleted && kind == WatchKind::kCreated ? WatchKind::kChanged : kind;
        event.from = from;
    }

    // Watches anew: after an overflow nobody knows which folders there are, and after a change of rules which count.
    Result<> start_again() {
        TRY_ASSIGN(auto tree,
                   WatchTree::start(call_.segment, request_.path, {request_.recursive, request_.ignore, {}, 0}));
        tree_ = std::move(tree);
        moved_.clear();
        // What happened between the two watches is not known.
        overflow_ = true;
        rules_changed_ = false;
        return Ok{};
    }

    void flush() {
        due_ = 0;
        // The second half of a move can be a moment later than the first.
        std::vector<MovedFrom> held;
        for (auto& from : moved_) {
            if (!from.held_over) {
                from.held_over = true;
                held.push_back(std::move(from));
                continue;
            }
            if (from.temporary) continue;
            if (auto* folder = tree_.find(from.folder); folder != nullptr && from.is_folder)
                tree_.remove(*folder, from.name);
            note(WatchKind::kDeleted, from.path, from.is_folder);
        }
        moved_ = std::move(held);
        if (!moved_.empty()) due_ = milliseconds() + kBatchMilliseconds;
        if (overflow_) send({WatchKind::kOverflow, FileKind::kOther, "", ""});
        overflow_ = false;
        for (auto& [path, event] : events_) {
            if (event.event != WatchKind::kDeleted && (event.kind == FileKind::kFile || taken_.contains(path)))
                look(event);
            send(event);
        }
        events_.clear();
        taken_.clear();
        call_.channel.flush();
    }

    // What is no folder may be a link, or another thing.
    void look(ipc::WatchEvent& event) {
        const auto open = open_beneath(tree_.root(), event.path, O_PATH | O_NOFOLLOW);
        struct stat about {};
        if (open && ::fstat(open->get(), &about) == 0) event.kind = facts_of(about).kind;
        else if (taken_.contains(event.path)) event.event = WatchKind::kDeleted;
    }

    Call& call_;
    const ipc::WatchFolder& request_;
    WatchTree tree_;
    std::map<std::string, ipc::WatchEvent> events_;  // by path
    std::set<std::string> taken_;                    // moved to a name of ours
    std::vector<MovedFrom> moved_;
    std::int64_t due_ = 0;  // when the batch goes; 0: there is none
    bool overflow_ = false, rules_changed_ = false, gone_ = false;
};

}  // namespace

Answer watch_folder(Call& call, const ipc::WatchFolder& request) {
    SERVE_ASSIGN(auto tree, WatchTree::start(call.segment, request.path, {request.recursive, request.ignore, {}, 0}));
    return Watch(call, request, std::move(tree)).run();
}

}  // namespace toren::workers
