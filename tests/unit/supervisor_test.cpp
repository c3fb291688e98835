#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstdlib>
#include <sstream>

#include "base/log.h"
#include "supervisor/audit_log.h"
#include "supervisor/listeners.h"
#include "supervisor/log_relay.h"
#include "supervisor/state_folder.h"
#include "tests/unit/temp_folder.h"

namespace toren::supervisor {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using Strings = std::vector<std::string>;

Strings lines_of(const std::string& text) {
    Strings lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

std::string content(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

mode_t mode_of(const std::string& path) {
    struct stat about {};
    EXPECT_EQ(::stat(path.c_str(), &about), 0) << path;
    return about.st_mode & 07777;
}

// What is written to standard error while it lives.
class StandardError {
public:
    StandardError() : memory_(::memfd_create("stderr", MFD_CLOEXEC)), before_(::fcntl(2, F_DUPFD_CLOEXEC, 3)) {
        ::dup2(memory_.get(), 2);
    }
    StandardError(const StandardError&) = delete;
    StandardError& operator=(const StandardError&) = delete;
    ~StandardError() { ::dup2(before_.get(), 2); }
    std::string text() const { return content("/proc/self/fd/" + std::to_string(memory_.get())); }

private:
    UniqueFd memory_, before_;
};

// --- the state folder

TEST(StateFolderTest, ItIsMadeForItsOwnerAloneWithAllThatIsAboveIt) {
    const TempFolder temp;
    const mode_t before = ::umask(0);
    const auto state = StateFolder::open(temp / "a/b/state");
    ::umask(before);
    ASSERT_TRUE(state) << state.error().text();
    EXPECT_EQ(state->path(), temp / "a/b/state");
    EXPECT_EQ(state->broker_path(), temp / "a/b/state/broker");
    for (const char* folder : {"a", "a/b", "a/b/state", "a/b/state/broker"})
        EXPECT_EQ(mode_of(temp / folder), 0700U) << folder;
    EXPECT_EQ(mode_of(temp / "a/b/state/lock"), 0600U);
}

TEST(StateFolderTest, OneDaemonHasIt) {
    const TempFolder temp;
    auto first = StateFolder::open(temp / "state");
    ASSERT_TRUE(first);
    temp.link("state", "other-name");
    for (const char* name : {"state", "state/", "other-name", "./state/../state"}) {
        const auto second = StateFolder::open(temp / name);
        ASSERT_FALSE(second) << name;
        EXPECT_THAT(second.error().text(), HasSubstr("another daemon uses it"));
        EXPECT_THAT(second.error().text(), HasSubstr("'" + (temp / "state") + "'"));
    }
    { const StateFolder ended = std::move(*first); }
    EXPECT_TRUE(StateFolder::open(temp / "state")) << "and the next one when it has ended";
}

TEST(StateFolderTest, APathThatIsNoFolderIsAnErrorThatNamesIt) {
    const TempFolder temp;
    temp.file("file", "");
    for (const char* name : {"file", "file/state"}) {
        const auto state = StateFolder::open(temp / name);
        ASSERT_FALSE(state) << name;
        EXPECT_THAT(state.error().text(), HasSubstr(temp / "file"));
    }
}

TEST(StateFolderTest, ALinkInPlaceOfTheLockIsRefused) {
    const TempFolder temp;
    temp.folder("state");
    temp.file("elsewhere", "");
    temp.link("../elsewhere", "state/lock");
    EXPECT_FALSE(StateFolder::open(temp / "state"));
}

TEST(StateFolderTest, CreatedSegmentsAreRememberedInOrderAcrossDaemons) {
    const TempFolder temp;
    {
        const auto state = StateFolder::open(temp / "state");
        ASSERT_TRUE(state);
        EXPECT_THAT(*state->created_segments(), IsEmpty());
        ASSERT_TRUE(state->remember_segment("/home/me/one"));
        ASSERT_TRUE(state->remember_segment("/home/me/two words"));
    }
    const auto state = StateFolder::open(temp / "state");
    ASSERT_TRUE(state);
    EXPECT_THAT(*state->created_segments(), ElementsAre("/home/me/one", "/home/me/two words"));
    ASSERT_TRUE(state->remember_segment("/home/me/three"));
    EXPECT_EQ(state->created_segments()->size(), 3U);
    EXPECT_EQ(mode_of(temp / "state/created-segments"), 0600U);
}

TEST(StateFolderTest, AListLongerThanOneReadIsReadWhole) {
    const TempFolder temp;
    const auto state = StateFolder::open(temp / "state");
    ASSERT_TRUE(state);
    Strings expected;
    std::string all;
    for (int i = 0; i < 1000; ++i) all += expected.emplace_back("/home/me/segment-" + std::to_string(i)) + "\n";
    temp.file("state/created-segments", all);
    EXPECT_EQ(*state->created_segments(), expected);
}

TEST(StateFolderTest, ALineThatWasCutOffByACrashIsNotTakenForASegment) {
    const TempFolder temp;
    const auto state = StateFolder::open(temp / "state");
    ASSERT_TRUE(state);
    temp.file("state/created-segments", "/home/me/whole\n/home/me/ha");
    EXPECT_THAT(*state->created_segments(), ElementsAre("/home/me/whole"));
}

TEST(StateFolderTest, ALineAfterOneThatWasCutOffIsALineOfItsOwn) {
    const TempFolder temp;
    const auto state = StateFolder::open(temp / "state");
    ASSERT_TRUE(state);
    temp.file("state/created-segments", "/home/me/whole\n/home/me/ha");
    ASSERT_TRUE(state->remember_segment("/home/me/new"));
    EXPECT_THAT(*state->created_segments(), ::testing::Contains("/home/me/new"));
    EXPECT_THAT(*state->created_segments(), Not(::testing::Contains("/home/me/ha/home/me/new")));
}

TEST(StateFolderTest, TheDefaultFollowsTheDesktopsConvention) {
    const char* before = std::getenv("XDG_STATE_HOME");
    const std::string kept = before == nullptr ? "" : before;
    ::unsetenv("XDG_STATE_HOME");
    EXPECT_EQ(default_state_path("/home/me"), "/home/me/.local/state/toren");
    ::setenv("XDG_STATE_HOME", "/state", 1);
    EXPECT_EQ(default_state_path("/home/me"), "/state/toren");
    ::setenv("XDG_STATE_HOME", "relative", 1);
    EXPECT_EQ(default_state_path("/home/me"), "/home/me/.local/state/toren") << "which says to ignore relative ones";
    ::setenv("XDG_STATE_HOME", "", 1);
    EXPECT_EQ(default_state_path("/home/me"), "/home/me/.local/state/toren");
    if (before == nullptr) ::unsetenv("XDG_STATE_HOME");
    else ::setenv("XDG_STATE_HOME", kept.c_str(), 1);
}

// --- logs

// What the relay makes of a child's bytes, up to the child's end.
std::string relayed(const std::string& bytes) {
    const StandardError standard_error;
    UniqueFd child;
    auto relay = LogRelay::create(child);
    EXPECT_TRUE(relay);
    EXPECT_GE(::fcntl(child.get(), F_SETPIPE_SZ, 1 << 18), static_cast<int>(bytes.size()));
    EXPECT_EQ(::write(child.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    child.reset();
    while (relay->fd() >= 0) relay->pass_on();
    return standard_error.text();
}

TEST(LogRelayTest, LinesArePassedOnAsTheyAre) {
    EXPECT_EQ(relayed("one\ntwo three\n"), "one\ntwo three\n");
    EXPECT_EQ(relayed("without an end"), "without an end\n");
    EXPECT_EQ(relayed(""), "");
    EXPECT_EQ(relayed("M\xC3\xBCller \xE2\x80\x99 \xC5\x9B \xF0\x9F\x98\x80\n"),
              "M\xC3\xBCller \xE2\x80\x99 \xC5\x9B \xF0\x9F\x98\x80\n");
}

TEST(LogRelayTest, NoControlCharacterReachesTheTerminal) {
    std::string all;
    for (int byte = 0; byte < 0x20; ++byte) all += static_cast<char>(byte);
    const std::string text = relayed("\x1b]0;title\x07\x1b[2J\x7f\r\b\t" + all + "end\n");
    for (const char c : text)
        EXPECT_TRUE(c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f)) << static_cast<int>(c);
    EXPECT_THAT(text, EndsWith("end\n"));
}

TEST(LogRelayTest, NoControlCharacterOfTheSecondHalfReachesTheTerminal) {
    // U+009B is another way to write ESC [, and terminals take it, in UTF-8 and as the bare byte.
    EXPECT_THAT(relayed("\xC2\x9B"
                        "31m red\n"),
                Not(HasSubstr("\xC2\x9B")));
    EXPECT_THAT(relayed("\x9B"
                        "31m red\n"),
                Not(HasSubstr("\x9B")));
    EXPECT_THAT(relayed("\xC2\x9D"
                        "0;title\xC2\x9C\n"),
                Not(HasSubstr("\xC2\x9D")));
}

TEST(LogRelayTest, ALineWithoutEndGoesOutInPieces) {
    const std::string text = relayed(std::string(100'000, 'x') + "\nnext\n");
    std::string joined;
    auto lines = lines_of(text);
    ASSERT_GT(lines.size(), 20U);
    EXPECT_EQ(lines.back(), "next");
    lines.pop_back();
    for (const auto& line : lines) {
        EXPECT_LE(line.size(), 4096U);
        joined += line;
    }
    EXPECT_EQ(joined, std::string(100'000, 'x'));
}

TEST(LogRelayTest, ALineThatComesInPartsIsPassedOnOnce) {
    const StandardError standard_error;
    UniqueFd child;
    auto relay = LogRelay::create(child);
    ASSERT_TRUE(relay);
    ASSERT_EQ(::write(child.get(), "half", 4), 4);
    relay->pass_on();
    EXPECT_EQ(standard_error.text(), "");
    relay->pass_on();
    EXPECT_GE(relay->fd(), 0) << "nothing has come, which is not the end";
    ASSERT_EQ(::write(child.get(), " a line\nand", 11), 11);
    relay->pass_on();
    EXPECT_EQ(standard_error.text(), "half a line\n");
    child.reset();
    relay->pass_on();
    EXPECT_EQ(relay->fd(), -1);
    EXPECT_EQ(standard_error.text(), "half a line\nand\n");
}

TEST(LogRelayTest, OnlyTheSupervisorsEndNeverWaits) {
    UniqueFd child;
    const auto relay = LogRelay::create(child);
    ASSERT_TRUE(relay);
    EXPECT_NE(::fcntl(relay->fd(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::fcntl(child.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::fcntl(relay->fd(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(::fcntl(child.get(), F_GETFD), FD_CLOEXEC);
}

TEST(LogTest, AnEntryIsOneLineWithItsLevelAndProcess) {
    const StandardError standard_error;
    set_log_process("unit-test");
    log_warning("first\nsecond \"quoted\" \\ \x1b[31m");
    set_log_process("toren");
    EXPECT_THAT(standard_error.text(),
                MatchesRegex("time=[0-9-]+T[0-9:]+Z level=warn process=unit-test "
                             "message=\"first\\\\nsecond \\\\\"quoted\\\\\" \\\\\\\\ \\\\x1b\\[31m\"\n"));
}

TEST(LogTest, EveryControlCharacterIsEscaped) {
    using namespace std::string_literals;
    EXPECT_EQ(escape_controls("plain \xC3\xA9 \xE2\x80\x99"), "plain \xC3\xA9 \xE2\x80\x99");
    EXPECT_EQ(escape_controls("\0\x01\n\r\t\x1b\x1f\x7f"s), R"(\x00\x01\n\x0d\x09\x1b\x1f\x7f)");
    EXPECT_EQ(escape_controls("\"\\"), R"(\"\\)");
}

TEST(LogTest, EveryControlCharacterOfTheSecondHalfIsEscaped) {
    EXPECT_THAT(escape_controls("\xC2\x9B"
                                "31m"),
                Not(HasSubstr("\xC2\x9B")));
    EXPECT_THAT(escape_controls("\x9B"
                                "31m"),
                Not(HasSubstr("\x9B")));
}

TEST(AuditLogTest, AnEventIsOneLineThatStaysAfterTheDaemon) {
    const TempFolder temp;
    {
        auto audit = AuditLog::open(temp.path());
        ASSERT_TRUE(audit) << audit.error().text();
        audit->record("started", "");
        EXPECT_EQ(lines_of(content(temp / "audit.log")).size(), 1U) << "at once";
        audit->record("cell-opened", "app\nevent=forged \"x\" \x1b[2J");
    }
    auto audit = AuditLog::open(temp.path());
    ASSERT_TRUE(audit);
    audit->record("ended", "by a signal");
    const Strings lines = lines_of(content(temp / "audit.log"));
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_THAT(lines[0], MatchesRegex("time=[0-9-]+T[0-9:]+Z event=started detail=\"\""));
    EXPECT_THAT(lines[1], EndsWith(R"( event=cell-opened detail="app\nevent=forged \"x\" \x1b[2J")"));
    EXPECT_THAT(lines[2], EndsWith(" event=ended detail=\"by a signal\""));
    EXPECT_EQ(mode_of(temp / "audit.log"), 0600U);
}

TEST(AuditLogTest, ALinkInItsPlaceIsRefused) {
    const TempFolder temp;
    temp.file("elsewhere", "kept");
    temp.link("elsewhere", "audit.log");
    const auto audit = AuditLog::open(temp.path());
    ASSERT_FALSE(audit);
    EXPECT_THAT(audit.error().text(), HasSubstr(temp / "audit.log"));
    EXPECT_EQ(content(temp / "elsewhere"), "kept");
}

TEST(AuditLogTest, WhatCannotBeRecordedIsSaidOnTheLog) {
    const TempFolder temp;
    temp.folder("state");
    ASSERT_EQ(::mknod((temp / "state/audit.log").c_str(), S_IFREG | 0600, 0), 0);
    auto audit = AuditLog::open(temp / "state");
    ASSERT_TRUE(audit);
    const StandardError standard_error;
    struct rlimit_guard {
        rlimit before{};
        rlimit_guard() {
            ::getrlimit(RLIMIT_FSIZE, &before);
            const rlimit none{0, before.rlim_max};
            ::setrlimit(RLIMIT_FSIZE, &none);
        }
        ~rlimit_guard() { ::setrlimit(RLIMIT_FSIZE, &before); }
    };
    const auto handler = ::signal(SIGXFSZ, SIG_IGN);
    std::string said;
    {
        UniqueFd child;
        auto relay = LogRelay::create(child);
        const UniqueFd to_memory(::fcntl(2, F_DUPFD_CLOEXEC, 3));
        ::dup2(child.get(), 2);  // a pipe: the limit is for files alone
        {
            const rlimit_guard full;
            audit->record("event", "detail");
        }
        ::dup2(to_memory.get(), 2);
        child.reset();
        while (relay->fd() >= 0) relay->pass_on();
        said = standard_error.text();
    }
    ::signal(SIGXFSZ, handler);
    EXPECT_THAT(said, HasSubstr("audit log: File too large"));
}

// --- the listeners

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

bool accepts_on_loopback(std::uint16_t port) {
    const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool host_has_ipv6_loopback() {
    const auto listeners = bind_listeners("::1", 0);
    return static_cast<bool>(listeners);
}

TEST(ListenersTest, PortZeroTakesAFreeOneAndTellsIt) {
    const auto listeners = bind_listeners("127.0.0.1", 0);
    ASSERT_TRUE(listeners) << listeners.error().text();
    ASSERT_EQ(listeners->size(), 1U);
    const Listener& listener = listeners->front();
    EXPECT_EQ(listener.host, "127.0.0.1");
    EXPECT_NE(listener.port, 0);
    EXPECT_TRUE(accepts_on_loopback(listener.port));
    EXPECT_EQ(::fcntl(listener.socket.get(), F_GETFD), FD_CLOEXEC);
    EXPECT_NE(::fcntl(listener.socket.get(), F_GETFL) & O_NONBLOCK, 0);
    const auto another = bind_listeners("127.0.0.1", 0);
    ASSERT_TRUE(another);
    EXPECT_NE(another->front().port, listener.port);
}

TEST(ListenersTest, AGivenPortIsTakenAndTakenOnce) {
    std::uint16_t port = 0;
    {
        const auto free = bind_listeners("127.0.0.1", 0);
        ASSERT_TRUE(free);
        port = free->front().port;
        const auto second = bind_listeners("127.0.0.1", port);
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, EADDRINUSE);
        EXPECT_THAT(second.error().text(), HasSubstr("listen on 127.0.0.1:" + std::to_string(port)));
    }
    EXPECT_FALSE(accepts_on_loopback(port)) << "closed with its owner";
}

TEST(ListenersTest, LocalhostHasOnePortOnEveryAddress) {
    const auto listeners = bind_listeners("localhost", 0);
    ASSERT_TRUE(listeners) << listeners.error().text();
    ASSERT_FALSE(listeners->empty());
    for (const Listener& listener : *listeners) {
        EXPECT_EQ(listener.port, listeners->front().port);
        EXPECT_TRUE(listener.host == "127.0.0.1" || listener.host == "[::1]") << listener.host;
    }
}

TEST(ListenersTest, AnIpv6AddressStandsInBracketsAndTakesNoIpv4) {
    if (!host_has_ipv6_loopback()) GTEST_SKIP() << "this machine has no ::1";
    const auto listeners = bind_listeners("::1", 0);
    ASSERT_TRUE(listeners);
    EXPECT_EQ(listeners->front().host, "[::1]");
    int only = 0;
    socklen_t size = sizeof only;
    ASSERT_EQ(::getsockopt(listeners->front().socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, &size), 0);
    EXPECT_EQ(only, 1);
}

TEST(ListenersTest, AnAddressThatIsNotOursIsAnErrorThatNamesIt) {
    const auto listeners = bind_listeners("192.0.2.1", 0);
    ASSERT_FALSE(listeners);
    EXPECT_THAT(listeners.error().text(), HasSubstr("192.0.2.1"));
}

TEST(ListenersTest, APortThatSomebodyElseHasOnOneAddressOfLocalhostIsAnError) {
    // Half of localhost would be another program's: whoever asks for it reaches the one or the other.
    const auto both = bind_listeners("localhost", 0);
    ASSERT_TRUE(both);
    if (both->size() < 2) GTEST_SKIP() << "localhost has one address here";
    for (const char* taken : {"127.0.0.1", "::1"}) {
        const auto others = bind_listeners(taken, 0);
        ASSERT_TRUE(others);
        const auto ours = bind_listeners("localhost", others->front().port);
        EXPECT_FALSE(ours) << "with " << taken << " taken, it listens on " << (ours ? ours->front().host : "");
    }
}

}  // namespace
}  // namespace toren::supervisor
