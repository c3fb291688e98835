// The state folder. The supervisor's part is its top; `broker/` in it is all that the broker sees.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace toren::supervisor {

class StateFolder {
public:
    // Makes it where it is missing (0700) and locks it: one daemon a state folder.
    static Result<StateFolder> open(const std::string& path);

    // Makes and locks nothing, for whoever only reads; it need not exist.
    static Result<StateFolder> look_at(const std::string& path);

    const std::string& path() const { return path_; }  // canonical
    std::string broker_path() const { return path_ + "/broker"; }

    // The folder of a segment's checkpoints, made where it is missing. Its name is the segment's path.
    Result<std::string> checkpoints_of(const std::string& segment) const;

    // Folders that segments/create made: those that are remembered are segments again after a restart.
    Result<std::vector<std::string>> created_segments() const;
    Result<> remember_segment(const std::string& path) const;

private:
    std::string path_;
    UniqueFd lock_;
};

// ~/.local/state/toren, or where XDG_STATE_HOME says.
std::string default_state_path(const std::string& home);

}  // namespace toren::supervisor
