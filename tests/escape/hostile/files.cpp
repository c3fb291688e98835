// Attempts on files: outside the segment, read-only inside the cage, and by every way that a path can take.
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "tests/escape/hostile/hostile.h"

namespace hostile {
namespace {

long open_at(const std::string& path, int flags, int mode = 0600) {
    return raw(SYS_openat, AT_FDCWD, path.c_str(), flags | O_CLOEXEC, mode);
}

Outcome write_by(long fd, const std::string& how) {
    if (fd < 0) return refused(how);
    const long written = raw(SYS_write, fd, "1", 1L);
    const int error = errno;
    ::close(static_cast<int>(fd));
    return written == 1 ? escaped(how + " wrote") : refused(how + ": write", error);
}

std::string out_file(const World& world) { return world["outside"] + "/file"; }
std::string shown_file(const World& world) { return world["shown"] + "/file"; }

// Many paths to one file: each must get the same verdict.
std::vector<std::string> spellings(const World& world, const std::string& file) {
    std::string up;
    for (const char at : world["segment"])
        if (at == '/') up += "../";
    return {file,
            "/" + file,
            "/." + file,
            "/proc/.." + file,
            up + file.substr(1),
            world["segment"] + "/" + up + file.substr(1),
            world["segment"] + "/../outside/" + file.substr(file.rfind('/') + 1),
            "/proc/self/root" + file,
            "/proc/self/cwd/" + up + file.substr(1),
            "/proc/thread-self/root" + file,
            "/proc/1/root" + file,
            "/proc/1/cwd" + file};
}

long open_how_at(int folder, const char* path, std::uint64_t flags) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    return raw(SYS_openat2, folder, path, &how, sizeof how);
}

Outcome read_by_any_spelling(const World& world) {
    const int root = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int path_only = ::open("/", O_PATH | O_CLOEXEC);
    Outcome last = untried("no spelling");
    for (const auto& path : spellings(world, out_file(world))) {
        const std::string by_descriptor = "/proc/self/fd/" + std::to_string(path_only) + path;
        last = first_escape({
#ifdef SYS_open
            read_secret(world, static_cast<int>(raw(SYS_open, path.c_str(), O_RDONLY)), "open " + path),
#endif
            read_secret(world, static_cast<int>(open_at(path, O_RDONLY)), "openat " + path),
            read_secret(world, static_cast<int>(open_how_at(AT_FDCWD, path.c_str(), O_RDONLY)), "openat2 " + path),
            read_secret(world, static_cast<int>(raw(SYS_openat, root, path.c_str() + 1, O_RDONLY)),
                        "by folder " + path),
            read_secret(world, static_cast<int>(raw(SYS_openat, path_only, path.c_str() + 1, O_RDONLY)),
                        "by O_PATH " + path),
            read_secret(world, static_cast<int>(open_at(by_descriptor, O_RDONLY)), "open " + by_descriptor),
        });
        if (last.verdict == Verdict::kEscaped) return last;
    }
    return last;
}

Outcome write_by_any_spelling(const World& world) {
    Outcome last = untried("no spelling");
    for (const auto& path : spellings(world, out_file(world))) {
        last = first_escape({
#ifdef SYS_open
            write_by(raw(SYS_open, path.c_str(), O_WRONLY), "open " + path),
            write_by(raw(SYS_creat, path.c_str(), 0600), "creat " + path),
#endif
            write_by(open_at(path, O_RDWR), "openat " + path),
            write_by(open_how_at(AT_FDCWD, path.c_str(), O_WRONLY | O_APPEND), "openat2 " + path),
        });
        if (last.verdict == Verdict::kEscaped) return last;
    }
    return last;
}

Outcome read_by_link(const World& world, const std::string& target, const char* name) {
    const std::string link = world["segment"] + "/" + name;
    if (::symlink(target.c_str(), link.c_str()) != 0) return untried("symlink in the segment");
    return read_secret(world, static_cast<int>(open_at(link, O_RDONLY)), "through a link to " + target);
}

Outcome link_chain(const World& world) {
    const std::string base = world["segment"];
    if (::symlink((world["outside"] + "/file").c_str(), (base + "/one").c_str()) != 0 ||
        ::symlink("one", (base + "/two").c_str()) != 0 ||
        ::symlink((base + "/two").c_str(), (base + "/three").c_str()) != 0 ||
        ::symlink(world["outside"].c_str(), (base + "/folder-link").c_str()) != 0)
        return untried("symlink in the segment");
    return first_escape(
        {read_secret(world, static_cast<int>(open_at(base + "/folder-link/file", O_RDONLY)), "a folder's link"),
         read_secret(world, static_cast<int>(open_at(base + "/three", O_RDONLY)), "a chain of links")});
}

Outcome write_by_link(const World& world) {
    const std::string link = world["segment"] + "/link";
    if (::symlink(out_file(world).c_str(), link.c_str()) != 0) return untried("symlink in the segment");
    return write_by(open_at(link, O_WRONLY), "through a link");
}

Outcome shared_mapping(const World& world) {
    const int fd = static_cast<int>(open_at(shown_file(world), O_RDWR));
    const int error = errno;
    const int read_only = static_cast<int>(open_at(shown_file(world), O_RDONLY));
    if (read_only < 0) return untried("the file is not shown");
    void* mapped = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, read_only, 0);
    if (mapped != MAP_FAILED && ::mprotect(mapped, 4096, PROT_READ | PROT_WRITE) == 0) {
        *static_cast<char*>(mapped) = 'x';
        return escaped("mprotect made a read-only mapping writable");
    }
    if (fd < 0) return refused("open for writing", error);
    mapped = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) return refused("mmap");
    *static_cast<char*>(mapped) = 'x';
    return escaped("wrote through a shared mapping");
}

// Everything that the owner of a file may do to it without writing: all of it through a descriptor or the path.
Outcome change_metadata(const World&, const std::string& path) {
    const int fd = static_cast<int>(open_at(path, O_RDONLY));
    const timespec times[2] = {{1, 0}, {1, 0}};
    return first_escape({judge(::chmod(path.c_str(), 0640), "chmod"),
                         judge(::chown(path.c_str(), ::getuid(), ::getgid()), "chown"),
                         judge(::lchown(path.c_str(), ::getuid(), ::getgid()), "lchown"),
                         judge(::utimensat(AT_FDCWD, path.c_str(), times, 0), "utimensat"),
                         judge(::setxattr(path.c_str(), "user.toren", "x", 1, 0), "setxattr"),
                         judge(::removexattr(path.c_str(), "user.none"), "removexattr"),
                         judge(fd < 0 ? -1 : ::fchmod(fd, 0640), "fchmod"),
                         judge(fd < 0 ? -1 : ::fchown(fd, ::getuid(), ::getgid()), "fchown"),
                         judge(fd < 0 ? -1 : ::futimens(fd, times), "futimens"),
                         judge(fd < 0 ? -1 : ::fsetxattr(fd, "user.toren", "x", 1, 0), "fsetxattr"),
                         judge(::chmod(path.c_str(), 0640), "chmod")});
}

// chattr asks for no descriptor that may write.
Outcome change_flags(const World& world) {
    const int fd = static_cast<int>(open_at(shown_file(world), O_RDONLY));
    int flags = 0;
    if (fd < 0 || ::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
        return untried("FS_IOC_GETFLAGS: this file system has none");
    flags ^= FS_NODUMP_FL;
    return judge(::ioctl(fd, FS_IOC_SETFLAGS, &flags), "FS_IOC_SETFLAGS");
}

Outcome change_project(const World& world) {
    const int fd = static_cast<int>(open_at(shown_file(world), O_RDONLY));
    fsxattr attributes{};
    if (fd < 0 || ::ioctl(fd, FS_IOC_FSGETXATTR, &attributes) != 0)
        return untried("FS_IOC_FSGETXATTR: this file system has none");
    attributes.fsx_xflags ^= FS_XFLAG_NODUMP;
    return judge(::ioctl(fd, FS_IOC_FSSETXATTR, &attributes), "FS_IOC_FSSETXATTR");
}

// Writing with a descriptor that was opened for reading, or reopened from one.
Outcome reopen(const World& world, int flags, const char* how) {
    const int fd = static_cast<int>(open_at(shown_file(world), flags));
    if (fd < 0) return untried("the file is not shown");
    return write_by(open_at("/proc/self/fd/" + std::to_string(fd), O_RDWR), how);
}

Outcome write_by_read_descriptor(const World& world) {
    const int to = static_cast<int>(open_at(shown_file(world), O_RDONLY));
    const int from = static_cast<int>(open_at(world["segment"] + "/file", O_RDWR));
    int ends[2];
    if (to < 0 || from < 0 || ::pipe(ends) != 0 || ::write(ends[1], "x", 1) != 1) return untried("preparations");
    iovec vector{const_cast<char*>("x"), 1};
    file_clone_range range{from, 0, 0, 0};
    return first_escape(
        {judge(raw(SYS_write, to, "x", 1L), "write"), judge(raw(SYS_pwritev2, to, &vector, 1L, 0L, 0L, 0), "pwritev2"),
         judge(raw(SYS_ftruncate, to, 0L), "ftruncate"), judge(raw(SYS_fallocate, to, 0, 0L, 100L), "fallocate"),
         judge(raw(SYS_copy_file_range, from, nullptr, to, nullptr, 1L, 0), "copy_file_range"),
         judge(raw(SYS_sendfile, to, from, nullptr, 1L), "sendfile"),
         judge(raw(SYS_splice, ends[0], nullptr, to, nullptr, 1L, 0), "splice"),
         judge(::ioctl(to, FICLONE, from), "FICLONE"), judge(::ioctl(to, FICLONERANGE, &range), "FICLONERANGE"),
         judge(raw(SYS_openat, to, "", O_WRONLY, 0), "openat of the descriptor")});
}

// CVE-2022-0847: a pipe's page that still belonged to the page cache. vmsplice and tee keep such pages around.
Outcome write_page_cache(const World& world) {
    const int file = static_cast<int>(open_at(shown_file(world), O_RDONLY));
    int ends[2];
    if (file < 0 || ::pipe(ends) != 0) return untried("preparations");
    std::vector<char> full(1 << 16);
    if (::write(ends[1], full.data(), full.size()) < 0 || ::read(ends[0], full.data(), full.size()) < 0)
        return untried("preparations");
    off64_t offset = 0;
    if (::splice(file, &offset, ends[1], nullptr, 1, 0) != 1 || ::write(ends[1], "DIRTY", 5) != 5)
        return refused("splice");
    if (content(shown_file(world)).find("DIRTY") != std::string::npos) return escaped("wrote into the page cache");
    return refused("splice left the page cache alone", EROFS);
}

Outcome hard_link_in(const World& world) {
    const std::string target = world["segment"] + "/linked";
    const int path_only = static_cast<int>(open_at(out_file(world), O_PATH));
    const std::string by_descriptor = "/proc/self/fd/" + std::to_string(path_only);
    return first_escape(
        {judge(::linkat(AT_FDCWD, by_descriptor.c_str(), AT_FDCWD, (target + "2").c_str(), AT_SYMLINK_FOLLOW),
               "linkat"),
         judge(::link(shown_file(world).c_str(), (target + "3").c_str()), "link of what is shown"),
         judge(::link(out_file(world).c_str(), target.c_str()), "link")});
}

Outcome rename_across(const World& world) {
    const std::string own = world["segment"] + "/file";
    return first_escape(
        {judge(raw(SYS_renameat2, AT_FDCWD, shown_file(world).c_str(), AT_FDCWD, (own + "2").c_str(), 0),
               "rename of what is shown"),
         judge(raw(SYS_renameat2, AT_FDCWD, own.c_str(), AT_FDCWD, shown_file(world).c_str(), RENAME_EXCHANGE),
               "RENAME_EXCHANGE"),
         judge(raw(SYS_renameat2, AT_FDCWD, own.c_str(), AT_FDCWD, (world["outside"] + "/moved").c_str(), 0),
               "rename out"),
         judge(raw(SYS_renameat2, AT_FDCWD, out_file(world).c_str(), AT_FDCWD, (own + "3").c_str(), 0), "rename in")});
}

// The mount points themselves: a folder that is shown cannot be moved aside to put another in its place.
Outcome move_mount_point(const World& world) {
    const std::string inner = world["read_only"];
    return first_escape(
        {judge(::rename(inner.c_str(), (inner + "-moved").c_str()), "rename of a mount point"),
         judge(::rmdir(inner.c_str()), "rmdir of a mount point"),
         judge(::rename(world["segment"].c_str(), (world["base"] + "/moved").c_str()), "rename of the segment")});
}

// The leftover of a runtime that did not close what it had open (CVE-2024-21626).
int leaked(const World&) {
    for (int fd = 3; fd < 1024; ++fd)
        if (::fcntl(fd, F_GETFD) >= 0) return fd;
    return -1;
}

Outcome any_descriptor(const World& world) {
    DIR* folder = ::opendir("/proc/self/fd");
    if (folder == nullptr) return untried("/proc/self/fd");
    std::string more;
    while (const dirent* entry = ::readdir(folder))
        if (const int fd = std::atoi(entry->d_name); fd > 2 && fd != ::dirfd(folder))
            more += std::string(" ") + entry->d_name;
    ::closedir(folder);
    if (leaked(world) >= 0 && more.empty()) more = " (hidden)";
    return more.empty() ? refused("no descriptor but 0 to 2", EBADF) : escaped("descriptors" + more);
}

Outcome use_leaked(const World& world, Outcome (*use)(const World&, int)) {
    const int fd = leaked(world);
    return fd < 0 ? refused("no descriptor is left over", EBADF) : use(world, fd);
}

Outcome cwd_outside(const World& world) {
    char cwd[4096];
    if (raw(SYS_getcwd, cwd, sizeof cwd) < 0) return refused("getcwd");
    std::string up;
    for (int i = 0; i < 64; ++i) up += "../";
    if (std::string(cwd).starts_with("(unreachable)")) return escaped("the current folder lies outside the root");
    return read_secret(world, static_cast<int>(open_at(up + out_file(world).substr(1), O_RDONLY)),
                       "above the current folder");
}

Outcome see_host(const World& world) {
    std::string seen;
    // None of these is in a cage; each host has some.
    for (const char* path : {"/etc/shadow",   "/etc/sudoers", "/etc/machine-id",
                             "/etc/ssh",      "/root",        "/boot",
                             "/run",          "/sys",         "/srv",
                             "/mnt",          "/opt",         "/var/log",
                             "/var/lib",      "/dev/kmsg",    "/dev/mem",
                             "/dev/vda",      "/dev/sda",     "/dev/kvm",
                             "/dev/fuse",     "/dev/net/tun", "/dev/mqueue",
                             "/sys/fs/cgroup"})
        if (struct stat about; ::lstat(path, &about) == 0) seen += std::string(" ") + path;
    if (DIR* above = ::opendir((world["base"]).c_str())) {
        while (const dirent* entry = ::readdir(above))
            if (std::string(entry->d_name) == "outside" || std::string(entry->d_name) == "other")
                seen += std::string(" ") + entry->d_name;
        ::closedir(above);
    }
    return seen.empty() ? refused("nothing of the host is there", ENOENT) : escaped("sees" + seen);
}

// By every way that leaves content in the file and the bit on it.
Outcome set_user_id_file(const World& world) {
    const std::string base = world["segment"] + "/suid";
    int made = 0;
    const auto check = [&](const std::string& path, const char* how) {
        struct stat about {};
        if (::stat(path.c_str(), &about) == 0 && (about.st_mode & S_ISUID) != 0 && about.st_size > 0)
            return escaped(std::string(how) + " left a set-user-ID file with content");
        return refused(how, EPERM);
    };
    const auto with_bit = [&] {
        return static_cast<int>(open_at(base + std::to_string(++made), O_RDWR | O_CREAT | O_EXCL, 06755));
    };
    const auto path = [&] { return base + std::to_string(made); };
    const int full = static_cast<int>(open_at(base, O_RDWR | O_CREAT, 0755));
    if (full < 0 || ::write(full, "#!x", 3) != 3) return untried("a file in the segment");

    const int one = with_bit();
    if (one < 0 || ::write(one, "x", 1) < 0) return refused("write");
    Outcome last = check(path(), "write");
    const int two = with_bit();
    if (last.verdict != Verdict::kEscaped && ::ftruncate(two, 4096) == 0) {
        void* mapped = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, two, 0);
        if (mapped != MAP_FAILED) *static_cast<char*>(mapped) = 'x';
        last = check(path(), "ftruncate and mmap");
    }
    const auto fill = [&](const char* how, auto call) {
        if (last.verdict == Verdict::kEscaped) return;
        const int fd = with_bit();
        ::lseek(full, 0, SEEK_SET);
        call(fd);
        last = check(path(), how);
    };
    fill("fallocate", [](int fd) { raw(SYS_fallocate, fd, 0, 0L, 4096L); });
    fill("copy_file_range", [&](int fd) { raw(SYS_copy_file_range, full, nullptr, fd, nullptr, 3L, 0); });
    fill("sendfile", [&](int fd) { raw(SYS_sendfile, fd, full, nullptr, 3L); });
    fill("FICLONE", [&](int fd) { ::ioctl(fd, FICLONE, full); });
    fill("splice", [](int fd) {
        int ends[2];
        if (::pipe(ends) == 0 && ::write(ends[1], "x", 1) == 1) raw(SYS_splice, ends[0], nullptr, fd, nullptr, 1L, 0);
    });
    const std::string ready = path();
    for (const unsigned mode : {04755U, 06755U, 02755U}) {
        if (last.verdict == Verdict::kEscaped) break;
        const std::uint64_t above = 0xdeadbeef00000000U;  // the kernel reads 16 bits of it
        raw(SYS_fchmodat, AT_FDCWD, base.c_str(), mode);
        raw(SYS_fchmodat, AT_FDCWD, base.c_str(), above | mode);
        raw(452 /* fchmodat2 */, AT_FDCWD, base.c_str(), above | mode, 0);
        raw(SYS_fchmod, full, above | mode);
#ifdef SYS_chmod
        raw(SYS_chmod, base.c_str(), above | mode);
#endif
        last = check(base, "chmod");
    }
    return last;
}

// The mark of mandatory locking survives a write; an access list then adds the right to execute.
// By each call that carries a mode; the first that makes one wins.
int create_with_set_group_id(const std::string& path) {
    constexpr unsigned kMode = 02644;
    struct open_how how {};
    how.flags = O_RDWR | O_CREAT | O_EXCL;
    how.mode = kMode;
    for (const int fd : {static_cast<int>(open_at(path, O_RDWR | O_CREAT | O_EXCL, kMode)),
                         static_cast<int>(raw(SYS_open, path.c_str(), O_RDWR | O_CREAT | O_EXCL, kMode)),
                         static_cast<int>(raw(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)),
                         static_cast<int>(raw(SYS_creat, path.c_str(), kMode))})
        if (fd >= 0) return fd;
    if (::mknod(path.c_str(), S_IFREG | kMode, 0) == 0) return static_cast<int>(open_at(path, O_RDWR));
    return -1;
}

Outcome set_group_id_file(const World& world) {
    const std::string path = world["segment"] + "/sgid";
    const int fd = create_with_set_group_id(path);
    if (fd < 0) return refused("a file with the set-group-ID bit", errno);
    if (::write(fd, "#!x", 3) != 3) return untried("a file in the segment");
    const auto check = [&](const char* how) {
        struct stat about {};
        if (::stat(path.c_str(), &about) == 0 && (about.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) &&
            about.st_size > 0)
            return escaped(std::string(how) + " left a set-group-ID program");
        return refused(how, EPERM);
    };
    // posix_acl_xattr: version 2; owner rwx, group r-x, others r-x.
    struct [[gnu::packed]] {
        std::uint32_t version = 2;
        struct [[gnu::packed]] {
            std::uint16_t tag, permissions;
            std::uint32_t id;
        } entries[3] = {{0x01, 7, 0xffffffff}, {0x04, 5, 0xffffffff}, {0x20, 5, 0xffffffff}};
    } list;
    ::setxattr(path.c_str(), "system.posix_acl_access", &list, sizeof list, 0);
    Outcome last = check("an access list");
    if (last.verdict == Verdict::kEscaped) return last;
    ::chmod(path.c_str(), 02755);
    return check("chmod");
}

Outcome file_capability(const World& world) {
    const std::string path = world["segment"] + "/capable";
    const int fd = static_cast<int>(open_at(path, O_RDWR | O_CREAT, 0755));
    if (fd < 0) return untried("a file in the segment");
    const std::uint32_t version2[5] = {0x02000001, 0xffffffff, 0, 0xffffffff, 0};
    const std::uint32_t version3[6] = {0x03000001, 0xffffffff, 0,
                                       0xffffffff, 0,          static_cast<std::uint32_t>(::getuid())};
    return first_escape(
        {judge(::fsetxattr(fd, "security.capability", version2, sizeof version2, 0), "security.capability"),
         judge(::fsetxattr(fd, "security.capability", version3, sizeof version3, 0), "security.capability")});
}

// Starts a set-user-ID program of the host's and looks at its ids once the exec is over.
Outcome run_set_user_id_program(const World&) {
    std::string program;
    // Those that wait for their input first: one that ends at once is not reaped, so its ids can be read as well.
    for (const char* path :
         {"/usr/bin/su", "/bin/su", "/usr/bin/passwd", "/usr/bin/gpasswd", "/usr/bin/chfn", "/usr/bin/chsh",
          "/usr/bin/mount", "/usr/bin/umount", "/usr/bin/newgrp", "/usr/bin/sudo", "/usr/bin/newuidmap"})
        if (struct stat about; ::stat(path, &about) == 0 && (about.st_mode & S_ISUID) != 0) {
            program = path;
            break;
        }
    if (program.empty()) return untried("this host has no set-user-ID program");
    int executed[2], input[2];
    if (::pipe2(executed, O_CLOEXEC) != 0 || ::pipe2(input, O_CLOEXEC) != 0) return untried("pipe");
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(input[0], 0);
        ::dup2(::open("/dev/null", O_WRONLY), 1);
        ::dup2(1, 2);
        ::execl(program.c_str(), program.c_str(), nullptr);
        ::_exit(127);
    }
    ::close(executed[1]);
    char byte;
    [[maybe_unused]] const auto end = ::read(executed[0], &byte, 1);
    // It waits for its input, or has ended and is not reaped: its ids can be read in either case.
    const std::string status = content("/proc/" + std::to_string(pid) + "/status");
    ::kill(pid, SIGKILL);
    ::close(input[1]);
    ::waitpid(pid, nullptr, 0);
    unsigned real = 1, effective = 1;
    const auto at = status.find("\nUid:");
    if (at == std::string::npos || std::sscanf(status.c_str() + at, "\nUid: %u %u", &real, &effective) != 2)
        return untried("no status");
    return effective == 0 ? escaped(program + " ran as root")
                          : refused(program + " ran as " + std::to_string(effective), EPERM);
}

Outcome inotify_on(const std::string& path) {
    const int fd = ::inotify_init1(IN_CLOEXEC);
    return fd < 0 ? untried("inotify_init1")
                  : judge(::inotify_add_watch(fd, path.c_str(), IN_ALL_EVENTS), "inotify_add_watch");
}

// A lease makes everyone else who opens the file wait for it.
Outcome lease(const World& world) {
    const int fd = static_cast<int>(open_at(shown_file(world), O_RDONLY));
    return fd < 0 ? untried("the file is not shown") : judge(::fcntl(fd, F_SETLEASE, F_RDLCK), "F_SETLEASE");
}

Outcome bind_outside(const World& world) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s/new.sock", world["outside"].c_str());
    return judge(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), "bind");
}

Outcome write_proc(const World&, const char* path) {
    return write_by(open_at(path, O_WRONLY), std::string("open ") + path);
}

// Root's alone on any host; read or written here they would tell or change the whole machine.
Outcome machine_files(const World&) {
    Outcome last = untried("none");
    for (const char* path :
         {"/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
          "/proc/sys/fs/binfmt_misc/register", "/proc/sys/kernel/hotplug", "/proc/sys/vm/drop_caches",
          "/proc/irq/0/smp_affinity", "/sys/kernel/uevent_helper", "/sys/power/state"})
        if (const long fd = open_at(path, O_WRONLY); fd >= 0) return escaped(std::string("opened for writing ") + path);
        else last = refused(std::string("open ") + path);
    for (const char* path : {"/proc/kcore", "/proc/kmsg", "/proc/vmallocinfo", "/proc/kpagecount", "/proc/timer_list",
                             "/dev/kmsg", "/dev/mem", "/dev/port", "/sys/kernel/debug", "/sys/kernel/tracing"})
        if (const long fd = open_at(path, O_RDONLY); fd >= 0) return escaped(std::string("opened for reading ") + path);
        else last = refused(std::string("open ") + path);
    for (const char* path : {"/proc/kallsyms", "/proc/modules"})
        if (const std::string text = content(path);
            text.find_first_of("123456789abcdef") < 16 && !text.empty() && path == std::string("/proc/kallsyms"))
            return escaped(std::string("kernel addresses in ") + path);
    return last;
}

// CVE-2019-5736: the program that runs, opened again by a descriptor of it once nobody runs it any more.
Outcome overwrite_own_program(const World&) {
    const int fd = static_cast<int>(raw(SYS_openat, AT_FDCWD, "/proc/self/exe", O_PATH, 0));
    if (fd < 0 || ::dup2(fd, 9) != 9) return untried("/proc/self/exe");
    const char* arguments[] = {"/bin/sh", "-c",
                               "message=$( (: >>/proc/self/fd/9) 2>&1) && "
                               "{ echo 'escaped: opened the program for writing'; exit 10; }; "
                               "echo \"refused: $message\"; exit 0",
                               nullptr};
    ::execv(arguments[0], const_cast<char**>(arguments));
    return untried("/bin/sh");
}

// Older kernels looked at the file that was named: a snapshot of its whole subvolume, for whoever owned one file in it.
Outcome btrfs_snapshot(const World& world, unsigned long request) {
    const int folder = static_cast<int>(open_at(world["segment"], O_RDONLY | O_DIRECTORY));
    struct {
        std::int64_t fd;
        char name[4088];
    } arguments{};
    arguments.fd = folder;
    std::strcpy(arguments.name, "snapshot");
    return reached(::ioctl(folder, request, &arguments), "BTRFS_IOC_SNAP_CREATE");
}

constexpr Attempt kAttempts[] = {
    {"append_outside",
     [](const World& w) { return write_by(open_at(out_file(w), O_WRONLY | O_APPEND), "open O_APPEND"); }},
    {"open_truncate_outside",
     [](const World& w) { return judge(open_at(out_file(w), O_RDONLY | O_TRUNC), "open O_TRUNC"); }},
    {"truncate_outside", [](const World& w) { return judge(::truncate(out_file(w).c_str(), 0), "truncate"); }},
    {"create_outside",
     [](const World& w) { return judge(open_at(w["outside"] + "/new", O_CREAT | O_EXCL | O_WRONLY), "open O_CREAT"); }},
    {"temporary_outside",
     [](const World& w) { return judge(open_at(w["outside"], O_TMPFILE | O_WRONLY), "open O_TMPFILE"); }},
    {"unlink_outside", [](const World& w) { return judge(::unlink(out_file(w).c_str()), "unlink"); }},
    {"mkdir_outside", [](const World& w) { return judge(::mkdir((w["outside"] + "/new").c_str(), 0700), "mkdir"); }},
    {"symlink_outside",
     [](const World& w) { return judge(::symlink("x", (w["outside"] + "/new").c_str()), "symlink"); }},
    {"fifo_outside",
     [](const World& w) { return judge(::mknod((w["outside"] + "/new").c_str(), S_IFIFO | 0600, 0), "mknod"); }},
    {"socket_outside", bind_outside},
    {"rename_outside",
     [](const World& w) { return judge(::rename(out_file(w).c_str(), (w["outside"] + "/moved").c_str()), "rename"); }},
    {"rename_across", rename_across},
    {"move_mount_point", move_mount_point},
    {"metadata_outside", [](const World& w) { return change_metadata(w, out_file(w)); }},
    {"metadata_of_shown", [](const World& w) { return change_metadata(w, shown_file(w)); }},
    {"flags_of_shown", change_flags},
    {"project_of_shown", change_project},
    {"shared_mapping", shared_mapping},
    {"write_shown", [](const World& w) { return write_by(open_at(shown_file(w), O_WRONLY), "open"); }},
    {"create_in_shown",
     [](const World& w) { return judge(open_at(w["shown"] + "/new", O_CREAT | O_EXCL | O_WRONLY), "open O_CREAT"); }},
    {"write_read_only_inside_segment",
     [](const World& w) { return write_by(open_at(w["read_only"] + "/file", O_WRONLY), "open"); }},
    {"write_writable_inside_shown",
     [](const World& w) { return write_by(open_at(w["shown_writable"] + "/new", O_WRONLY | O_CREAT), "open"); }},
    {"write_segment", [](const World& w) { return write_by(open_at(w["segment"] + "/file", O_WRONLY), "open"); }},
    {"reopen_path_descriptor", [](const World& w) { return reopen(w, O_PATH, "O_PATH, then /proc/self/fd"); }},
    {"reopen_read_descriptor", [](const World& w) { return reopen(w, O_RDONLY, "O_RDONLY, then /proc/self/fd"); }},
    {"write_by_read_descriptor", write_by_read_descriptor},
    {"write_page_cache", write_page_cache},
    {"read_secret",
     [](const World& w) {
         return read_secret(w, static_cast<int>(open_at(w["outside"] + "/secret", O_RDONLY)), "open");
     }},
    {"read_other_segment",
     [](const World& w) { return read_secret(w, static_cast<int>(open_at(w["other"] + "/file", O_RDONLY)), "open"); }},
    {"path_descriptor_outside", [](const World& w) { return judge(open_at(out_file(w), O_PATH), "open O_PATH"); }},
    {"see_host", see_host},
    {"read_by_any_spelling", read_by_any_spelling},
    {"write_by_any_spelling", write_by_any_spelling},
    {"absolute_link", [](const World& w) { return read_by_link(w, out_file(w), "link"); }},
    {"relative_link", [](const World& w) { return read_by_link(w, "../outside/file", "link"); }},
    {"link_chain", link_chain},
    {"proc_link", [](const World& w) { return read_by_link(w, "/proc/self/root" + out_file(w), "link"); }},
    {"write_by_link", write_by_link},
    {"hard_link_in", hard_link_in},
    {"any_descriptor", any_descriptor},
    {"read_by_leaked_folder",
     [](const World& w) {
         return use_leaked(w, [](const World& x, int fd) {
             return read_secret(x, ::openat(fd, "file", O_RDONLY), "openat of a leaked folder");
         });
     }},
    {"write_by_leaked_folder",
     [](const World& w) {
         return use_leaked(w, [](const World&, int fd) {
             return write_by(::openat(fd, "file", O_WRONLY), "openat of a leaked folder");
         });
     }},
    {"climb_by_leaked_folder",
     [](const World& w) {
         return use_leaked(w, [](const World& x, int fd) {
             return ::fchdir(fd) != 0 ? refused("fchdir")
                                      : read_secret(x, ::open("../other/file", O_RDONLY), "fchdir and ..");
         });
     }},
    {"chmod_by_leaked_folder",
     [](const World& w) {
         return use_leaked(w, [](const World&, int fd) {
             return judge(::fchmodat(fd, "file", 0640, 0), "fchmodat of a leaked folder");
         });
     }},
    {"cwd_outside", cwd_outside},
    {"device_node",
     [](const World& w) {
         return judge(::mknod((w["segment"] + "/node").c_str(), S_IFCHR | 0600, makedev(1, 3)), "mknod");
     }},
    {"whiteout_node",
     [](const World& w) { return judge(::mknod((w["segment"] + "/node").c_str(), S_IFCHR | 0600, 0), "mknod"); }},
    {"set_user_id_file", set_user_id_file},
    {"set_group_id_file", set_group_id_file},
    {"file_capability", file_capability},
    {"set_user_id_program", run_set_user_id_program},
    {"watch_outside", [](const World& w) { return inotify_on(w["outside"]); }},
    {"lease_of_shown", lease},
    {"write_proc_comm", [](const World& w) { return write_proc(w, "/proc/self/comm"); }},
    {"write_proc_oom", [](const World& w) { return write_proc(w, "/proc/self/oom_score_adj"); }},
    {"write_proc_attr", [](const World& w) { return write_proc(w, "/proc/self/attr/exec"); }},
    {"write_sysctl_ns_pid", [](const World& w) { return write_proc(w, "/proc/sys/kernel/ns_last_pid"); }},
    {"machine_files", machine_files},
    {"overwrite_own_program", overwrite_own_program},
    {"btrfs_snapshot", [](const World& w) { return btrfs_snapshot(w, 0x50009401); }},
    {"btrfs_snapshot_v2", [](const World& w) { return btrfs_snapshot(w, 0x50009417); }},
    {"host_terminal",
     [](const World& w) { return write_by(open_at(w["terminal"], O_RDWR | O_NOCTTY), "open of the host's terminal"); }},
    {"controlling_terminal", [](const World&) { return write_by(open_at("/dev/tty", O_RDWR), "open /dev/tty"); }},
};

}  // namespace

std::span<const Attempt> file_attempts() { return kAttempts; }

}  // namespace hostile
