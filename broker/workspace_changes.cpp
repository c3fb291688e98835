#include "broker/workspace_changes.h"

#include <nlohmann/json.hpp>

namespace toren::broker {

std::string place_of(const Workspace& workspace) { return workspace_address(workspace.segment, workspace.name); }

std::optional<Problem> no_workspaces(Broker& broker, const std::string& segment) {
    if (!broker.workspaces.configured())
        return problem("workspaces_not_configured", "ancillary.workspace_root is not set");
    for (const Segment& known : broker.supervisor->segments().segments)
        if (known.name == segment) return std::nullopt;
    return problem("invalid_field", "segment: a workspace has no workspaces of its own; name its segment");
}

Outcome<Workspace> find_workspace(Broker& broker, const std::string& segment, const std::string& name) {
    auto found = broker.workspaces.find(segment, name);
    if (!found) return problem("unknown_workspace", "segment '" + segment + "' has no workspace '" + name + "'");
    return std::move(*found);
}

}  // namespace toren::broker
