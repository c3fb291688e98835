// The broker's side of its conversation with the supervisor: configured things, asked for by name.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "broker/async_channel.h"
#include "broker/task.h"
#include "ipc/messages.h"
#include "policy/segment_names.h"

namespace toren::broker {

struct OpenedCell {
    UniqueFd spawner;
    std::vector<std::string> profiles;  // names; the segment's own first
};

class SupervisorLink {
public:
    // Greets and waits for the welcome; before the loop runs.
    static Result<std::pair<std::unique_ptr<SupervisorLink>, ipc::BrokerWelcome>> greet(UniqueFd socket);

    // Answers arrive in the order of the requests; the loop must run. The process ends when the supervisor goes.
    void start();

    // Looks for segments again; segments() then has them.
    Task<Done> refresh();
    const SegmentSet& segments() const { return segments_; }

    Task<ipc::SegmentCreated> create_segment(std::string name, std::string root);
    // Of a configured segment, where workspaces are configured: asked for otherwise, the supervisor ends this process.
    Task<ipc::WorkspaceCreated> create_workspace(std::string segment, std::string name);
    Task<ipc::WorkspaceRemoved> remove_workspace(std::string segment, std::string name);
    Task<ipc::WorkspaceList> list_workspaces(std::string segment);
    // A channel to the spawner of the segment's cell, made where there is none.
    Task<Result<OpenedCell>> open_cell(std::string segment);

private:
    explicit SupervisorLink(UniqueFd socket) : greeting_(std::move(socket)) {}
    Task<Done> listen();
    void take_segments(const ipc::SegmentList& list);
    void take_workspaces(ipc::WorkspaceList list);

    UniqueFd greeting_;
    AsyncChannel channel_;
    SegmentSet segments_;
    SegmentSet arriving_;
    std::vector<Promise<Done>> refreshes_;
    std::vector<Promise<ipc::SegmentCreated>> creations_;
    std::vector<Promise<ipc::WorkspaceCreated>> workspace_creations_;
    std::vector<Promise<ipc::WorkspaceList>> workspace_lists_;
    ipc::WorkspaceList arriving_workspaces_;
    std::multimap<std::pair<std::string, std::string>, Promise<ipc::WorkspaceRemoved>> removals_;
    // Shared, for a promise hands out copies.
    std::multimap<std::string, Promise<Result<std::shared_ptr<OpenedCell>>>> cells_;
};

}  // namespace toren::broker
