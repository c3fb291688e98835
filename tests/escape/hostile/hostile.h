// hostile: one program, many attempts to get out of a cage. It knows nothing of Toren; it is told by name=value what
// there is to reach for. Calls go to the kernel directly wherever the libc would fall back to something else.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <map>
#include <span>
#include <string>

namespace hostile {

enum class Verdict : int { kRefused = 0, kEscaped = 10, kUntried = 20 };

struct Outcome {
    Verdict verdict;
    std::string text;
};

Outcome escaped(std::string what);
Outcome refused(const std::string& call, int error = errno);
Outcome untried(std::string why);
// A result of zero or more got out.
Outcome judge(long result, const std::string& call);
// For what a filter refuses: any answer but those that a filter gives came from the kernel's own code.
Outcome reached(long result, const std::string& call);
// The first that got out, else the last refusal.
Outcome first_escape(std::initializer_list<Outcome> outcomes);

// What the attempt is told.
class World {
public:
    World(int argc, char** argv);
    const std::string& operator[](const std::string& name) const;
    bool has(const std::string& name) const { return values_.contains(name); }
    long number(const std::string& name) const;

private:
    std::map<std::string, std::string> values_;
};

struct Attempt {
    const char* name;
    Outcome (*run)(const World&);
};

std::span<const Attempt> file_attempts();
std::span<const Attempt> process_attempts();
std::span<const Attempt> namespace_attempts();
std::span<const Attempt> syscall_attempts();
std::span<const Attempt> network_attempts();
std::span<const Attempt> environment_attempts();
std::span<const Attempt> limit_attempts();
std::span<const Attempt> guarded_attempts();

// --- what several themes use

// The call's answer, with errno set; never through the libc's own function.
template <typename... Arguments>
long raw(long number, Arguments... arguments) {
    return ::syscall(number, arguments...);
}

std::string content(const std::string& path);
// Whether what was read is the secret: nothing less counts.
Outcome read_secret(const World& world, int fd, const std::string& how);
// Runs `body` in a child and tells its wait status.
int in_child(int (*body)(const World&), const World& world);

}  // namespace hostile
