#include "workers/vcs/repositories.h"

#include <sys/stat.h>

#include <cerrno>

namespace toren::vcs {
namespace {

// libgit2 keeps some settings for as long as a repository is open (core.autocrlf, core.fileMode …).
Identity configuration_of(git_repository* git) {
    return identity_of(std::string(git_repository_commondir(git)) + "config");
}

ipc::VcsRepository about(const Found& found) {
    ipc::VcsRepository repository;
    repository.kind = found.kind;
    repository.folder = found.folder;
    return repository;
}

}  // namespace

Answer Repositories::locate(const std::string& path) {
    auto found = discover(segment_.get(), path);
    if (!found && found.error().code == EXDEV) return Refusal{ipc::Failure::kLeavesSegment, found.error().what};
    if (!found) return workers::refusal(found.error());
    return workers::reply(about(*found));
}

std::variant<Repository, Refusal> Repositories::find(const std::string& path) {
    auto found = discover(segment_.get(), path);
    if (!found && found.error().code == EXDEV) return Refusal{ipc::Failure::kLeavesSegment, found.error().what};
    if (!found) return workers::refusal(found.error());
    if (found->kind == ipc::VcsKind::kNone) return Repository{};
    const std::string shown = found->folder.empty() ? "." : found->folder;
    const std::string result = workers::encoded(about(*found));  // so that jj or git can be asked in its place
    if (!found->dot_git)
        return Refusal{ipc::Failure::kUnsupported,
                       "'" + shown +
                           "': a Jujutsu repository without a colocated Git one needs the jj command, which "
                           "this version does not run yet",
                       result};
    struct stat about {};
    if (::fstat(found->dot_git.get(), &about) != 0) return workers::refusal(errno_error("fstat '" + shown + "/.git'"));
    const Identity identity = identity_of(about);
    if (open_ && (open_->folder != found->folder || open_->identity != identity ||
                  open_->configuration != configuration_of(open_->git.get())))
        open_.reset();
    if (!open_) {
        Owned<git_repository> git;
        const std::string folder = found->folder.empty() ? path_ : path_ + "/" + found->folder;
        const int code = git_repository_open_ext(git.out(), folder.c_str(), GIT_REPOSITORY_OPEN_NO_SEARCH, nullptr);
        if (code != 0) {
            auto refused = git_refusal(code, "open the repository '" + shown + "'");
            refused.result = result;
            if (code == GIT_ENOTFOUND) refused.failure = ipc::Failure::kNotRepository;
            return refused;
        }
        const Identity configuration = configuration_of(git.get());
        KeptStatus status(segment_.get(), found->folder, git.get());
        open_.emplace(std::move(found->folder), std::move(found->dot_git), identity, configuration, std::move(git),
                      KeptWalk{}, std::move(status));
    }
    return Repository{found->kind, open_->folder, open_->git.get(), &open_->walk, &open_->status};
}

}  // namespace toren::vcs
