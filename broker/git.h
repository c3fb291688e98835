// Git as a command in the cage: hooks, filters and drivers of a repository run there or nowhere.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/caged_run.h"
#include "broker/vcs.h"

namespace toren::broker {

struct GitCommand {
    std::vector<std::string> arguments;  // after "git"; paths and revisions of clients behind options, never as one
    std::string folder;                  // the work tree, relative to the segment
    bool paths = false;                  // among them are paths of clients: names, not patterns
    bool writes = false;                 // under the segment's own profile; otherwise under read-only, without locks
    std::optional<std::string> input;
    std::vector<std::string> environment = {};
    std::uint64_t seconds = 120;
};

// What it printed and how it ended, whatever that means.
Task<Outcome<CagedOutput>> run_git(VcsQuestion question, GitCommand command);

// What its failure means for a client: git's own words, with the code that fits.
Problem git_problem(const CagedOutput& output);

// The same answers as the vcs worker's; `folder` is where it found the repository.
Task<Outcome<VcsStatusFound>> git_status(VcsQuestion question, std::string folder, ipc::VcsStatus request);
Task<Outcome<VcsDiffFound>> git_diff(VcsQuestion question, std::string folder, ipc::VcsDiff request);
Task<Outcome<VcsLogFound>> git_log(VcsQuestion question, std::string folder, ipc::VcsLog request);
Task<Outcome<VcsContentFound>> git_content(VcsQuestion question, std::string folder, ipc::VcsContent request);
Task<Outcome<VcsListFound<ipc::VcsRef>>> git_refs(VcsQuestion question, std::string folder, ipc::VcsLists request);
Task<Outcome<VcsListFound<ipc::VcsConflicted>>> git_conflicts(VcsQuestion question, std::string folder,
                                                              ipc::VcsLists request);
Task<Outcome<VcsListFound<ipc::VcsStash>>> git_stashes(VcsQuestion question, std::string folder, ipc::VcsLists request);
Task<Outcome<VcsListFound<ipc::VcsWorktree>>> git_worktrees(VcsQuestion question, std::string folder,
                                                            ipc::VcsLists request);

}  // namespace toren::broker
