// The supervisor's loop: keeps the broker alive, makes cells that the broker asks for by name, passes logs on.
// It reads from its children nothing but the messages of ipc/protocol.h; a child that breaks a rule is ended (invariant
// 3).
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "policy/cgroup_tree.h"
#include "policy/config.h"
#include "policy/segments.h"
#include "supervisor/audit_log.h"
#include "supervisor/children.h"
#include "supervisor/state_folder.h"

namespace toren::supervisor {

struct Settings {
    Config config;
    std::string home;
    std::string workspace_root;  // canonical; empty: there are no workspaces
    std::string pairing_pin;
    std::vector<Listener> listeners;
    std::optional<CgroupTree> cgroups = {};  // nothing where no subtree is delegated
    bool landlock = true;  // false only where confinement.allow_degraded says so and the kernel has none
};

// The segment of exactly this name; null where there is none.
const Segment* find_exactly(const SegmentSet& set, std::string_view name);

class Supervisor {
public:
    Supervisor(Settings settings, Programs programs, StateFolder state, AuditLog audit, SegmentSet segments);
    // Until a signal ends it, or the broker cannot be started at all. Returns the exit status.
    int run(int signals);

private:
    struct Cell {
        Group group;  // before its process, so that it ends after it
        CagedProcess caged;
        bool ready = false;
        bool wanted = false;  // the broker waits for it
        std::string failure;  // why it could not be made
        bool unfilled =
            false;  // of a workspace that git had still to fill, so without guards in it: good for that only
        std::vector<std::string> profiles;
    };
    using Clock = std::chrono::steady_clock;

    // A workspace on its way out: its cell ends, then a child removes the folder, however much there is in it.
    struct Removal {
        Segment segment;
        std::string name;
        Clock::time_point until;  // its cell ends by itself before
        ChildProcess child = {};
    };

    // The requests that a broker may make: a row each, and no other.
    struct Request {
        ipc::Type type;
        void (Supervisor::*serve)(const ipc::Packet&);
    };
    static const Request kRequests[];

    void start_broker_if_due();
    void broker_ended();
    void serve_broker();
    void end_broker(const std::string& rule);
    void serve_cell(const std::string& name, Cell& cell);
    void cell_ended(const std::string& name, Cell& cell);
    void attach(const std::string& name, Cell& cell);
    void end_cells();
    void refuse_cell(const std::string& name, const std::string& why);
    Result<> rediscover();

    void hello(const ipc::Packet& packet);
    void list_segments(const ipc::Packet& packet);
    void create_segment(const ipc::Packet& packet);
    void open_cell(const ipc::Packet& packet);
    void start(const std::string& name, Cell& cell);
    Result<CellPlan> plan(const std::string& name);
    void list_workspaces(const ipc::Packet& packet);
    void create_workspace(const ipc::Packet& packet);
    void remove_workspace(const ipc::Packet& packet);
    // The segment whose workspace a broker may name; else it is ended.
    const Segment* named_segment(const std::string& name);
    const Segment* named_workspace(const std::string& segment, const std::string& name);
    void continue_removals();
    void removal_ended(const std::string& address, const std::string& failure, int code);
    ipc::BrokerWelcome welcome() const;
    void announce();

    template <typename T>
    void tell_broker(const T& message, std::vector<int> descriptors = {});

    Settings settings_;
    Programs programs_;
    StateFolder state_;
    AuditLog audit_;
    SegmentSet segments_;
    UniqueFd null_;
    std::uint64_t pairing_expires_ = 0;

    CagedProcess broker_;
    bool broker_greeted_ = false;
    bool announced_ = false;
    int failures_ = 0;
    Clock::time_point broker_started_{};
    std::optional<Clock::time_point> broker_due_;
    std::map<std::string, Cell> cells_;
    std::map<std::string, Removal> removals_;  // by SEGMENT@NAME
};

template <typename T>
void Supervisor::tell_broker(const T& message, std::vector<int> descriptors) {
    if (!broker_.channel) return;
    if (auto sent = broker_.channel.send(message, descriptors); !sent)
        end_broker("it does not read: " + sent.error().text());
}

}  // namespace toren::supervisor
