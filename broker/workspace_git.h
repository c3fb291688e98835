// git, run in the cage for workspaces: by the broker's word, in a segment's cell or a workspace's, and what it said.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/caged_run.h"
#include "broker/workspaces.h"

namespace toren::broker {

// `place`: a segment, or SEGMENT@WORKSPACE. What git prints beyond `most` bytes is the Problem output_too_large.
Task<Outcome<CagedOutput>> git(Broker& broker, std::string place, std::vector<std::string> arguments,
                               std::uint64_t most = 64 * 1024);
// The same where it must succeed: its output without the newline at the end, else vcs_failed with git's own words.
Task<Outcome<std::string>> git_text(Broker& broker, std::string place, std::vector<std::string> arguments,
                                    std::uint64_t most = 64 * 1024);
Problem git_failed(const std::vector<std::string>& arguments, const CagedOutput& output);

// What a client names as a branch, a tag or a commit: nothing that git would take for an option.
bool is_revision(const std::string& text);
// The commit that it names there, or unknown_revision.
Task<Outcome<std::string>> find_commit(Broker& broker, std::string place, std::string revision);

// What a worktree is at.
struct WorktreeState {
    std::string head;    // a commit; empty: there is none yet
    std::string branch;  // empty: detached
    std::uint64_t staged = 0, modified = 0, untracked = 0, conflicted = 0;
    std::uint64_t changes() const { return staged + modified + untracked + conflicted; }
};
WorktreeState parse_status(const std::string& porcelain);  // of `git status --porcelain=v2 --branch -z`
Task<Outcome<WorktreeState>> worktree_state(Broker& broker, std::string place);

// "A\0B\0" as A and B.
std::vector<std::string> split_at_nul(const std::string& text);

}  // namespace toren::broker
