// The repositories of one segment, opened through libgit2; the one asked for last stays open (0.6 instead of 3 ms).
//
// libgit2 works by path, and where it goes is the repository's to say: `gitdir:` in a gitfile, commondir,
// core.worktree, objects/info/alternates, include.path may name any folder. What it can reach is not: the cell's mounts
// and Landlock hold the segment alone, so such a path ends in an error or in the segment.
//
// libgit2 opens without O_NONBLOCK: a FIFO in the place of a file that it reads (.git/index, .gitignore …) holds it up
// until the broker's time for a request is over and the worker is ended.
#pragma once

#include <optional>
#include <variant>

#include "workers/vcs/discovery.h"
#include "workers/vcs/identity.h"
#include "workers/vcs/kept_status.h"
#include "workers/vcs/libgit2.h"
#include "workers/vcs/walk.h"

namespace toren::vcs {

using workers::Answer;
using workers::Refusal;

// The walk that gave the last page of a log, so that the next page need not begin again.
struct KeptWalk {
    std::string key;  // the question
    std::uint64_t place = 0;
    std::unique_ptr<Walk> walk;
};

struct Repository {
    ipc::VcsKind kind = ipc::VcsKind::kNone;
    std::string folder;             // relative to the segment
    git_repository* git = nullptr;  // null where `kind` is kNone; valid until the next call of Repositories
    KeptWalk* walk = nullptr;       // the same
    KeptStatus* status = nullptr;   // the same
};

// Its folder, for people.
inline std::string shown(const Repository& repository) { return repository.folder.empty() ? "." : repository.folder; }

class Repositories {
public:
    // `segment`: the folder's descriptor; `path`: its absolute path, for libgit2.
    Repositories(UniqueFd segment, std::string path) : segment_(std::move(segment)), path_(std::move(path)) {}

    // The folder that this path's repository has, as a record in the answer; kNone where it lies in none.
    Answer locate(const std::string& path);
    // The repository that this path of the segment lies in.
    std::variant<Repository, Refusal> find(const std::string& path);

    // After an error of libgit2's, so that the next request begins anew: what it has in memory may be half read.
    void forget() { open_.reset(); }

    // Between requests: whether a step can be taken that makes the next one quicker, and that step.
    bool can_prepare() const { return open_ && open_->status.can_prepare(); }
    void prepare() { open_->status.prepare(); }

private:
    struct Open {
        std::string folder;
        UniqueFd dot_git;  // held, so that the inode's number is not given to another one
        Identity identity;
        Identity configuration;
        Owned<git_repository> git;
        KeptWalk walk;  // ends before the repository, as the next does
        KeptStatus status;
    };

    UniqueFd segment_;
    std::string path_;
    std::optional<Open> open_;
};

inline Answer in_no_repository(const std::string& path) {
    return Refusal{ipc::Failure::kNotRepository, "'" + path + "' is in no repository of its segment"};
}

// Answers a question about the repository that `path` lies in, or with `otherwise` where it lies in none. A refusal
// names the repository, so that git can be asked in its place.
template <typename Work>
Answer with_repository(Repositories& repositories, const std::string& path, const Answer& otherwise, Work work) {
    auto found = repositories.find(path);
    if (auto* refused = std::get_if<Refusal>(&found)) return std::move(*refused);
    auto& repository = std::get<Repository>(found);
    if (repository.git == nullptr) return otherwise;
    ipc::VcsRepository about;
    about.kind = repository.kind;
    about.folder = repository.folder;
    Answer answer = work(repository);
    if (auto* refused = std::get_if<Refusal>(&answer)) refused->result = workers::encoded(about);
    return answer;
}

}  // namespace toren::vcs
