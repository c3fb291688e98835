#include "supervisor/doctor.h"

#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "policy/canonical.h"
#include "policy/landlock.h"
#include "policy/ways_out.h"
#include "supervisor/self_probe.h"

namespace toren::supervisor {
namespace {

// A folder of its own, for the daemon's may be in use; gone with the object.
class OwnFolder {
public:
    OwnFolder() {
        const char* temporary = std::getenv("TMPDIR");
        path_ = std::string(temporary != nullptr && *temporary == '/' ? temporary : "/tmp") + "/toren-doctor-XXXXXX";
        made_ = ::mkdtemp(path_.data()) != nullptr;
    }
    OwnFolder(const OwnFolder&) = delete;
    OwnFolder& operator=(const OwnFolder&) = delete;
    ~OwnFolder() {
        std::error_code ignored;
        if (made_) std::filesystem::remove_all(path_, ignored);
    }
    Result<std::string> path() const {
        if (!made_) return errno_error("mkdtemp '" + path_ + "'");
        TRY_ASSIGN(auto canonical, canonicalize(path_));
        return canonical.path;
    }

private:
    std::string path_;
    bool made_ = false;
};

std::string words(const std::optional<ProbeOutcome>& outcome) {
    if (!outcome) return "not known";
    return (outcome->succeeded ? "succeeded" : "refused") +
           (outcome->detail.empty() ? "" : " (" + outcome->detail + ")");
}

DoctorRow row_of(const ProbeResult& result) {
    DoctorRow row{result.attempt->layer, std::string("attempt ") + result.attempt->name, DoctorState::kOk,
                  "inside " + words(result.inside) + ", outside " + words(result.outside), ""};
    const bool unjudged_success =
        result.attempt->inside != ipc::Must::kSucceed && result.inside && result.inside->succeeded;
    if (!result.fault.empty()) {
        row.state = DoctorState::kMissing;
        row.detail += "; " + result.fault;
        row.way_out = ways_out(Feature::kFullCage);
    } else if (unjudged_success) {
        row.state = DoctorState::kDegraded;
        row.detail += "; this kernel's Landlock does not stop it, and nothing relies on that alone";
        row.way_out = ways_out(Feature::kLandlockRights);
    }
    return row;
}

Result<ProbeReport> probe() {
    TRY_ASSIGN(const auto programs, Programs::open_beside_this_one());
    const OwnFolder own;
    TRY_ASSIGN(const auto folder, own.path());
    return probe_the_cage(programs, folder, Config{}, static_cast<bool>(landlock_abi()));
}

}  // namespace

std::vector<DoctorRow> check_cage() {
    const auto report = probe();
    const std::string name = feature_row(Feature::kFullCage).layer;
    if (!report) {
        const auto& error = report.error();
        return {{name, "a real cell", DoctorState::kMissing, Error{error.code, error.what, ""}.text(),
                 error.way_out.empty() ? ways_out(Feature::kFullCage) : error.way_out}};
    }
    char time[64];
    std::snprintf(time, sizeof time, "made, tried and removed in %.1f ms",
                  static_cast<double>(report->time.count()) / 1000);
    std::vector<DoctorRow> rows = {{name, "a real cell", DoctorState::kOk, time, ""}};
    for (const auto& result : report->results) rows.push_back(row_of(result));
    return rows;
}

}  // namespace toren::supervisor
