// Attempts on other processes: the command's init, a worker and another command of the cell, the operator's own.
#include <dirent.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "tests/escape/hostile/hostile.h"

namespace hostile {
namespace {

// Who is attacked. Inside a pid namespace the number means somebody else or nobody: then nobody is there.

pid_t named(const World& world, const char* fact) {
    const auto pid = static_cast<pid_t>(world.number(fact));
    return pid == ::getpid() || pid == 1 ? 0 : pid;  // not itself, which it may do anything to
}
// Once it has given up its capabilities, which it does beside the command's beginning: until then they alone protect
// it, and a control without the other layers would say nothing.
pid_t init_pid(const World&) {
    for (int tries = 0; tries < 2000; ++tries) {
        std::ifstream status("/proc/1/status");
        for (std::string line; std::getline(status, line);)
            if (line.starts_with("CapEff:") &&
                line.find_first_not_of("0", line.find_first_of("0123456789abcdef", 7)) == line.npos)
                return 1;
        ::usleep(1000);
    }
    return 1;
}
pid_t worker_pid(const World& world) { return named(world, "worker_pid"); }
pid_t sibling_pid(const World& world) { return named(world, "sibling_pid"); }
pid_t host_pid(const World& world) { return named(world, "host_pid"); }

pid_t own_pid(const World&) { return ::getpid(); }

using Pid = pid_t (*)(const World&);

Outcome nobody() { return refused("nobody has this number", ESRCH); }

template <Pid kWhom>
Outcome trace(const World& world) {
    const pid_t pid = kWhom(world);
    if (pid == 0) return nobody();
    for (const auto request : {PTRACE_SEIZE, PTRACE_ATTACH})
        if (raw(SYS_ptrace, request, pid, 0L, 0L) == 0) {
            raw(SYS_ptrace, PTRACE_DETACH, pid, 0L, 0L);
            return escaped("traced " + std::to_string(pid));
        }
    return refused("ptrace");
}

Outcome trace_me(const World&) {
    // The parent is the init: being traced by it would only let it see the command; nothing may come of it.
    return judge(raw(SYS_ptrace, PTRACE_TRACEME, 0, 0L, 0L), "PTRACE_TRACEME");
}

template <Pid kWhom>
Outcome read_memory(const World& world) {
    const pid_t pid = kWhom(world);
    if (pid == 0) return nobody();
    char text[64] = {};
    iovec here{text, sizeof text - 1},
        there{reinterpret_cast<void*>(std::strtoull(world["address"].c_str(), nullptr, 10)), sizeof text - 1};
    if (raw(SYS_process_vm_readv, pid, &here, 1L, &there, 1L, 0L) < 0) return refused("process_vm_readv");
    return world["token"] == text ? escaped("read the secret in memory")
                                  : refused("process_vm_readv read something else", EFAULT);
}

template <Pid kWhom>
Outcome write_memory(const World& world) {
    const pid_t pid = kWhom(world);
    if (pid == 0) return nobody();
    char text[] = "x";
    iovec here{text, 1}, there{reinterpret_cast<void*>(std::strtoull(world["address"].c_str(), nullptr, 10) + 60), 1};
    return judge(raw(SYS_process_vm_writev, pid, &here, 1L, &there, 1L, 0L), "process_vm_writev");
}

template <Pid kWhom>
Outcome advise_memory(const World& world) {
    const pid_t pid = kWhom(world);
    if (pid == 0) return nobody();
    const long pidfd = raw(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) return refused("pidfd_open");
    iovec there{::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096};
    return judge(raw(SYS_process_madvise, pidfd, &there, 1L, 20 /* MADV_COLD */, 0L), "process_madvise");
}

template <Pid kWhom>
Outcome steal_descriptor(const World& world) {
    const pid_t pid = kWhom(world);
    if (pid == 0) return nobody();
    const long pidfd = raw(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) return refused("pidfd_open");
    for (int fd = 0; fd < 16; ++fd)
        if (raw(SYS_pidfd_getfd, pidfd, fd, 0) >= 0) return escaped("took descriptor " + std::to_string(fd));
        else if (errno != EBADF) break;
    return refused("pidfd_getfd");
}

template <Pid kWhom>
Outcome compare(const World& world) {
    const pid_t pid = kWhom(world);
    return pid == 0 ? nobody() : judge(raw(SYS_kcmp, ::getpid(), pid, KCMP_VM, 0L, 0L), "kcmp");
}

template <Pid kWhom>
Outcome robust_list(const World& world) {
    const pid_t pid = kWhom(world);
    void* head = nullptr;
    std::size_t size = 0;
    return pid == 0 ? nobody() : judge(raw(SYS_get_robust_list, pid, &head, &size), "get_robust_list");
}

// What /proc shows of a process to those who may trace it.
template <Pid kWhom>
Outcome look_into(const World& world) {
    const pid_t pid = kWhom(world);
    if (pid == 0) return nobody();
    const std::string folder = "/proc/" + std::to_string(pid) + "/";
    int error = ENOENT;
    for (const char* file :
         {"mem", "environ", "maps", "smaps", "auxv", "syscall", "stack", "personality", "io", "pagemap"}) {
        const long fd = raw(SYS_openat, AT_FDCWD, (folder + file).c_str(), O_RDONLY | O_CLOEXEC, 0);
        if (fd < 0) {
            error = errno;
            continue;
        }
        char byte;
        if (raw(SYS_pread64, fd, &byte, 1L, 0L) == 1 || (std::strcmp(file, "mem") == 0))
            return escaped("opened " + folder + file);
        if (errno != 0) error = errno;
    }
    for (const char* link : {"root", "cwd", "exe", "fd/0", "fd/1", "fd/3", "ns/user", "ns/mnt", "map_files"})
        if (raw(SYS_openat, AT_FDCWD, (folder + link).c_str(), O_PATH | O_CLOEXEC, 0) >= 0 &&
            std::strcmp(link, "map_files") != 0)
            return escaped("opened " + folder + link);
        else if (char text[256]; ::readlink((folder + link).c_str(), text, sizeof text) >= 0)
            return escaped("read the link " + folder + link);
    return refused("open in " + folder, error);
}

// The numbers alone: the owner may list them where the process is dumpable.
template <Pid kWhom>
Outcome list_descriptors(const World& world) {
    const pid_t pid = kWhom(world);
    return pid == 0 ? nobody()
                    : judge(raw(SYS_openat, AT_FDCWD, ("/proc/" + std::to_string(pid) + "/fd").c_str(),
                                O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0),
                            "open the folder of descriptors");
}

Outcome see_process(const std::string& name) {
    DIR* folder = ::opendir("/proc");
    if (folder == nullptr) return untried("/proc");
    while (const dirent* entry = ::readdir(folder))
        if (content(std::string("/proc/") + entry->d_name + "/comm") == name + "\n")
            return escaped(std::string("sees process ") + entry->d_name);
    ::closedir(folder);
    // Hidden in the listing, or not there at all: numbers are asked for as well.
    return refused("not in /proc", ENOENT);
}

template <Pid kWhom>
Outcome signal_by(const World& world, Outcome (*send)(pid_t)) {
    const pid_t pid = kWhom(world);
    return pid == 0 ? nobody() : send(pid);
}

Outcome send_every_way(pid_t pid, int number) {
    const long pidfd = raw(SYS_pidfd_open, pid, 0);
    siginfo_t info{};
    info.si_signo = number;
    info.si_code = SI_QUEUE;
    return first_escape({judge(raw(SYS_pidfd_send_signal, pidfd, number, nullptr, 0), "pidfd_send_signal"),
                         judge(raw(SYS_tgkill, pid, pid, number), "tgkill"),
                         judge(raw(SYS_tkill, pid, number), "tkill"),
                         judge(raw(SYS_rt_sigqueueinfo, pid, number, &info), "rt_sigqueueinfo"),
                         judge(raw(SYS_kill, pid, number), "kill")});
}

template <Pid kWhom>
Outcome kill_it(const World& world) {
    return signal_by<kWhom>(world, [](pid_t pid) { return send_every_way(pid, SIGKILL); });
}
template <Pid kWhom>
Outcome stop_it(const World& world) {
    return signal_by<kWhom>(world, [](pid_t pid) { return send_every_way(pid, SIGSTOP); });
}
// Signal 0 only asks: for the operator's processes, which no test harms.
template <Pid kWhom>
Outcome may_signal(const World& world) {
    return signal_by<kWhom>(world, [](pid_t pid) { return send_every_way(pid, 0); });
}

// Pid 1 of a namespace takes no signal from inside that it has no handler for: kill succeeds, and nothing happens.
Outcome kill_init(const World&) {
    for (const int number : {SIGKILL, SIGSTOP, SIGTERM, SIGHUP, SIGINT}) ::kill(1, number);
    ::kill(-1, SIGSTOP);
    const std::string status = content("/proc/1/stat");
    const auto after_name = status.rfind(") ");
    if (after_name == std::string::npos) return escaped("pid 1 is gone");
    const char state = status[after_name + 2];
    return state == 'T' || state == 'Z' || state == 'X' ? escaped("pid 1 is stopped or ended")
                                                        : refused("pid 1 goes on", EPERM);
}

// The witness is whether the workers live.
Outcome kill_everyone(const World& world) {
    const long result = raw(SYS_kill, -1, SIGKILL);
    if (result < 0) return refused("kill -1");
    const pid_t pid = worker_pid(world);
    if (pid == 0 || ::kill(pid, 0) != 0) return refused("kill -1 reached no worker", ESRCH);
    return escaped("kill -1");
}

// A signal that the kernel sends in our name when a descriptor becomes ready.
template <Pid kWhom>
Outcome signal_by_descriptor(const World& world) {
    const pid_t pid = kWhom(world);
    if (pid == 0) return nobody();
    int ends[2];
    if (::pipe(ends) != 0) return untried("pipe");
    if (::fcntl(ends[0], F_SETOWN, pid) != 0) return refused("F_SETOWN");
    if (::fcntl(ends[0], F_SETSIG, SIGKILL) != 0 || ::fcntl(ends[0], F_SETFL, O_ASYNC) != 0) return refused("O_ASYNC");
    if (::write(ends[1], "x", 1) != 1) return untried("write");
    // The signal is sent by the write above, before it returns.
    for (int i = 0; i < 200; ++i) {
        if (::kill(pid, 0) != 0 && errno == ESRCH) return escaped("killed by O_ASYNC");
        const std::string stat = content("/proc/" + std::to_string(pid) + "/stat");
        const auto state = stat.rfind(") ");
        if (state != std::string::npos && (stat[state + 2] == 'Z' || stat[state + 2] == 'X'))
            return escaped("killed by O_ASYNC");
        ::sched_yield();
    }
    return refused("O_ASYNC", EPERM);
}

template <Pid kWhom>
Outcome change_priority(const World& world) {
    const pid_t pid = kWhom(world);
    if (pid == 0) return nobody();
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_param normal{};
    return first_escape({judge(raw(SYS_setpriority, PRIO_PROCESS, pid, 19), "setpriority"),
                         judge(raw(SYS_ioprio_set, 1, pid, 3 << 13), "ioprio_set"),
                         judge(raw(SYS_sched_setscheduler, pid, SCHED_IDLE, &normal), "sched_setscheduler"),
                         judge(raw(SYS_sched_setaffinity, pid, sizeof one, &one), "sched_setaffinity")});
}

template <Pid kWhom>
Outcome change_limits(const World& world) {
    const pid_t pid = kWhom(world);
    const rlimit64 none{0, 0};
    return pid == 0 ? nobody() : judge(raw(SYS_prlimit64, pid, RLIMIT_CORE, &none, nullptr), "prlimit64");
}

// The whole user at once: only those of this pid namespace are meant.
Outcome change_user_priority(const World& world) {
    const pid_t pid = worker_pid(world);
    ::setpriority(PRIO_USER, ::getuid(), 17);
    raw(SYS_ioprio_set, 3, static_cast<long>(::getuid()), 3 << 13);
    if (pid == 0) return nobody();
    errno = 0;
    const int nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(pid));
    if (errno != 0) return refused("getpriority");
    return nice == 17 ? escaped("reniced a worker") : refused("the worker kept its priority", EPERM);
}

template <Pid kWhom>
Outcome enter_namespaces(const World& world) {
    const pid_t pid = kWhom(world);
    if (pid == 0) return nobody();
    const long pidfd = raw(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) return refused("pidfd_open");
    return judge(raw(SYS_setns, pidfd, 0x00020000 /* CLONE_NEWNS */), "setns");
}

// A process that outlives its command.
Outcome stay_behind(const World& world) {
    int ready[2];
    if (::pipe(ready) != 0) return untried("pipe");
    if (::fork() == 0) {
        ::setsid();
        ::close(ready[0]);
        if (::fork() != 0) ::_exit(0);
        for (const int ignored : {SIGHUP, SIGTERM, SIGINT, SIGPIPE}) ::signal(ignored, SIG_IGN);
        ::prctl(PR_SET_NAME, ("d" + world["mark"]).c_str());
        if (::write(ready[1], "x", 1) != 1) ::_exit(1);
        while (true) ::pause();
    }
    ::close(ready[1]);
    char byte;
    if (::read(ready[0], &byte, 1) != 1) return untried("the daemon did not start");
    ::wait(nullptr);
    return refused("left a daemon; the harness looks for it", EPERM);
}

Outcome core_limit(const World&) {
    rlimit64 limit{};
    if (raw(SYS_prlimit64, 0, RLIMIT_CORE, nullptr, &limit) != 0) return refused("prlimit64");
    if (limit.rlim_cur != 0 || limit.rlim_max != 0) return escaped("core dumps are allowed");
    limit = {4096, 4096};
    return judge(raw(SYS_prlimit64, 0, RLIMIT_CORE, &limit, nullptr), "prlimit64");
}

Outcome status_line(const char* line, const char* expected) {
    const std::string status = content("/proc/self/status");
    const auto at = status.find(std::string("\n") + line + ":");
    if (at == std::string::npos) return untried("no such line");
    const std::string value =
        status.substr(at + std::strlen(line) + 2, status.find('\n', at + 1) - at - std::strlen(line) - 2);
    return value == std::string("\t") + expected ? refused(std::string(line) + value, EPERM)
                                                 : escaped(std::string(line) + value);
}

Outcome capability_sets(const World&) {
    Outcome last = untried("no set");
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
        if (last = status_line(set, "0000000000000000"); last.verdict == Verdict::kEscaped) return last;
    return last;
}

constexpr Attempt kAttempts[] = {
    {"trace_init", trace<init_pid>},
    {"trace_worker", trace<worker_pid>},
    {"trace_sibling", trace<sibling_pid>},
    {"trace_host", trace<host_pid>},
    {"trace_me", trace_me},
    {"read_memory_of_init", read_memory<init_pid>},
    {"read_memory_of_worker", read_memory<worker_pid>},
    {"read_memory_of_sibling", read_memory<sibling_pid>},
    {"read_memory_of_host", read_memory<host_pid>},
    {"write_memory_of_sibling", write_memory<sibling_pid>},
    {"process_madvise", advise_memory<own_pid>},
    {"steal_descriptor_of_init", steal_descriptor<init_pid>},
    {"steal_descriptor_of_worker", steal_descriptor<worker_pid>},
    {"steal_descriptor_of_sibling", steal_descriptor<sibling_pid>},
    {"steal_descriptor_of_host", steal_descriptor<host_pid>},
    {"compare_with_init", compare<init_pid>},
    {"compare_with_sibling", compare<sibling_pid>},
    {"robust_list_of_sibling", robust_list<sibling_pid>},
    {"look_into_init", look_into<init_pid>},
    {"look_into_worker", look_into<worker_pid>},
    {"look_into_sibling", look_into<sibling_pid>},
    {"look_into_host", look_into<host_pid>},
    {"list_descriptors_of_init", list_descriptors<init_pid>},
    {"list_descriptors_of_sibling", list_descriptors<sibling_pid>},
    {"see_worker", [](const World& w) { return see_process("w" + w["mark"]); }},
    {"see_sibling", [](const World& w) { return see_process("s" + w["mark"]); }},
    {"see_host_process", [](const World& w) { return see_process(w["host_name"]); }},
    {"kill_init", kill_init},
    {"kill_worker", kill_it<worker_pid>},
    {"kill_sibling", kill_it<sibling_pid>},
    {"kill_host", kill_it<host_pid>},
    {"stop_worker", stop_it<worker_pid>},
    {"stop_host", stop_it<host_pid>},
    {"may_signal_host", may_signal<host_pid>},
    {"kill_everyone", kill_everyone},
    {"signal_worker_by_descriptor", signal_by_descriptor<worker_pid>},
    {"signal_host_by_descriptor", signal_by_descriptor<host_pid>},
    {"change_priority_of_worker", change_priority<worker_pid>},
    {"change_priority_of_host", change_priority<host_pid>},
    {"change_limits_of_worker", change_limits<worker_pid>},
    {"change_limits_of_sibling", change_limits<sibling_pid>},
    {"change_priority_of_user", change_user_priority},
    {"enter_namespaces_of_sibling", enter_namespaces<sibling_pid>},
    {"stay_behind", stay_behind},
    {"core_limit", core_limit},
    {"capability_sets", capability_sets},
    {"no_new_privs", [](const World&) { return status_line("NoNewPrivs", "1"); }},
    {"seccomp_mode", [](const World&) { return status_line("Seccomp", "2"); }},
};

}  // namespace

std::span<const Attempt> process_attempts() { return kAttempts; }

}  // namespace hostile
