#include "workers/vcs/repositories.h"

#include <cerrno>
#include <tuple>

namespace toren::vcs {
namespace {

Identity identity_of(const struct stat& about) {
    // A .git folder changes with every lock file made in it; a gitfile's or a configuration's content matters.
    if (S_ISDIR(about.st_mode)) return {about.st_dev, about.st_ino, 0, {}, {}};
    return {about.st_dev, about.st_ino, about.st_size, about.st_mtim, about.st_ctim};
}

// libgit2 keeps some settings for as long as a repository is open (core.autocrlf, core.fileMode …).
Identity configuration_of(git_repository* git) {
    struct stat about {};
    const std::string path = std::string(git_repository_commondir(git)) + "config";
    return ::stat(path.c_str(), &about) == 0 ? identity_of(about) : Identity{};
}

ipc::VcsRepository about(const Found& found) {
    ipc::VcsRepository repository;
    repository.kind = found.kind;
    repository.folder = found.folder;
    return repository;
}

}  // namespace

bool Identity::operator==(const Identity& other) const {
    const auto all = [](const Identity& one) {
        return std::tie(one.device, one.inode, one.size, one.modified.tv_sec, one.modified.tv_nsec, one.changed.tv_sec,
                        one.changed.tv_nsec);
    };
    return all(*this) == all(other);
}

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
        open_.emplace(std::move(found->folder), std::move(found->dot_git), identity, configuration, std::move(git),
                      KeptWalk{});
    }
    return Repository{found->kind, open_->folder, open_->git.get(), &open_->walk};
}

}  // namespace toren::vcs
