// What this machine can enforce, measured: each layer is tried, not read off a version. For `toren doctor`; nothing
// that decides anything reads it.
#pragma once

#include <string>
#include <vector>

namespace toren::supervisor {

enum class DoctorState { kOk, kDegraded, kMissing };

struct DoctorRow {
    std::string layer;
    std::string what;
    DoctorState state = DoctorState::kOk;
    std::string detail;   // what was measured
    std::string way_out;  // where the state is not kOk
};

// The kernel and its settings (machine_checks.cpp). The caller must be single-threaded: it forks.
std::vector<DoctorRow> check_machine();
// The attempts of the self-probe, in a cell under a folder of its own in the temporary folder.
std::vector<DoctorRow> check_cage();

}  // namespace toren::supervisor
