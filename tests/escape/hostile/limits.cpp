// Bombs: each takes more than a command is to have.
#include <fcntl.h>
#include <mqueue.h>
#include <pthread.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
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

// Takes back what it wrote between its reader's poll() and read(), so that the reader waits where it should watch the
// command's limits. It is seen to wait by a byte on the other stream that stays where it is.
Outcome outrun_reader(const World&) {
    const int out = ::open("/proc/self/fd/1", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    const int errors = ::open("/proc/self/fd/2", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (out < 0 || errors < 0) return refused("open its own pipe");
    static char much[32768];
    for (int tries = 0; tries < 4000; ++tries) {
        if (::write(1, much, sizeof much) < 0 || ::write(2, "x", 1) < 0) return refused("write");
        for (volatile int wait = tries % 64 * 500; wait > 0;) wait = wait - 1;
        char taken;
        if (::read(errors, &taken, 1) != 1) continue;
        ::usleep(300);
        if (::write(1, "y", 1) < 0) return refused("write");
        int left = 0;
        for (int look = 0; look < 50; ++look) {
            ::usleep(look < 2 ? 1500 : 10'000);
            if (::ioctl(out, FIONREAD, &left) != 0 || left == 0) break;
        }
        if (left == 0) continue;
        ::sleep(30);  // nobody looks any more
        return escaped("outran its reader");
    }
    return refused("outrun the reader", EAGAIN);
}

int unix_socket(const World& world, sockaddr_un& address) {
    address = {};
    address.sun_family = AF_UNIX;
    world["socket"].copy(address.sun_path, sizeof address.sun_path - 1);
    return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

// Takes a descriptor over a socket and keeps it.
Outcome hold_output(const World& world) {
    sockaddr_un address;
    const int listener = unix_socket(world, address);
    if (listener < 0 || ::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener, 1) != 0)
        return refused("listen");
    const int peer = ::accept(listener, nullptr, nullptr);
    char byte, control[CMSG_SPACE(sizeof(int))];
    iovec part{&byte, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(peer, &message, 0) != 1 || CMSG_FIRSTHDR(&message) == nullptr) return refused("recvmsg");
    ::puts("held");
    ::fflush(stdout);
    ::sleep(60);
    return escaped("held it");
}

// Gives its output's pipe to another command, and ends.
Outcome hand_output_over(const World& world) {
    sockaddr_un address;
    const int peer = unix_socket(world, address);
    if (peer < 0 || ::connect(peer, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        return refused("connect");
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    char byte = 0;
    iovec part{&byte, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    *reinterpret_cast<int*>(CMSG_DATA(header)) = 1;
    return judge(::sendmsg(peer, &message, 0), "sendmsg");
}

constexpr Attempt kAttempts[] = {
    {"fork_bomb", fork_bomb},
    {"outrun_reader", outrun_reader},
    {"hold_output", hold_output},
    {"hand_output_over", hand_output_over},
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
