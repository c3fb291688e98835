// What is done to workspaces, by v2's operations and by v1's routes alike.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "broker/broker.h"
#include "broker/problem.h"
#include "broker/task.h"

namespace toren::broker {

// Why nobody may ask for workspaces of it: none are configured, or it is a workspace itself.
std::optional<Problem> no_workspaces(Broker& broker, const std::string& segment);
// One that stands.
Outcome<Workspace> find_workspace(Broker& broker, const std::string& segment, const std::string& name);
std::string place_of(const Workspace& workspace);  // SEGMENT@NAME

struct NewWorkspace {
    std::string segment;
    std::string name;    // empty: the next free one
    std::string from;    // a branch, tag or commit, or "@NAME" of a workspace; empty: HEAD
    std::string branch;  // empty: called after the workspace
    std::string session;
};
Task<Outcome<Workspace>> create_workspace(Broker& broker, NewWorkspace wanted);
// Takes in a worktree that git knows at a workspace's place.
Task<Outcome<Workspace>> adopt_workspace(Broker& broker, std::string segment, std::string name, std::string session);

struct Destruction {
    bool force = false;                      // whatever runs in it or is lost
    std::optional<bool> delete_branch = {};  // where nothing is said: if another branch holds its commits
};
// The body of the answer: {"destroyed", "branch_deleted"}.
Task<Outcome<nlohmann::json>> destroy_workspace(Broker& broker, Workspace workspace, Destruction how);
// What a broker that died has left of one that it was making.
Task<Outcome<Done>> roll_back(Broker& broker, Workspace workspace);

// As workspaces.list shows it; `on_disk`: nothing where it has no folder.
Task<nlohmann::json> describe_workspace(Broker& broker, Workspace workspace,
                                        std::optional<ipc::WorkspaceEntry> on_disk);
Task<nlohmann::json> describe_workspace(Broker& broker, Workspace workspace);

struct Merge {
    std::string into;           // a branch; empty: the one that it was made from
    std::string message;        // empty: git's
    bool fast_forward = false;  // no merge commit: refused where one is needed
    bool uncommitted = false;   // though the workspace has changes that are not committed, and are not merged
    bool keep_conflicts = false;
};
Task<Outcome<nlohmann::json>> merge_workspace(Broker& broker, Workspace workspace, Merge how);

}  // namespace toren::broker
