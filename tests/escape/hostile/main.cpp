#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "tests/escape/hostile/hostile.h"

namespace hostile {

Outcome escaped(std::string what) { return {Verdict::kEscaped, std::move(what)}; }
Outcome refused(const std::string& call, int error) {
    const char* name = ::strerrorname_np(error);
    return {Verdict::kRefused, call + " " + (name != nullptr ? name : "?")};
}
Outcome untried(std::string why) { return {Verdict::kUntried, std::move(why)}; }
Outcome judge(long result, const std::string& call) {
    return result >= 0 ? escaped(call + " " + std::to_string(result)) : refused(call);
}
Outcome reached(long result, const std::string& call) {
    const int error = errno;
    if (result >= 0) return escaped(call + " succeeded");
    for (const int filtered : {EPERM, ENOSYS, EAFNOSUPPORT, EPROTONOSUPPORT})
        if (error == filtered) return refused(call, error);
    return escaped(call + " reached the kernel, which says " + ::strerrorname_np(error));
}
Outcome first_escape(std::initializer_list<Outcome> outcomes) {
    for (const Outcome& outcome : outcomes)
        if (outcome.verdict == Verdict::kEscaped) return outcome;
    return *std::prev(outcomes.end());
}

World::World(int argc, char** argv) {
    for (int i = 2; i < argc; ++i)
        if (const char* equals = std::strchr(argv[i], '='))
            values_[std::string(argv[i], static_cast<std::size_t>(equals - argv[i]))] = equals + 1;
}
const std::string& World::operator[](const std::string& name) const {
    static const std::string kNone;
    const auto found = values_.find(name);
    return found == values_.end() ? kNone : found->second;
}
long World::number(const std::string& name) const { return std::strtol((*this)[name].c_str(), nullptr, 10); }

std::string content(const std::string& path) {
    std::string all;
    std::FILE* file = std::fopen(path.c_str(), "re");
    if (file == nullptr) return all;
    char piece[4096];
    std::size_t size;
    while (all.size() < (1U << 20) && (size = std::fread(piece, 1, sizeof piece, file)) > 0) all.append(piece, size);
    std::fclose(file);
    return all;
}

Outcome read_secret(const World& world, int fd, const std::string& how) {
    if (fd < 0) return refused(how);
    char text[256];
    const ssize_t size = ::read(fd, text, sizeof text);
    const int error = errno;
    ::close(fd);
    if (size < 0) return refused(how + ": read", error);
    const std::string read(text, static_cast<std::size_t>(size));
    if (read.find(world["token"]) != std::string::npos) return escaped(how + " read the secret");
    return refused(how + " read something else", ENOENT);
}

int in_child(int (*body)(const World&), const World& world) {
    std::fflush(stdout);
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(body(world));
    int status = -1;
    if (pid > 0)
        while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
    return status;
}

}  // namespace hostile

int main(int argc, char** argv) {
    using namespace hostile;
    if (argc < 2) {
        std::puts("hostile ATTEMPT [name=value]...");
        return 2;
    }
    const World world(argc, argv);
    for (const auto theme : {file_attempts(), process_attempts(), namespace_attempts(), syscall_attempts(),
                             network_attempts(), environment_attempts(), limit_attempts(), guarded_attempts()})
        for (const Attempt& attempt : theme) {
            if (std::strcmp(attempt.name, argv[1]) != 0) continue;
            const Outcome outcome = attempt.run(world);
            const char* kind = outcome.verdict == Verdict::kEscaped   ? "escaped"
                               : outcome.verdict == Verdict::kRefused ? "refused"
                                                                      : "untried";
            std::printf("%s: %s\n", kind, outcome.text.c_str());
            std::fflush(stdout);
            ::_exit(static_cast<int>(outcome.verdict));
        }
    std::printf("untried: no attempt is called %s\n", argv[1]);
    return static_cast<int>(Verdict::kUntried);
}
