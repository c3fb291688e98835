// Reads what git prints for programs. All of it comes out of the cage: what does not parse to its last byte is nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/vcs_messages.h"

namespace toren::broker {

// `git status --porcelain=v2 --branch --show-stash -z`
struct GitStatus {
    ipc::VcsRepository about;
    std::vector<ipc::VcsChange> changes;
};
std::optional<GitStatus> read_git_status(std::string_view text);

// `git diff --raw --numstat -z --no-abbrev`
std::optional<std::vector<ipc::VcsFileDiff>> read_git_raw_diff(std::string_view text);
// `git diff -p`: one text a file, in the order of the others.
std::vector<std::string_view> split_git_patch(std::string_view text);

// `git log -z --date=raw --format=` and this:
inline constexpr const char* kGitLogFormat = "%H%n%T%n%P%n%an%n%ae%n%ad%n%cn%n%ce%n%cd%n%B";
std::optional<std::vector<ipc::VcsCommit>> read_git_log(std::string_view text);

// `git for-each-ref --format=` and this:
inline constexpr const char* kGitRefFormat =
    "%(refname)%00%(objectname)%00%(objecttype)%00%(*objectname)%00%(*objecttype)%00%(symref)%00%(upstream)%00"
    "%(upstream:track,nobracket)%00%(HEAD)%00%(creatordate:unix)%00%(contents:subject)%00";
std::optional<std::vector<ipc::VcsRef>> read_git_refs(std::string_view text);

// `git ls-files -u -z`
std::optional<std::vector<ipc::VcsConflicted>> read_git_conflicts(std::string_view text);

// `git stash list -z --format=%H%n%ct%n%gs`
std::optional<std::vector<ipc::VcsStash>> read_git_stashes(std::string_view text);

// `git worktree list --porcelain -z`
std::optional<std::vector<ipc::VcsWorktree>> read_git_worktrees(std::string_view text);

// `git blame --porcelain`: a run of lines that one commit brought.
struct GitBlame {
    std::string commit;  // "" for lines that are not committed
    std::uint64_t line = 0, original_line = 0, lines = 0;
    std::string original_path;  // as git prints it, in quotes where it must
    ipc::VcsSignature author;
    std::string summary;
    std::string content;  // the lines
};
std::optional<std::vector<GitBlame>> read_git_blame(std::string_view text);

bool is_git_id(std::string_view text);  // SHA-1 or SHA-256, lower-case

}  // namespace toren::broker
