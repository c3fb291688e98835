// The repositories of one segment, opened through libgit2; the one asked for last stays open (0.6 instead of 3 ms).
//
// libgit2 works by path, and where it goes is the repository's to say: `gitdir:` in a gitfile, commondir,
// core.worktree, objects/info/alternates, include.path may name any folder. What it can reach is not: the cell's mounts
// and Landlock hold the segment alone, so such a path ends in an error or in the segment.
//
// libgit2 opens without O_NONBLOCK: a FIFO in the place of a file that it reads (.git/index, .gitignore …) holds it up
// until the broker's time for a request is over and the worker is ended.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <variant>

#include "workers/vcs/discovery.h"
#include "workers/vcs/libgit2.h"

namespace toren::vcs {

using workers::Answer;
using workers::Refusal;

// Which file or folder an inode is, and where its content matters, in which state.
struct Identity {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec modified{};
    timespec changed{};
    bool operator==(const Identity& other) const;
};

struct Repository {
    ipc::VcsKind kind = ipc::VcsKind::kNone;
    std::string folder;             // relative to the segment
    git_repository* git = nullptr;  // null where `kind` is kNone; valid until the next call of Repositories
};

class Repositories {
public:
    // `segment`: the folder's descriptor; `path`: its absolute path, for libgit2.
    Repositories(UniqueFd segment, std::string path) : segment_(std::move(segment)), path_(std::move(path)) {}

    // The repository that this path of the segment lies in.
    std::variant<Repository, Refusal> find(const std::string& path);

    // After an error of libgit2's, so that the next request begins anew: what it has in memory may be half read.
    void forget() { open_.reset(); }

private:
    struct Open {
        std::string folder;
        UniqueFd dot_git;  // held, so that the inode's number is not given to another one
        Identity identity;
        Identity configuration;
        Owned<git_repository> git;
    };

    UniqueFd segment_;
    std::string path_;
    std::optional<Open> open_;
};

}  // namespace toren::vcs
