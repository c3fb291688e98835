#include "broker/supervisor_link.h"

#include <unistd.h>

#include <algorithm>

#include "base/log.h"

namespace toren::broker {

Result<std::pair<std::unique_ptr<SupervisorLink>, ipc::BrokerWelcome>> SupervisorLink::greet(UniqueFd socket) {
    ipc::Channel channel(std::move(socket), ipc::Role::kBroker, ipc::Role::kSupervisor, ipc::Phase::kGreeting);
    TRY(channel.send(ipc::BrokerHello{}));
    ipc::Packet packet;
    if (channel.receive(packet) != ipc::Received::kPacket) return error("the supervisor did not answer the greeting");
    auto welcome = packet.as<ipc::BrokerWelcome>();
    if (!welcome || welcome->version != ipc::kProtocolVersion) return error("the supervisor is of another build");
    std::unique_ptr<SupervisorLink> link(new SupervisorLink(channel.take_socket()));
    return std::pair{std::move(link), std::move(*welcome)};
}

void SupervisorLink::start() {
    channel_ = AsyncChannel(std::move(greeting_), ipc::Role::kSupervisor);
    spawn(listen());
}

Task<Done> SupervisorLink::refresh() {
    Promise<Done> answered;
    refreshes_.push_back(answered);
    const ipc::ListSegments request;
    if (refreshes_.size() == 1) co_await channel_.send_when_possible(request);  // one answer serves all
    co_await answered;
    co_return Done{};
}

Task<ipc::SegmentCreated> SupervisorLink::create_segment(std::string name, std::string root) {
    Promise<ipc::SegmentCreated> answered;
    creations_.push_back(answered);
    const ipc::CreateSegment request{std::move(name), std::move(root)};
    co_await channel_.send_when_possible(request);
    co_return co_await answered;
}

Task<ipc::WorkspaceCreated> SupervisorLink::create_workspace(std::string segment, std::string name) {
    Promise<ipc::WorkspaceCreated> answered;
    workspace_creations_.push_back(answered);
    const ipc::CreateWorkspace request{std::move(segment), std::move(name)};
    co_await channel_.send_when_possible(request);
    co_return co_await answered;
}

Task<ipc::WorkspaceRemoved> SupervisorLink::remove_workspace(std::string segment, std::string name) {
    Promise<ipc::WorkspaceRemoved> answered;
    removals_.emplace(std::pair(segment, name), answered);
    const ipc::RemoveWorkspace request{std::move(segment), std::move(name)};
    co_await channel_.send_when_possible(request);
    co_return co_await answered;
}

Task<ipc::WorkspaceList> SupervisorLink::list_workspaces(std::string segment) {
    Promise<ipc::WorkspaceList> answered;
    workspace_lists_.push_back(answered);
    const ipc::ListWorkspaces request{std::move(segment)};
    co_await channel_.send_when_possible(request);
    co_return co_await answered;
}

Task<Result<OpenedCell>> SupervisorLink::open_cell(std::string segment) {
    Promise<Result<std::shared_ptr<OpenedCell>>> answered;
    cells_.emplace(segment, answered);
    const ipc::OpenCell request{std::move(segment)};
    co_await channel_.send_when_possible(request);
    auto result = co_await answered;
    if (!result) co_return std::move(result.error());
    co_return std::move(**result);
}

Task<Done> SupervisorLink::listen() {
    while (auto packet = co_await channel_.receive()) {
        if (const auto list = packet->as<ipc::SegmentList>()) {
            take_segments(*list);
        } else if (const auto created = packet->as<ipc::SegmentCreated>(); created && !creations_.empty()) {
            creations_.front().set(*created);
            creations_.erase(creations_.begin());
        } else if (const auto made = packet->as<ipc::WorkspaceCreated>(); made && !workspace_creations_.empty()) {
            workspace_creations_.front().set(*made);
            workspace_creations_.erase(workspace_creations_.begin());
        } else if (auto found = packet->as<ipc::WorkspaceList>(); found && !workspace_lists_.empty()) {
            take_workspaces(std::move(*found));
        } else if (const auto removed = packet->as<ipc::WorkspaceRemoved>()) {
            const auto waiting = removals_.find({removed->segment, removed->name});
            if (waiting == removals_.end()) continue;
            waiting->second.set(*removed);
            removals_.erase(waiting);
        } else if (const auto opened = packet->as<ipc::CellOpened>()) {
            const auto waiting = cells_.find(opened->segment);
            if (waiting == cells_.end()) continue;
            if (opened->error.empty())
                waiting->second.set(std::make_shared<OpenedCell>(std::move(packet->descriptors[0]), opened->profiles));
            else waiting->second.set(error(opened->error));
            cells_.erase(waiting);
        }
    }
    ::_exit(0);  // without a supervisor there is nothing left to do
}

void SupervisorLink::take_workspaces(ipc::WorkspaceList list) {
    auto& all = arriving_workspaces_.workspaces;
    std::ranges::move(list.workspaces, std::back_inserter(all));
    if (!list.last) return;
    list.workspaces = std::exchange(all, {});
    workspace_lists_.front().set(std::move(list));
    workspace_lists_.erase(workspace_lists_.begin());
}

void SupervisorLink::take_segments(const ipc::SegmentList& list) {
    for (const auto& entry : list.segments)
        arriving_.segments.push_back({entry.name, entry.path, static_cast<Segment::Source>(entry.source)});
    if (!list.last) return;
    arriving_.roots = list.roots;
    segments_ = std::exchange(arriving_, {});
    for (const auto& waiting : std::exchange(refreshes_, {})) waiting.set({});
}

}  // namespace toren::broker
