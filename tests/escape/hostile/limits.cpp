// Bombs: each takes more than a command is to have.
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/escape/hostile/hostile.h"

namespace hostile {
namespace {

// What the cages of the tests allow is less than these; what they are without limits is more.
constexpr int kManyProcesses = 64;
constexpr int kManyDescriptors = 128;
constexpr int kManyMegabytes = 12;
constexpr int kManyFiles = 12'000;

Outcome fork_bomb(const World&) {
    int made = 0, error = 0;
    pid_t children[kManyProcesses];
    while (made < kManyProcesses) {
        const pid_t pid = ::fork();
        if (pid == 0)
            while (true) ::pause();
        if (pid < 0) {
            error = errno;
            break;
        }
        children[made++] = pid;
    }
    for (int i = 0; i < made; ++i) {
        ::kill(children[i], SIGKILL);
        ::waitpid(children[i], nullptr, 0);
    }
    return made == kManyProcesses ? escaped("made " + std::to_string(made) + " processes") : refused("fork", error);
}

Outcome thread_bomb(const World&) {
    for (int made = 0; made < kManyProcesses; ++made) {
        pthread_t thread;
        pthread_attr_t small;
        ::pthread_attr_init(&small);
        ::pthread_attr_setstacksize(&small, 64 << 10);
        const auto wait = [](void*) -> void* {
            while (true) ::pause();
            return nullptr;
        };
        if (const int error = ::pthread_create(&thread, &small, wait, nullptr); error != 0)
            return refused("pthread_create", error);
    }
    return escaped("made " + std::to_string(kManyProcesses) + " threads");
}

Outcome descriptor_bomb(const World&) {
    for (int made = 0; made < kManyDescriptors; ++made)
        if (::open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) return refused("open");
    return escaped("opened " + std::to_string(kManyDescriptors) + " descriptors");
}

Outcome fill(const std::string& folder) {
    static char megabyte[1 << 20];
    // More than one file, so that the limit of a file's size is not what stops it.
    for (int i = 0; i < kManyMegabytes; ++i) {
        const int fd = ::open((folder + "/filler" + std::to_string(i)).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) return refused("open");
        for (std::size_t done = 0; done < sizeof megabyte;) {
            const ssize_t size = ::write(fd, megabyte + done, sizeof megabyte - done);
            if (size <= 0) return refused("write");
            done += static_cast<std::size_t>(size);
        }
        ::close(fd);
    }
    return escaped("wrote " + std::to_string(kManyMegabytes) + " megabytes");
}

Outcome many_files(const World&) {
    ::mkdir("/tmp/many", 0700);
    for (int i = 0; i < kManyFiles; ++i) {
        const int fd = ::open(("/tmp/many/" + std::to_string(i)).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) return refused("open");
        ::close(fd);
    }
    return escaped("made " + std::to_string(kManyFiles) + " files");
}

Outcome large_file(const World& world) {
    ::signal(SIGXFSZ, SIG_IGN);
    const int fd = ::open((world["segment"] + "/large").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return first_escape({judge(::ftruncate(fd, (kManyMegabytes << 20)), "ftruncate"),
                         judge(raw(SYS_fallocate, fd, 0, 0L, static_cast<long>(kManyMegabytes) << 20), "fallocate"),
                         judge(::pwrite(fd, "x", 1, kManyMegabytes << 20), "pwrite")});
}

Outcome raise(__rlimit_resource resource) {
    rlimit64 limit{};
    raw(SYS_prlimit64, 0, resource, nullptr, &limit);
    // Without limits of ours the hard limit is above what the cages allow; then there is nothing to raise.
    if (limit.rlim_max > 1000) return escaped("the limit is " + std::to_string(limit.rlim_max));
    ++limit.rlim_max;
    limit.rlim_cur = limit.rlim_max;
    return judge(raw(SYS_prlimit64, 0, resource, &limit, nullptr), "prlimit64");
}

// The kernel counts these for the operator as well, whatever namespace they are made in.
Outcome every_inotify_instance(const World&) {
    for (int i = 0; i < 100; ++i)
        if (::inotify_init1(IN_CLOEXEC) < 0) return refused("inotify_init1");
    return escaped("100 inotify instances, of the 128 that the operator has");
}

constexpr Attempt kAttempts[] = {
    {"fork_bomb", fork_bomb},
    {"thread_bomb", thread_bomb},
    {"descriptor_bomb", descriptor_bomb},
    {"fill_tmp", [](const World&) { return fill("/tmp"); }},
    {"fill_shm", [](const World&) { return fill("/dev/shm"); }},
    {"fill_home", [](const World&) { return fill("/home/toren"); }},
    {"many_files", many_files},
    {"large_file", large_file},
    {"raise_processes", [](const World&) { return raise(RLIMIT_NPROC); }},
    {"raise_descriptors", [](const World&) { return raise(RLIMIT_NOFILE); }},
    {"every_inotify_instance", every_inotify_instance},
};

}  // namespace

std::span<const Attempt> limit_attempts() { return kAttempts; }

}  // namespace hostile
