// For the few sources that use Asio and Beast themselves: the loop's context, and how a Task awaits their operations.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <coroutine>
#include <cstddef>
#include <utility>

#include "broker/task.h"

namespace toren::broker {

boost::asio::io_context& loop_context();

struct IoResult {
    boost::system::error_code error;
    std::size_t bytes = 0;
};

// co_await Io([&](auto done) { stream.async_read_some(buffer, done); })
template <typename Start>
class Io {
public:
    explicit Io(Start start) : start_(std::move(start)) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
        start_([this, waiter](boost::system::error_code error, std::size_t bytes = 0) {
            result_ = {error, bytes};
            waiter.resume();
        });
    }
    IoResult await_resume() const { return result_; }

private:
    Start start_;
    IoResult result_;
};

// co_await NextTurn(): everything else that is ready comes first.
struct NextTurn {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) const {
        post([waiter] { waiter.resume(); });
    }
    void await_resume() const noexcept {}
};

}  // namespace toren::broker
