#include "ipc/channel.h"
#include "ipc/vcs_messages.h"

#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>
#include <filesystem>
#include <numeric>

namespace toren::ipc {
namespace {

using ::testing::HasSubstr;

// Two channels over a real socket pair, and the bare socket where a test plays a peer that keeps no rule.
struct Pair {
    Channel left, right;

    Pair(Role left_role, Role right_role, Phase phase = kOpen) {
        auto ends = socket_pair();
        EXPECT_TRUE(ends && set_nonblocking(ends->first.get()) && set_nonblocking(ends->second.get()));
        left = Channel(std::move(ends->first), left_role, right_role, phase);
        right = Channel(std::move(ends->second), right_role, left_role, phase);
    }
};

// Sends bytes and descriptors as they are, past every check of Channel.
void send_bare(int socket, const std::string& bytes, const std::vector<int>& descriptors = {}) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    std::vector<char> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (!descriptors.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
        std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size() * sizeof(int));
    }
    ASSERT_EQ(::sendmsg(socket, &header, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size())) << std::strerror(errno);
}

template <typename T>
std::string packet_of(const T& message) {
    const auto type = static_cast<std::uint16_t>(T::kType);
    std::string bytes(reinterpret_cast<const char*>(&type), sizeof type);
    Writer(bytes).write(message);
    return bytes;
}

std::ptrdiff_t open_descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator());
}

UniqueFd null_device() { return UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)); }

// What the broker's end says of bare bytes that its spawner sent: the rule that they break, or "" where they pass.
std::string rule_broken_by(const std::string& bytes, const std::vector<int>& descriptors = {}) {
    Pair pair(kSpawner, kBroker);
    send_bare(pair.left.fd(), bytes, descriptors);
    Packet packet;
    const auto received = pair.right.receive(packet);
    if (received == Received::kPacket) return "";
    EXPECT_EQ(received, Received::kViolation);
    EXPECT_NE(pair.right.violation(), "");
    return pair.right.violation();
}

TEST(ChannelTest, AMessageAndItsDescriptorsArriveAsTheyWereSent) {
    Pair pair(kSpawner, kBroker);
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd read_end(ends[0]), write_end(ends[1]), null = null_device();
    const int sent[] = {write_end.get(), null.get(), null.get()};
    ASSERT_TRUE(pair.left.send(Slot{7, 0}, sent));

    Packet packet;
    ASSERT_EQ(pair.right.receive(packet), Received::kPacket);
    const auto slot = packet.as<Slot>();
    ASSERT_TRUE(slot);
    EXPECT_EQ(slot->id, 7U);
    ASSERT_EQ(packet.descriptors.size(), 3U);
    ASSERT_EQ(::write(packet.descriptors[0].get(), "x", 1), 1);
    char byte = 0;
    EXPECT_EQ(::read(read_end.get(), &byte, 1), 1);
    EXPECT_EQ(byte, 'x') << "the first descriptor is the first that was sent";
}

TEST(ChannelTest, DescriptorsArriveCloseOnExec) {
    Pair pair(kSpawner, kBroker);
    const UniqueFd inheritable(::open("/dev/null", O_RDWR));
    ASSERT_EQ(::fcntl(inheritable.get(), F_GETFD), 0) << "the control: what is sent would pass an exec";
    const int sent[] = {inheritable.get(), inheritable.get(), inheritable.get()};
    ASSERT_TRUE(pair.left.send(Slot{}, sent));
    Packet packet;
    ASSERT_EQ(pair.right.receive(packet), Received::kPacket);
    for (const UniqueFd& fd : packet.descriptors) EXPECT_EQ(::fcntl(fd.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(::fcntl(pair.left.fd(), F_GETFD), FD_CLOEXEC) << "and so are the channels themselves";
    EXPECT_EQ(::fcntl(pair.right.fd(), F_GETFD), FD_CLOEXEC);
}

TEST(ChannelTest, MessagesArriveWholeAndInOrder) {
    Pair pair(kBroker, kService);
    ASSERT_TRUE(pair.left.send(WriteFile{"a", false}));
    ASSERT_TRUE(pair.left.send(Chunk{"one"}));
    ASSERT_TRUE(pair.left.send(Chunk{}));
    Packet packet;
    ASSERT_EQ(pair.right.receive(packet), Received::kPacket);
    EXPECT_EQ(packet.as<WriteFile>().value().path, "a");
    ASSERT_EQ(pair.right.receive(packet), Received::kPacket);
    EXPECT_EQ(packet.as<Chunk>().value().bytes, "one");
    ASSERT_EQ(pair.right.receive(packet), Received::kPacket);
    EXPECT_EQ(packet.as<Chunk>().value().bytes, "");
    EXPECT_EQ(pair.right.receive(packet), Received::kNothing);
}

TEST(ChannelTest, NothingIsSentThatHasNoRowBetweenTheseRoles) {
    Pair pair(kBroker, kSpawner);
    const auto sent = pair.left.send(ListSegments{});
    ASSERT_FALSE(sent);
    EXPECT_THAT(sent.error().text(), HasSubstr("without a row"));
    EXPECT_FALSE(pair.left.send(CellReady{})) << "the other end's message";
    EXPECT_FALSE(pair.right.send(NewSlot{})) << "the other end's message";
    Packet packet;
    EXPECT_EQ(pair.right.receive(packet), Received::kNothing);
    EXPECT_EQ(pair.left.receive(packet), Received::kNothing);
    EXPECT_TRUE(pair.left.send(NewSlot{})) << "the control: its own";
}

TEST(ChannelTest, NothingIsSentWithAWrongNumberOfDescriptors) {
    Pair pair(kSpawner, kBroker);
    const UniqueFd null = null_device();
    const std::vector<int> four(4, null.get());
    for (const std::size_t count : {0, 1, 2, 4})
        EXPECT_FALSE(pair.left.send(Slot{}, std::span(four).first(count))) << count;
    EXPECT_FALSE(pair.left.send(ChildEnded{}, std::span(four).first(1)));
    Packet packet;
    EXPECT_EQ(pair.right.receive(packet), Received::kNothing);
    EXPECT_TRUE(pair.left.send(Slot{}, std::span(four).first(3)));
}

TEST(ChannelTest, AMessageLongerThanItsRowIsNotSent) {
    Pair pair(kBroker, kService);
    const std::string fits(kPath - sizeof(std::uint32_t), 'a');
    EXPECT_TRUE(pair.left.send(VcsFind{fits}));
    EXPECT_FALSE(pair.left.send(VcsFind{fits + 'a'}));
    Packet packet;
    EXPECT_EQ(pair.right.receive(packet), Received::kPacket);
    EXPECT_EQ(pair.right.receive(packet), Received::kNothing);
}

TEST(ChannelTest, ATypeWithoutARowIsAViolation) {
    using namespace std::string_literals;
    EXPECT_THAT(rule_broken_by("\0\0"s), HasSubstr("no message 0"));
    EXPECT_THAT(rule_broken_by("\xff\xff"s), HasSubstr("no message 65535"));
    EXPECT_THAT(rule_broken_by(packet_of(NewSlot{})), HasSubstr("may come from this peer"))
        << "the broker's own message";
    EXPECT_THAT(rule_broken_by(packet_of(OpenCell{"a"})), HasSubstr("may come from this peer"));
    EXPECT_EQ(rule_broken_by(packet_of(ChildEnded{})), "") << "the control: a message that it may send";
}

TEST(ChannelTest, APacketShorterThanItsTypeIsAViolation) {
    EXPECT_THAT(rule_broken_by("\x10"), HasSubstr("shorter than its header"));
}

TEST(ChannelTest, AMessageLongerThanItsRowIsAViolation) {
    const std::string packet = packet_of(ChildEnded{});
    const std::size_t largest = sizeof(std::uint16_t) + kSmall;
    EXPECT_EQ(rule_broken_by(packet + std::string(largest - packet.size(), '\0')), "") << "as long as its row allows";
    EXPECT_THAT(rule_broken_by(packet + std::string(largest + 1 - packet.size(), '\0')),
                HasSubstr("ChildEnded is longer than its row allows"));
}

TEST(ChannelTest, AMessageLongerThanAnyRowIsAViolation) {
    Pair pair(kService, kBroker);
    const std::string full = packet_of(Chunk{std::string(kLargestMessage - 4, 'x')});
    Packet packet;
    send_bare(pair.left.fd(), full);
    EXPECT_EQ(pair.right.receive(packet), Received::kPacket);
    for (const std::size_t more : {1, 64, 65, 8000}) {
        send_bare(pair.left.fd(), full + std::string(more, 'x'));
        EXPECT_EQ(pair.right.receive(packet), Received::kViolation) << more;
        EXPECT_THAT(pair.right.violation(), ::testing::ContainsRegex("long")) << more;
    }
}

TEST(ChannelTest, AWrongNumberOfDescriptorsIsAViolation) {
    const UniqueFd null = null_device();
    const std::string slot = packet_of(Slot{}), ended = packet_of(ChildEnded{});
    for (const std::size_t count : {0, 1, 2, 4})
        EXPECT_THAT(rule_broken_by(slot, std::vector<int>(count, null.get())), HasSubstr("Slot with a wrong number"))
            << count;
    EXPECT_THAT(rule_broken_by(ended, {null.get()}), HasSubstr("ChildEnded with a wrong number"));
    EXPECT_EQ(rule_broken_by(slot, {null.get(), null.get(), null.get()}), "");
}

TEST(ChannelTest, NoDescriptorStaysOpenHoweverManyAPeerSends) {
    const UniqueFd null = null_device();
    const std::string slot = packet_of(Slot{});
    const auto before = open_descriptors();
    for (const std::size_t count : {1, 2, 3, 4, 5, 8, 64, 253}) {
        const std::string rule = rule_broken_by(slot, std::vector<int>(count, null.get()));
        EXPECT_EQ(rule.empty(), count == 3) << count;
        EXPECT_EQ(open_descriptors(), before) << count;
    }
    rule_broken_by("\x10", {null.get()});
    rule_broken_by(std::string(2, '\0'), {null.get(), null.get()});
    EXPECT_EQ(open_descriptors(), before) << "nor with a packet that is refused for something else";
}

TEST(ChannelTest, DescriptorsOfTheLastPacketAreClosedByTheNext) {
    Pair pair(kSpawner, kBroker);
    const UniqueFd null = null_device();
    const int sent[] = {null.get(), null.get(), null.get()};
    const auto before = open_descriptors();
    Packet packet;
    for (int round = 0; round < 10; ++round) {
        ASSERT_TRUE(pair.left.send(Slot{}, sent));
        ASSERT_EQ(pair.right.receive(packet), Received::kPacket);
        EXPECT_EQ(open_descriptors(), before + 3);
    }
    EXPECT_EQ(pair.right.receive(packet), Received::kNothing);
}

TEST(ChannelTest, AWelcomeOpensTheConversationAtBothEnds) {
    Pair pair(kBroker, kSupervisor, kGreeting);
    EXPECT_FALSE(pair.left.send(ListSegments{})) << "before the greeting is over";
    ASSERT_TRUE(pair.left.send(BrokerHello{}));
    Packet packet;
    ASSERT_EQ(pair.right.receive(packet), Received::kPacket);
    EXPECT_FALSE(pair.left.send(ListSegments{})) << "the hello alone opens nothing";
    ASSERT_TRUE(pair.right.send(BrokerWelcome{}));
    ASSERT_EQ(pair.left.receive(packet), Received::kPacket);

    ASSERT_TRUE(pair.left.send(ListSegments{}));
    ASSERT_EQ(pair.right.receive(packet), Received::kPacket);
    ASSERT_TRUE(pair.right.send(SegmentList{}));
    ASSERT_EQ(pair.left.receive(packet), Received::kPacket);
    EXPECT_FALSE(pair.left.send(BrokerHello{})) << "and nobody greets twice";
    EXPECT_FALSE(pair.right.send(BrokerWelcome{}));
}

TEST(ChannelTest, ARequestBeforeTheGreetingIsAViolation) {
    Pair pair(kBroker, kSupervisor, kGreeting);
    send_bare(pair.left.fd(), packet_of(OpenCell{"app"}));
    Packet packet;
    ASSERT_EQ(pair.right.receive(packet), Received::kViolation);
    EXPECT_THAT(pair.right.violation(), HasSubstr("OpenCell out of phase"));
}

TEST(ChannelTest, ASecondGreetingIsAViolation) {
    Pair pair(kSpawner, kSupervisor, kGreeting);
    ASSERT_TRUE(pair.left.send(CellReady{}));
    Packet packet;
    ASSERT_EQ(pair.right.receive(packet), Received::kPacket);
    send_bare(pair.left.fd(), packet_of(CellReady{}));
    ASSERT_EQ(pair.right.receive(packet), Received::kViolation);
    EXPECT_THAT(pair.right.violation(), HasSubstr("CellReady out of phase"));
}

TEST(ChannelTest, APacketThatIsRefusedOpensNothing) {
    Pair pair(kSpawner, kSupervisor, kGreeting);
    send_bare(pair.left.fd(), packet_of(CellReady{}) + std::string(kSmall, '\0'));
    Packet packet;
    ASSERT_EQ(pair.right.receive(packet), Received::kViolation);
    const UniqueFd null = null_device();
    const int sent[] = {null.get()};
    EXPECT_FALSE(pair.right.send(AttachBroker{}, sent)) << "still in the greeting";
}

TEST(ChannelTest, APeerThatHasGoneIsToldAfterItsLastMessage) {
    Pair pair(kSpawner, kBroker);
    ASSERT_TRUE(pair.left.send(ChildEnded{}));
    pair.left.close();
    Packet packet;
    EXPECT_EQ(pair.right.receive(packet), Received::kPacket);
    EXPECT_EQ(pair.right.receive(packet), Received::kClosed);
    const auto sent = pair.right.send(NewSlot{});
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error().code, EPIPE) << "an error, and no SIGPIPE";
}

TEST(ChannelTest, AnEmptyPacketIsTakenForTheEnd) {
    Pair pair(kSpawner, kBroker);
    const UniqueFd null = null_device();
    const auto before = open_descriptors();
    send_bare(pair.left.fd(), "", {null.get()});
    {
        Packet packet;
        EXPECT_EQ(pair.right.receive(packet), Received::kClosed);
    }
    EXPECT_EQ(open_descriptors(), before);
}

TEST(ChannelTest, APeerThatDoesNotReadIsAnErrorOfItsOwn) {
    Pair pair(kSpawner, kBroker);
    int sent = 0;
    Result<> last = Ok{};
    while (sent < 100'000 && (last = pair.left.send(ChildEnded{}))) ++sent;
    ASSERT_FALSE(last);
    EXPECT_EQ(last.error().code, EAGAIN);
    EXPECT_GT(sent, 0);
    Packet packet;
    ASSERT_EQ(pair.right.receive(packet), Received::kPacket);
    for (int i = 1; i < sent; ++i) ASSERT_EQ(pair.right.receive(packet), Received::kPacket);
    EXPECT_TRUE(pair.left.send(ChildEnded{})) << "and it goes on once the peer reads";
}

TEST(ChannelTest, AStartWithTheLargestArgumentThatExecTakesPasses) {
    Pair pair(kBroker, kCommand);
    Start start;
    start.argv = {"echo", std::string(131'071, 'a')};  // MAX_ARG_STRLEN with its final NUL
    start.environment = {"LANG=C"};
    start.cwd = std::string(4095, 'd');
    const auto sent = pair.left.send(start);
    ASSERT_TRUE(sent) << sent.error().text();
    Packet packet;
    ASSERT_EQ(pair.right.receive(packet), Received::kPacket);
    const auto back = packet.as<Start>();
    ASSERT_TRUE(back);
    EXPECT_EQ(back->argv, start.argv);
    EXPECT_EQ(back->cwd, start.cwd);
}

TEST(ChannelTest, AMovedChannelGoesOnWhereItWas) {
    Pair pair(kSpawner, kSupervisor, kGreeting);
    ASSERT_TRUE(pair.left.send(CellReady{}));
    Packet packet;
    ASSERT_EQ(pair.right.receive(packet), Received::kPacket);
    Channel moved = std::move(pair.right);
    const UniqueFd null = null_device();
    const int sent[] = {null.get()};
    EXPECT_TRUE(moved.send(AttachBroker{}, sent));
    EXPECT_FALSE(pair.right) << "what it was moved from has no socket";
}

}  // namespace
}  // namespace toren::ipc
