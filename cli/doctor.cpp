#include "cli/doctor.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "supervisor/doctor.h"

namespace toren::cli {
namespace {

using supervisor::DoctorRow;
using supervisor::DoctorState;

struct Look {
    const char* name;
    const char* colour;
    int exit_status;
};
constexpr Look kLooks[] = {{"ok", "\x1b[32m", 0}, {"degraded", "\x1b[33m", 3}, {"missing", "\x1b[31m", 1}};
const Look& look(DoctorState state) { return kLooks[static_cast<int>(state)]; }

DoctorState worst(const std::vector<DoctorRow>& rows) {
    DoctorState state = DoctorState::kOk;
    for (const auto& row : rows) state = std::max(state, row.state);
    return state;
}

void print_json(const std::vector<DoctorRow>& rows) {
    auto list = nlohmann::json::array();
    for (const auto& row : rows)
        list.push_back({{"layer", row.layer},
                        {"what", row.what},
                        {"state", look(row.state).name},
                        {"detail", row.detail},
                        {"way_out", row.way_out}});
    const nlohmann::json document = {{"version", TOREN_VERSION}, {"state", look(worst(rows)).name}, {"rows", list}};
    // Details hold names from this machine: bytes that are no UTF-8 are marked (invariant 9).
    std::puts(document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

void print_table(const std::vector<DoctorRow>& rows) {
    const bool colours = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
    std::size_t layer = 0, what = 0;
    for (const auto& row : rows) layer = std::max(layer, row.layer.size()), what = std::max(what, row.what.size());
    for (const auto& row : rows) {
        const Look& shown = look(row.state);
        std::printf("%s%-8s%s  %-*s  %-*s  %s\n", colours ? shown.colour : "", shown.name, colours ? "\x1b[0m" : "",
                    static_cast<int>(layer), escape_controls(row.layer).c_str(), static_cast<int>(what),
                    escape_controls(row.what).c_str(), escape_controls(row.detail).c_str());
        if (!row.way_out.empty()) std::printf("          way out: %s\n", escape_controls(row.way_out).c_str());
    }
    static constexpr const char* kVerdicts[] = {
        "Everything is there: this machine can hold Toren's cage.",
        "What is required is there; the rows marked degraded have another layer in their place.",
        "Something that is required is missing: `toren serve` refuses to start."};
    std::printf("\n%s\n", kVerdicts[static_cast<int>(worst(rows))]);
}

}  // namespace

int doctor(bool json) {
    auto rows = supervisor::check_machine();
    for (auto& row : supervisor::check_cage()) rows.push_back(std::move(row));
    if (json) print_json(rows);
    else print_table(rows);
    std::fflush(stdout);
    return look(worst(rows)).exit_status;
}

}  // namespace toren::cli
