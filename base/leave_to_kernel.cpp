#include "base/leave_to_kernel.h"

#include <sys/socket.h>

#include <cstring>

namespace toren {
namespace {

constexpr std::size_t kMostInOneMessage = 253;  // the kernel's SCM_MAX_FD

bool send_all(int socket, const std::vector<int>& numbers) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMostInOneMessage)] = {};
    char byte = 0;
    iovec data{&byte, 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * numbers.size());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * numbers.size());
    std::memcpy(CMSG_DATA(header), numbers.data(), sizeof(int) * numbers.size());
    return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

}  // namespace

void leave_to_kernel(std::vector<UniqueFd> descriptors) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0) return;
    const UniqueFd sender(ends[0]), receiver(ends[1]);
    std::vector<int> numbers = {receiver.get()};
    for (const auto& descriptor : descriptors)
        if (descriptor && numbers.size() < kMostInOneMessage) numbers.push_back(descriptor.get());
    [[maybe_unused]] const bool sent = send_all(sender.get(), numbers);
    descriptors.clear();  // before the socket's end: the collector's are to be the last
}

}  // namespace toren
