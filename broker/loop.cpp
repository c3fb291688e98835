#include "broker/loop.h"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "broker/loop_asio.h"

namespace asio = boost::asio;

namespace toren::broker {

asio::io_context& loop_context() {
    static asio::io_context context(1);  // one thread: no locks
    return context;
}

void run_loop() {
    const auto work = asio::make_work_guard(loop_context());
    loop_context().run();
}

void post(std::function<void()> work) { asio::post(loop_context(), std::move(work)); }

Task<Done> yield() {
    const Promise<Done> turn;
    post([turn] { turn.set({}); });
    co_await turn;
    co_return Done{};
}

struct FdWatch::Impl {
    asio::posix::stream_descriptor descriptor{loop_context()};
};

FdWatch::FdWatch(int fd) : impl_(std::make_shared<Impl>()) { impl_->descriptor.assign(fd); }
FdWatch::FdWatch(FdWatch&&) noexcept = default;
FdWatch& FdWatch::operator=(FdWatch&& other) noexcept {
    if (this != &other) {
        cancel();
        impl_ = std::move(other.impl_);
    }
    return *this;
}
FdWatch::~FdWatch() { cancel(); }

void FdWatch::cancel() {
    if (impl_ && impl_->descriptor.is_open()) impl_->descriptor.release();  // its owner closes it
    impl_.reset();
}

Task<bool> FdWatch::readable() {
    const auto impl = impl_;
    if (!impl) co_return false;
    const auto result =
        co_await Io([&](auto done) { impl->descriptor.async_wait(asio::posix::descriptor_base::wait_read, done); });
    co_return !result.error;
}

Task<bool> FdWatch::writable() {
    const auto impl = impl_;
    if (!impl) co_return false;
    const auto result =
        co_await Io([&](auto done) { impl->descriptor.async_wait(asio::posix::descriptor_base::wait_write, done); });
    co_return !result.error;
}

struct Timer::Impl {
    asio::steady_timer timer{loop_context()};
    std::shared_ptr<bool> wanted = std::make_shared<bool>(true);
    ~Impl() { *wanted = false; }  // an expiry that is queued already does nothing any more
};

Timer::Timer(std::chrono::milliseconds after, std::function<void()> work) : impl_(std::make_unique<Impl>()) {
    impl_->timer.expires_after(after);
    impl_->timer.async_wait([work = std::move(work), wanted = impl_->wanted](boost::system::error_code error) {
        if (!error && *wanted) work();
    });
}
Timer::Timer(Timer&&) noexcept = default;
Timer& Timer::operator=(Timer&&) noexcept = default;
Timer::~Timer() = default;

}  // namespace toren::broker
