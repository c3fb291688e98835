#include "runner/wire.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace toren::runner {
namespace {

static_assert(std::is_trivially_copyable_v<Order> && std::is_trivially_copyable_v<Note>);

}  // namespace

Result<> send_order(int channel, const Order& order) {
    if (::send(channel, &order, sizeof order, MSG_NOSIGNAL) != sizeof order) return errno_error("tell the cage's init");
    return Ok{};
}

bool receive_order(int channel, Order& order) {
    ssize_t length = 0;
    do length = ::recv(channel, &order, sizeof order, 0);
    while (length < 0 && errno == EINTR);
    return length == sizeof order && order.kind <= OrderKind::kEnd;
}

Result<> send_note(int channel, const Note& note, int descriptor) {
    iovec part{const_cast<Note*>(&note), sizeof note};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (descriptor >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    if (::sendmsg(channel, &message, MSG_NOSIGNAL) != sizeof note) return errno_error("tell the runner");
    return Ok{};
}

Result<> send_text(int channel, NoteKind kind, const std::string& text) {
    Note note{};
    note.kind = kind;
    note.length = static_cast<std::uint16_t>(std::min(text.size(), sizeof note.text));
    std::memcpy(note.text, text.data(), note.length);
    return send_note(channel, note);
}

bool receive_note(int channel, Note& note, UniqueFd& descriptor) {
    iovec part{&note, sizeof note};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t length = 0;
    // An init that ended before it read an order resets the connection, once; what it said is there behind that.
    do length = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    while (length < 0 && (errno == EINTR || errno == ECONNRESET));
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message);
        length > 0 && header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
        descriptor.reset(fd);
    }
    return length == sizeof note && note.kind <= NoteKind::kEnded && note.length <= sizeof note.text &&
           note.ended.by <= EndedBy::kLast && note.ended.failure.step <= StartStep::kLast;
}

}  // namespace toren::runner
