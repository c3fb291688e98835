// Task<T>: a coroutine that runs when it is awaited. Promise<T>: a value that somebody else will set, awaited once.
// The broker has one thread; a promise resumes its waiter from the loop, never from inside set().
//
// In `co_await f(…)` name every argument of class type first, or move it in from a name: GCC 12 copies the bytes of an
// aggregate temporary that is made inside such an expression and then destroys both copies (its bug 99576 and kin).
// For the same reason no co_await stands behind && or ||, in ?:, or in the condition of a loop with an empty body.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace toren::broker {

// Runs `work` from the loop, later (loop.cpp).
void post(std::function<void()> work);

template <typename T>
class [[nodiscard]] Task {
public:
    struct promise_type {
        std::optional<T> value;
        std::coroutine_handle<> waiter;

        Task get_return_object() { return Task(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_always initial_suspend() noexcept { return {}; }
        auto final_suspend() noexcept {
            struct Resume {
                bool await_ready() noexcept { return false; }
                std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) noexcept {
                    return self.promise().waiter;
                }
                void await_resume() noexcept {}
            };
            return Resume{};
        }
        template <typename U>
        void return_value(U&& result) {
            value.emplace(std::forward<U>(result));
        }
        void unhandled_exception() { std::terminate(); }  // failures are Results; an exception is a defect
    };

    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    Task& operator=(Task&&) = delete;
    ~Task() {
        if (handle_) handle_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) noexcept {
        handle_.promise().waiter = waiter;
        return handle_;
    }
    T await_resume() { return std::move(*handle_.promise().value); }

private:
    explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

struct Done {};

// A coroutine that nobody awaits: spawn(some_task()) runs it at once and lets it go.
struct Detached {
    struct promise_type {
        Detached get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};

inline Detached spawn(Task<Done> task) { co_await std::move(task); }

// One value from one setter to one waiter. Copies share it. The first set() counts.
template <typename T>
class Promise {
public:
    void set(T value) const {
        if (state_->value) return;
        state_->value.emplace(std::move(value));
        if (state_->waiter) post([state = state_] { state->waiter.resume(); });
    }
    bool is_set() const { return state_->value.has_value(); }

    bool await_ready() const noexcept { return state_->value.has_value(); }
    void await_suspend(std::coroutine_handle<> waiter) const noexcept { state_->waiter = waiter; }
    T await_resume() const { return std::move(*state_->value); }

private:
    struct State {
        std::optional<T> value;
        std::coroutine_handle<> waiter;
    };
    std::shared_ptr<State> state_ = std::make_shared<State>();
};

// One more who waits. Those who have been served elsewhere (a time limit, another event) go, or a list that is never
// woken would grow.
template <typename T>
void add_waiting(std::vector<Promise<T>>& waiting, const Promise<T>& one) {
    std::erase_if(waiting, [](const auto& other) { return other.is_set(); });
    waiting.push_back(one);
}

// Takes turns: co_await lock() until it is this coroutine's; the Turn's end hands it on.
class Turns {
public:
    class Turn {
    public:
        explicit Turn(Turns* turns) : turns_(turns) {}
        Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)) {}
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        Turn& operator=(Turn&&) = delete;
        ~Turn() {
            if (turns_ != nullptr) turns_->pass_on();
        }

    private:
        Turns* turns_;
    };

    Task<Turn> take() {
        if (!busy_) {
            busy_ = true;
            co_return Turn(this);
        }
        Promise<Done> mine;
        waiting_.push_back(mine);
        co_await mine;
        co_return Turn(this);
    }

private:
    void pass_on() {
        if (waiting_.empty()) {
            busy_ = false;
            return;
        }
        const auto next = waiting_.front();
        waiting_.erase(waiting_.begin());
        next.set({});
    }

    bool busy_ = false;
    std::vector<Promise<Done>> waiting_;
};

}  // namespace toren::broker
