// The folders that are watched, as the kernel numbers them, and where each of them is.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "base/unique_fd.h"
#include "workers/tree/ignore_rules.h"

namespace toren::workers {

// What an error says of a folder that is not there any more, or that nobody could look into.
bool is_gone(int code);

class WatchTree {
public:
    struct Folder {
        Folder* above = nullptr;
        std::string name;
        int number = -1;  // inotify's
        IgnoreRules::Chain rules;
        std::map<std::string, Folder*> folders;
    };
    // Told of what is found in a folder that came into the watch: its path, and whether it is a folder.
    using Found = std::function<void(const std::string& path, bool folder)>;

    struct Scope {
        bool recursive = true;
        bool ignore = true;  // what .gitignore and .ignore leave out is left out here
        // Where given, it decides about each folder, told what the ignore rules say; names of our own making are then
        // names like others.
        std::function<bool(const std::string& path, bool ignored)> leaves_out = {};
        std::uint32_t more_events = 0;        // beside those that say that something came, went or changed
        std::size_t most_folders = SIZE_MAX;  // ENOSPC beyond them: watches are the user's, whom other programs serve
    };

    // Watches the folder, and with `recursive` all beneath it. Each folder is watched before it is listed, so that what
    // is made meanwhile is seen by one or the other.
    static Result<WatchTree> start(int segment, const std::string& path, Scope scope);

    int queue() const { return queue_.get(); }
    Folder& top() { return *top_; }
    Folder* find(int number);
    std::string path_of(const Folder& folder, const std::string& name) const;  // from the watched folder
    bool ignores(const Folder& folder, const std::string& name, bool is_folder) const;

    // A folder has come. ENOENT and the like: it has gone again.
    Result<> add(Folder& above, const std::string& name, const Found& found);
    void remove(Folder& above, const std::string& name);
    void move(Folder& from, const std::string& old_name, Folder& to, const std::string& new_name);
    // The kernel has forgotten a folder.
    void forget(int number);

    bool recursive() const { return scope_.recursive; }
    int root() const { return root_.get(); }

private:
    WatchTree() = default;
    Result<> put(Folder& folder, int descriptor);
    void drop(Folder& folder, bool watched);

    UniqueFd root_, queue_;
    std::string prefix_;  // of the watched folder, as the ignore rules see it
    Scope scope_;
    std::unordered_map<int, std::unique_ptr<Folder>> folders_;
    Folder* top_ = nullptr;
};

}  // namespace toren::workers
