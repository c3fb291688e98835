// The operator's terminal, while a cage's own stands in for it: raw, so that keys reach the other one unread, and as it
// was again whenever this process stops or ends, by whatever signal it can see.
#pragma once

#include <array>
#include <memory>

#include "runner/start.h"

namespace toren::runner {

class Terminal {
public:
    // Null where none of the standard streams is a terminal.
    static std::unique_ptr<Terminal> of_standard_streams();
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    ~Terminal() { disengage(); }

    const TerminalLike& like() const { return like_; }
    // -1 where keys do not come from it.
    int input() const { return like_.streams[0] ? 0 : -1; }
    int output() const { return output_; }

    // Raw, unless another job has the terminal just now. Whether keys may be read.
    bool engage();
    void disengage();
    void copy_size_to(int master) const;

private:
    Terminal() = default;
    TerminalLike like_{};
    termios before_{};
    int output_ = -1;
    bool engaged_ = false;
};

}  // namespace toren::runner
