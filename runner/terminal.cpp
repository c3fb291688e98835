// PROCESS    the runner (run.cpp)
// PRIVILEGE  the operator's
#include "runner/terminal.h"

#include <signal.h>
#include <unistd.h>

namespace toren::runner {
namespace {

// For a crash of this process: what a handler can reach.
volatile sig_atomic_t raw = 0;
termios settings_before;

constexpr int kCrashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

void restore_and_die(int signal) {
    if (raw != 0) ::tcsetattr(0, TCSANOW, &settings_before);
    ::raise(signal);  // its handler is the default one again, and it is blocked until this returns
}

void watch_crashes() {
    struct sigaction action {};
    action.sa_handler = restore_and_die;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    for (const int signal : kCrashes) ::sigaction(signal, &action, nullptr);
}

bool in_foreground() {
    const pid_t group = ::tcgetpgrp(0);
    return group < 0 || group == ::getpgrp();  // it is no controlling terminal of ours: no job control on it
}

}  // namespace

std::unique_ptr<Terminal> Terminal::of_standard_streams() {
    std::unique_ptr<Terminal> found(new Terminal);
    Terminal& terminal = *found;
    for (const int stream : {0, 1, 2}) terminal.like_.streams[static_cast<std::size_t>(stream)] = ::isatty(stream) == 1;
    for (const int stream : {0, 2, 1})
        if (terminal.like_.streams[static_cast<std::size_t>(stream)]) terminal.output_ = stream;
    if (terminal.output_ < 0 || ::tcgetattr(terminal.output_, &terminal.before_) != 0) return nullptr;
    terminal.like_.settings = terminal.before_;
    // One of the two terminals turns \n into \r\n. Where others write to the operator's besides (a pager behind a
    // pipe), it stays that one.
    if (terminal.input() < 0 || terminal.output_ != 1) terminal.like_.settings.c_oflag &= ~static_cast<tcflag_t>(OPOST);
    ::ioctl(terminal.output_, TIOCGWINSZ, &terminal.like_.size);
    return found;
}

bool Terminal::engage() {
    if (input() < 0 || !in_foreground()) return false;
    if (!engaged_) {
        // What it is now, and not what it was at first: the shell may have changed it while this process stood still.
        if (::tcgetattr(0, &before_) != 0) return false;
        termios keys = before_;
        ::cfmakeraw(&keys);
        if (output_ != 1) keys.c_oflag = before_.c_oflag;
        settings_before = before_;
        watch_crashes();
        raw = 1;
        engaged_ = ::tcsetattr(0, TCSANOW, &keys) == 0;
    }
    return engaged_;
}

void Terminal::disengage() {
    if (!engaged_) return;
    ::tcsetattr(0, TCSANOW, &before_);
    raw = 0;
    engaged_ = false;
}

void Terminal::copy_size_to(int master) const {
    winsize size{};
    if (::ioctl(output_, TIOCGWINSZ, &size) == 0) ::ioctl(master, TIOCSWINSZ, &size);
}

}  // namespace toren::runner
