// What the self-probe's attempts aim at: a canary file, listeners, shared memory and a variable of this process's own.
// Made for one run and gone with the object. Beside the probe's own word they tell whether somebody reached them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace toren::supervisor {

class ProbeTargets {
public:
    // Beneath `state_path`: the folder `probe` (the cell's segment, with a copy of `program`) and the file
    // `probe-canary`. What an earlier run left behind is taken away first.
    static Result<ProbeTargets> make(const std::string& state_path, int program);
    ProbeTargets(ProbeTargets&& other) noexcept;
    ProbeTargets(const ProbeTargets&) = delete;
    ProbeTargets& operator=(const ProbeTargets&) = delete;
    ProbeTargets& operator=(ProbeTargets&&) = delete;
    ~ProbeTargets();

    const std::string& segment() const { return segment_; }
    std::string program() const { return segment_ + "/toren-probe"; }
    // For the probe, by ipc/probe_attempts.h.
    std::vector<std::string> arguments(bool inside) const;

    // What was reached by anybody but the control outside: the names of the attempts.
    std::vector<std::string> reached_from_inside();

private:
    ProbeTargets() = default;
    Result<> make_files(int program);
    Result<> listen();

    std::string state_path_, segment_, canary_, socket_name_, variable_;
    UniqueFd tcp_, abstract_;
    unsigned port_ = 0;
    int memory_ = -1;
};

}  // namespace toren::supervisor
