// Whether a command prints so fast that its init reads in large pieces. In the init of a command.
#pragma once

#include <cstdint>

namespace toren::spawner {

// How fast a command prints. Beyond this its output is read in large pieces: whoever follows is woken for each, and the
// command at each too, so that many small ones cost more than what is in them.
inline constexpr std::uint64_t kFlowWindow = 1'000'000;                        // ns
inline constexpr std::uint64_t kMuchInWindow = 64 * 1024, kManyInWindow = 16;  // bytes, reads
inline constexpr long kRest = 500'000;                                         // ns: less than anybody sees
inline constexpr int kLargePipe = 1 << 20;                                     // what an ordinary user may have

class Flow {
public:
    void note(std::uint64_t bytes, std::uint64_t now) {
        if (now - began_ > kFlowWindow) {
            fast_ = enough();
            began_ = now;
            bytes_ = reads_ = 0;
        }
        bytes_ += bytes;
        ++reads_;
        fast_ = fast_ || enough();
    }
    bool fast() const { return fast_; }

private:
    bool enough() const { return bytes_ >= kMuchInWindow || reads_ >= kManyInWindow; }
    std::uint64_t began_ = 0, bytes_ = 0, reads_ = 0;
    bool fast_ = false;
};

}  // namespace toren::spawner
