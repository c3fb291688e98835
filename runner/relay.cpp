#include "runner/relay.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace toren::runner {

pollfd Relay::wanted() const {
    if (begin_ != end_) return {to_, POLLOUT, 0};
    return {from_, POLLIN, 0};
}

void Relay::move(const pollfd& answered) {
    if (answered.fd < 0 || answered.revents == 0) return;
    if (begin_ == end_) take();
    if (begin_ != end_) give();
}

void Relay::take() {
    const ssize_t length = ::read(from_, buffer_.data(), buffer_.size());
    if (length < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (length <= 0) return end_input();  // EIO of a master: nobody has the terminal open any more
    begin_ = 0;
    end_ = static_cast<std::size_t>(length);
}

void Relay::give() {
    if (allowed_ == 0) {
        over_ = true;
        return end();
    }
    pollfd ready{to_, POLLOUT, 0};
    if (::poll(&ready, 1, 0) <= 0) return;
    // What a pipe that says it is writable takes without waiting.
    const ssize_t length =
        ::write(to_, buffer_.data() + begin_, std::min<std::uint64_t>({end_ - begin_, PIPE_BUF, allowed_}));
    if (length < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (length < 0) {
        broken_ = true;
        return end();
    }
    begin_ += static_cast<std::size_t>(length);
    moved_ += static_cast<std::uint64_t>(length);
}

}  // namespace toren::runner
