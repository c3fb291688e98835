// Answers about repositories as clients get them (docs/protocol-v2.md).
#pragma once

#include <string>

#include "broker/git_output.h"
#include "broker/vcs.h"

namespace toren::broker {

std::string status_json(const VcsStatusFound& found, std::uint64_t skip);
std::string diff_json(const VcsDiffFound& found, std::uint64_t skip);
// `cursor`: of the next page, or empty.
std::string log_json(const VcsLogFound& found, const std::string& cursor);
std::string refs_json(const VcsListFound<ipc::VcsRef>& found);
std::string conflicts_json(const VcsListFound<ipc::VcsConflicted>& found);
std::string stashes_json(const VcsListFound<ipc::VcsStash>& found);
std::string worktrees_json(const VcsListFound<ipc::VcsWorktree>& found);
std::string blame_json(const std::vector<GitBlame>& runs, bool content);

void append_commit(std::string& out, const ipc::VcsCommit& commit);
// Without braces: "files":[…] and what goes with it.
void append_diff(std::string& out, const VcsDiffFound& found, std::uint64_t skip);
std::string mode_text(std::uint32_t mode);  // "100644"

}  // namespace toren::broker
