#include "policy/guard_sockets.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "base/unique_fd.h"

namespace toren {
namespace {

constexpr int kTries = 3;

// The file system's own device number, as sock_diag tells it: btrfs gives st_dev another one.
struct Inode {
    std::uint32_t number = 0;
    std::uint32_t device = 0;
    bool operator==(const Inode&) const = default;
};

// The kernel's own form of a device number, 12 bits and 20.
std::uint32_t kernel_device(unsigned major, unsigned minor) { return major << 20 | minor; }

// From /proc/self/mountinfo: "ID PARENT MAJOR:MINOR …".
Result<std::uint32_t> device_of_mount(int fd) {
    std::ifstream about("/proc/self/fdinfo/" + std::to_string(fd));
    std::string line, wanted;
    while (std::getline(about, line))
        if (line.starts_with("mnt_id:")) wanted = line.substr(line.find_first_not_of(" \t", 7));
    std::ifstream mounts("/proc/self/mountinfo");
    while (!wanted.empty() && std::getline(mounts, line)) {
        std::istringstream fields(line);
        std::string id, parent;
        unsigned major = 0, minor = 0;
        char colon = 0;
        if (fields >> id >> parent >> major >> colon >> minor && id == wanted) return kernel_device(major, minor);
    }
    return error("guards: a socket's mount is not in /proc/self/mountinfo");
}

Result<> ask(int netlink) {
    struct {
        nlmsghdr header;
        unix_diag_req request;
    } message{};
    message.header.nlmsg_len = sizeof message;
    message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.request.sdiag_family = AF_UNIX;
    message.request.udiag_states = ~0U;
    message.request.udiag_show = UDIAG_SHOW_VFS;
    if (::send(netlink, &message, sizeof message, 0) < 0) return errno_error("guards: sock_diag");
    return Ok{};
}

bool tells_of(const nlmsghdr* header, const Inode& wanted) {
    const auto* about = static_cast<const unix_diag_msg*>(NLMSG_DATA(header));
    auto length = static_cast<int>(header->nlmsg_len - NLMSG_LENGTH(sizeof *about));
    for (auto* part = reinterpret_cast<const rtattr*>(about + 1); RTA_OK(part, length); part = RTA_NEXT(part, length)) {
        if (part->rta_type != UNIX_DIAG_VFS) continue;
        const auto* vfs = static_cast<const unix_diag_vfs*>(RTA_DATA(part));
        if (Inode{vfs->udiag_vfs_ino, vfs->udiag_vfs_dev} == wanted) return true;
    }
    return false;
}

Result<bool> is_listed(const Inode& wanted) {
    UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    if (!netlink) return errno_error("guards: sock_diag");
    TRY(ask(netlink.get()));
    alignas(nlmsghdr) char buffer[32768];
    for (bool found = false;;) {
        const auto received = ::recv(netlink.get(), buffer, sizeof buffer, 0);
        if (received <= 0) return errno_error("guards: sock_diag");
        auto left = static_cast<int>(received);
        for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(header, left);
             header = NLMSG_NEXT(header, left)) {
            if (header->nlmsg_type == NLMSG_DONE) return found;
            if (header->nlmsg_type == NLMSG_ERROR)
                return error("guards: the kernel has no sock_diag for Unix sockets (CONFIG_UNIX_DIAG)");
            found = found || tells_of(header, wanted);
        }
    }
}

}  // namespace

Result<bool> bound_in_this_namespace(int fd) {
    struct stat about {};
    if (::fstat(fd, &about) != 0) return errno_error("guards: fstat");
    TRY_ASSIGN(const auto device, device_of_mount(fd));
    const Inode wanted{static_cast<std::uint32_t>(about.st_ino), device};
    // bind(2) makes the file before it names the socket after it, so the first answer may be too early.
    for (int tries = 0; tries < kTries; ++tries) {
        TRY_ASSIGN(const bool listed, is_listed(wanted));
        if (listed) return true;
        ::poll(nullptr, 0, 1);
    }
    return false;
}

}  // namespace toren
