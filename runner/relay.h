// Moves bytes from one descriptor to another, a piece at a time and only when both are ready: the runner never waits
// for a reader that does not read.
#pragma once

#include <poll.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace toren::runner {

class Relay {
public:
    Relay() = default;
    Relay(int from, int to) : from_(from), to_(to) {}

    bool finished() const { return from_ < 0 && begin_ == end_; }
    // What to wait for; `fd` is -1 where there is nothing.
    pollfd wanted() const;
    // After poll has answered that.
    void move(const pollfd& answered);
    // Takes no more in; what it holds still goes out.
    void end_input() { from_ = -1; }
    // Gives up.
    void end() { from_ = to_ = -1, begin_ = end_ = 0; }

    std::uint64_t moved() const { return moved_; }
    // Lets so many bytes more out; at the next one it gives up and is over().
    void allow(std::uint64_t bytes) { allowed_ = bytes; }
    bool over() const { return over_; }
    // Whether the reader has gone.
    bool broken() const { return broken_; }

private:
    void take();
    void give();

    int from_ = -1, to_ = -1;
    std::size_t begin_ = 0, end_ = 0;
    std::uint64_t moved_ = 0;
    std::uint64_t allowed_ = UINT64_MAX;
    bool broken_ = false, over_ = false;
    std::array<char, 65536> buffer_;
};

}  // namespace toren::runner
