// Result<T>: a value, or an Error that says what was tried and on what. Errors travel by value; nothing throws.
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

namespace toren {

struct Error {
    int code = 0;              // an errno value, or 0 where none applies
    std::string what;          // what was tried and on what: "openat2 'src/a.c'"
    std::string way_out = {};  // what a person can do about it, where that is known (policy/ways_out.h)

    // "openat2 'src/a.c': Permission denied"
    std::string text() const {
        return (code == 0 ? what : what + ": " + std::strerror(code)) + (way_out.empty() ? "" : "; " + way_out);
    }
};

// The error of the system call that just failed.
inline Error errno_error(std::string what) { return Error{errno, std::move(what)}; }
inline Error error(std::string what) { return Error{0, std::move(what)}; }

// What a function returns that gives nothing back but may fail.
struct Ok {};

template <typename T = Ok>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::move(value)) {}  // NOLINT(google-explicit-constructor): reads as `return value`
    Result(Error failure) : state_(std::move(failure)) {}  // NOLINT(google-explicit-constructor): `return error`

    explicit operator bool() const { return std::holds_alternative<T>(state_); }
    T& operator*() { return std::get<T>(state_); }
    const T& operator*() const { return std::get<T>(state_); }
    T* operator->() { return &std::get<T>(state_); }
    const T* operator->() const { return &std::get<T>(state_); }
    Error& error() { return std::get<Error>(state_); }
    const Error& error() const { return std::get<Error>(state_); }

private:
    std::variant<T, Error> state_;
};

}  // namespace toren

#define TOREN_JOIN_(a, b) a##b
#define TOREN_JOIN(a, b) TOREN_JOIN_(a, b)

// TRY(expression): on failure returns its error from the enclosing function.
#define TRY(expression)                                                                        \
    do {                                                                                       \
        if (auto try_result = (expression); !try_result) return std::move(try_result.error()); \
    } while (false)

// TRY_ASSIGN(auto fd, open_it()): the same, and keeps the value.
#define TRY_ASSIGN(target, expression)                                                                   \
    auto TOREN_JOIN(try_result_, __LINE__) = (expression);                                               \
    if (!TOREN_JOIN(try_result_, __LINE__)) return std::move(TOREN_JOIN(try_result_, __LINE__).error()); \
    target = std::move(*TOREN_JOIN(try_result_, __LINE__))
