// Every process that clients can name, by id: started here, or adopted from a cell that an earlier broker started it
// in.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/cell.h"
#include "broker/problem.h"
#include "broker/process.h"
#include "broker/task.h"

namespace toren::broker {

struct StartSpec {
    std::string segment;
    std::shared_ptr<ipc::Start> start = std::make_shared<ipc::Start>();
    std::optional<std::string> profile;  // the segment's own where there is none
    ipc::NewSlot slot;                   // terminal, ring and limits; the rest is filled in
    std::string name;
    std::string request;  // an equal one in the same segment gives the process that is there
    bool listed = false;  // found by its id
    bool kept = false;    // outlives this broker
    bool held = true;     // somebody will follow it
    bool disk = false;    // all of its output is kept there
    bool tell = false;    // Process::until_started() will be asked
};

class Processes {
public:
    struct Limits {
        std::uint64_t running_per_segment, kept, keep_seconds, spool_bytes;
    };
    // `state`: the folder for what is kept on disk.
    Processes(Cells& cells, Limits limits, std::string state)
        : cells_(cells), limits_(limits), state_(std::move(state)), quota_{limits.spool_bytes} {}

    Task<Outcome<std::shared_ptr<Process>>> start(StartSpec spec);
    // What earlier brokers kept, in cells that they left: before anybody asks.
    void take_over(const std::vector<std::string>& live_cells);
    // Until the processes of a segment are known, where its cell was left by an earlier broker.
    Task<Done> know(std::string segment);

    std::shared_ptr<Process> find(std::string_view segment, std::string_view id) const;
    // By the order of their starts.
    std::vector<std::shared_ptr<Process>> of_segment(std::string_view segment) const;
    // Its output goes with it.
    void remove(const std::shared_ptr<Process>& process);

private:
    struct Entry {
        std::shared_ptr<Process> process;
        std::weak_ptr<Cell> cell;
    };
    Task<Outcome<std::shared_ptr<Process>>> start_in(StartSpec spec);
    Task<Done> adopt(std::shared_ptr<Cell> cell);
    Task<Done> attend(std::shared_ptr<Process> process);
    void spool(const std::shared_ptr<Process>& process);
    void remove_left_spools();
    void forget_old(const std::string& segment);
    void sweep();
    void add(std::shared_ptr<Process> process, const std::shared_ptr<Cell>& cell);

    Cells& cells_;
    Limits limits_;
    std::string state_;
    SpoolQuota quota_;
    std::set<std::string, std::less<>> left_;         // segments whose cells an earlier broker left
    std::map<std::string, Entry, std::less<>> kept_;  // by id
    std::map<std::string, std::shared_ptr<Turns>, std::less<>> repeated_;  // starts with a request, by segment
    std::optional<Timer> sweep_;
};

// 16 hexadecimal digits that nobody can guess.
std::string random_id();
bool is_id(std::string_view text);

}  // namespace toren::broker
