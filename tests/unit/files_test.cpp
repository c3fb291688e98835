#include "workers/files/files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <sstream>

#include "base/child_process.h"
#include "tests/unit/temp_folder.h"
#include "workers/files/atomic_write.h"
#include "workers/files/beneath.h"

namespace toren::workers {
namespace {

using ipc::Failure;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr std::uint64_t kMany = 64 * 1024 * 1024;
const std::string kSecret = "the outside's secret";

UniqueFd open_folder(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

std::string content(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

struct stat about(const std::string& path) {
    struct stat found {};
    EXPECT_EQ(::lstat(path.c_str(), &found), 0) << path;
    return found;
}

struct Answered {
    Failure failure = Failure::kOther;
    std::string error;
    std::string bytes;  // of all Chunks
};

// A files worker in a process of its own, without its sandbox: what holds here is what the kernel's resolution holds.
class Worker {
public:
    explicit Worker(const std::string& segment, rlim_t largest_file = RLIM_INFINITY) {
        auto ends = ipc::socket_pair();
        auto child = ChildProcess::fork();
        EXPECT_TRUE(ends && child);
        if (!*child) {
            ends->first.reset();
            ::umask(0022);
            const rlimit limit{largest_file, largest_file};
            ::setrlimit(RLIMIT_FSIZE, &limit);
            if (largest_file != RLIM_INFINITY) ::signal(SIGXFSZ, SIG_IGN);  // what comes then is EFBIG
            ServiceChannel channel(std::move(ends->second));
            Files files(open_folder(segment));
            channel.run([&](const ipc::Packet& request) { return files.serve(channel, request); });
        }
        ends->second.reset();
        process_ = std::move(**child);
        channel_ = ipc::Channel(std::move(ends->first), ipc::Role::kBroker, ipc::Role::kService, ipc::Phase::kOpen);
    }

    template <typename T>
    void send(const T& message) {
        const auto sent = channel_.send(message);
        EXPECT_TRUE(sent) << sent.error().text();
    }
    Answered answer() {
        Answered answered;
        ipc::Packet packet;
        while (true) {
            const auto received = channel_.receive(packet);
            if (received != ipc::Received::kPacket) {
                answered.error = "the worker has gone";
                return answered;
            }
            if (const auto chunk = packet.as<ipc::Chunk>()) {
                answered.bytes += chunk->bytes;
            } else {
                const auto done = packet.as<ipc::Done>();
                EXPECT_TRUE(done);
                answered.failure = done->failure;
                answered.error = done->error;
                return answered;
            }
        }
    }

    Answered read(const std::string& path, std::uint64_t max_bytes = kMany) {
        send(ipc::ReadFile{path, max_bytes});
        return answer();
    }
    Answered write(const std::string& path, const std::string& bytes, bool create_parents = true) {
        send(ipc::WriteFile{path, create_parents});
        for (std::size_t at = 0; at < bytes.size(); at += ipc::kChunkBytes)
            send(ipc::Chunk{bytes.substr(at, ipc::kChunkBytes)});
        send(ipc::Chunk{});
        return answer();
    }
    std::map<std::string, ipc::FolderEntry> entries;  // of the last list()
    Answered list(const std::string& path, std::uint64_t max_entries = 10'000) {
        send(ipc::ListFolder{path, max_entries});
        Answered answered = answer();
        entries.clear();
        for (ipc::Reader reader(answered.bytes); !reader.at_end();) {
            ipc::FolderEntry entry;
            if (!reader.read(entry)) {
                ADD_FAILURE() << "half an entry";
                break;
            }
            EXPECT_TRUE(entries.emplace(entry.name, entry).second) << entry.name << " twice";
        }
        return answered;
    }

    // A packet that no row of the protocol allows.
    void break_a_rule() { EXPECT_EQ(::send(channel_.fd(), "\xff\xff", 2, MSG_NOSIGNAL), 2); }
    void leave() { channel_.close(); }
    ExitStatus end() {
        pollfd ended{process_.pidfd(), POLLIN, 0};
        EXPECT_EQ(::poll(&ended, 1, 20'000), 1) << "the worker does not end";
        return process_.try_wait().value_or(ExitStatus{-1, -1});
    }

private:
    ChildProcess process_;
    ipc::Channel channel_;
};

// An outside folder with a secret, a segment beside it, and a worker in the segment.
class FilesTest : public ::testing::Test {
protected:
    FilesTest() : outside_(temp_.folder("outside")), segment_(temp_.folder("segment")), worker_(segment_) {
        temp_.file("outside/secret", kSecret);
        temp_.file("segment/file", "inside");
        temp_.folder("segment/dir/deep");
        temp_.file("segment/dir/deep/leaf", "leaf");
    }
    ~FilesTest() override {
        EXPECT_EQ(content(temp_ / "outside/secret"), kSecret) << "nothing outside was written";
        EXPECT_EQ(names("outside"), std::vector<std::string>{"secret"}) << "nothing outside was made";
        EXPECT_THAT(temporary_files(), IsEmpty());
    }

    std::vector<std::string> names(const std::string& folder) const {
        std::vector<std::string> all;
        for (const auto& entry : std::filesystem::directory_iterator(temp_ / folder))
            all.push_back(entry.path().filename());
        std::sort(all.begin(), all.end());
        return all;
    }
    std::vector<std::string> temporary_files() const {
        std::vector<std::string> left;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(segment_))
            if (entry.path().filename().string().starts_with(".toren-write-")) left.push_back(entry.path());
        return left;
    }

    TempFolder temp_;
    std::string outside_, segment_;
    Worker worker_;
};

// --- read

TEST_F(FilesTest, AFileIsReadWhole) {
    std::string large;
    for (int i = 0; large.size() < 300'000; ++i) large += std::to_string(i) + '\0';
    temp_.file("segment/large", large);
    temp_.file("segment/empty", "");
    EXPECT_EQ(worker_.read("file").bytes, "inside");
    EXPECT_EQ(worker_.read("file").failure, Failure::kNone);
    EXPECT_TRUE(worker_.read("large").bytes == large);
    EXPECT_EQ(worker_.read("empty").failure, Failure::kNone);
    EXPECT_EQ(worker_.read("empty").bytes, "");
}

TEST_F(FilesTest, EveryWayToWriteAPathBeneathReads) {
    for (const char* path : {"./file", "dir/../file", "dir//deep/../../file", "dir/deep/../../dir/../file"})
        EXPECT_EQ(worker_.read(path).bytes, "inside") << path;
}

TEST_F(FilesTest, NoPathReadsOutside) {
    for (const std::string& path :
         {std::string("../outside/secret"), std::string("dir/../../outside/secret"), std::string("/etc/passwd"),
          outside_ + "/secret", std::string(".."), std::string("../segment/file"), std::string("/"),
          std::string("//etc/passwd"), std::string("./../outside/secret"),
          "../../../../../../../.." + outside_ + "/secret"}) {
        const Answered answered = worker_.read(path);
        EXPECT_EQ(answered.failure, Failure::kLeavesSegment) << path << ": " << answered.error;
        EXPECT_EQ(answered.bytes, "") << path;
    }
    EXPECT_EQ(worker_.read("file").bytes, "inside") << "and the worker goes on";
}

TEST_F(FilesTest, NoLinkReadsOutside) {
    temp_.link(outside_ + "/secret", "segment/absolute");
    temp_.link("../outside/secret", "segment/relative");
    temp_.link("absolute", "segment/chained");
    temp_.link("../chained", "segment/dir/chained");
    temp_.link(outside_, "segment/folder");
    temp_.link("..", "segment/up");
    temp_.link(segment_ + "/file", "segment/absolute-inside");
    temp_.link("/proc/self/root", "segment/proc");
    ASSERT_EQ(content(temp_ / "segment/dir/chained"), kSecret) << "the control: an open without care follows them";
    ASSERT_EQ(content(temp_ / "segment/folder/secret"), kSecret);
    for (const char* path : {"absolute", "relative", "chained", "dir/chained", "folder/secret", "up/outside/secret",
                             "absolute-inside", "proc/etc/passwd"}) {
        const Answered answered = worker_.read(path);
        EXPECT_EQ(answered.failure, Failure::kLeavesSegment) << path << ": " << answered.error;
        EXPECT_EQ(answered.bytes, "") << path;
    }
}

TEST_F(FilesTest, LinksThatStayInsideAreFollowed) {
    temp_.link("file", "segment/link");
    temp_.link("deep/../../link", "segment/dir/chained");
    temp_.link("dir/deep", "segment/folder");
    EXPECT_EQ(worker_.read("link").bytes, "inside");
    EXPECT_EQ(worker_.read("dir/chained").bytes, "inside");
    EXPECT_EQ(worker_.read("folder/leaf").bytes, "leaf");
    EXPECT_EQ(worker_.read("folder/../../file").bytes, "inside") << "after a link .. is its target's folder";
}

TEST_F(FilesTest, MagicLinksOfProcAreNotFollowed) {
    // Whoever can name /proc beneath its segment must not reach a descriptor's target by it.
    const UniqueFd secret(::open((outside_ + "/secret").c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd proc = open_folder("/proc");
    const std::string path = "self/fd/" + std::to_string(secret.get());
    char letter = 0;
    const UniqueFd plain(::openat(proc.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::read(plain.get(), &letter, 1), 1) << "the control: a plain open reads it";
    const auto opened = open_beneath(proc.get(), path, O_RDONLY);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ELOOP) << opened.error().text();
}

TEST_F(FilesTest, WhatIsNoRegularFileIsSaidToBeWhatItIs) {
    ASSERT_EQ(::mkfifo((segment_ + "/fifo").c_str(), 0644), 0);
    EXPECT_EQ(worker_.read("fifo").failure, Failure::kNotRegular) << "and it does not wait for a writer";
    EXPECT_EQ(worker_.read("dir").failure, Failure::kIsFolder);
    EXPECT_EQ(worker_.read(".").failure, Failure::kIsFolder);
    EXPECT_EQ(worker_.read("dir/").failure, Failure::kIsFolder);
    EXPECT_EQ(worker_.read("dir/..").failure, Failure::kIsFolder);
    EXPECT_EQ(worker_.read("missing").failure, Failure::kNotFound);
    EXPECT_EQ(worker_.read("missing/file").failure, Failure::kNotFound);
    EXPECT_EQ(worker_.read("").failure, Failure::kNotFound);
    EXPECT_EQ(worker_.read("file/below").failure, Failure::kNotFolder);
    EXPECT_EQ(worker_.read("file/").failure, Failure::kNotFolder);
    temp_.link("nowhere", "segment/dangling");
    EXPECT_EQ(worker_.read("dangling").failure, Failure::kNotFound);
    temp_.link("loop", "segment/loop");
    EXPECT_EQ(worker_.read("loop").failure, Failure::kDenied);
    EXPECT_THAT(worker_.read("missing").error, HasSubstr("'missing': No such file or directory"));
}

TEST_F(FilesTest, ADeviceIsNoRegularFile) {
    Worker devices("/dev");
    EXPECT_EQ(devices.read("null").failure, Failure::kNotRegular);
    EXPECT_EQ(devices.read("zero").failure, Failure::kNotRegular) << "and its bytes without end are not read";
}

TEST_F(FilesTest, ASocketIsNoRegularFile) {
    const UniqueFd listening(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (segment_ + "/socket").c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(listening.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const Answered answered = worker_.read("socket");
    EXPECT_EQ(answered.failure, Failure::kNotRegular) << answered.error;
    EXPECT_EQ(worker_.write("socket", "x").failure, Failure::kDenied);
}

TEST_F(FilesTest, ANameLongerThanTheKernelTakesIsARefusalWithAName) {
    // kOther becomes 500 internal: what a client can send must not.
    const std::string name(300, 'n');
    std::string path;
    for (int i = 0; i < 3000; ++i) path += "d/";
    for (const auto& too_long : {name, path + "file"}) {
        EXPECT_NE(worker_.read(too_long).failure, Failure::kOther);
        EXPECT_NE(worker_.write(too_long, "x").failure, Failure::kOther);
        EXPECT_NE(worker_.list(too_long).failure, Failure::kOther);
    }
}

TEST_F(FilesTest, AFileLargerThanTheLimitIsRefusedAndOneOfItsSizeIsNot) {
    temp_.file("segment/hundred", std::string(100'000, 'x'));
    EXPECT_EQ(worker_.read("hundred", 100'000).failure, Failure::kNone);
    const Answered answered = worker_.read("hundred", 99'999);
    EXPECT_EQ(answered.failure, Failure::kTooLarge);
    EXPECT_THAT(answered.error, HasSubstr("limits.read_bytes"));
    EXPECT_LE(answered.bytes.size(), 99'999U);
    EXPECT_EQ(worker_.read("file", 0).failure, Failure::kTooLarge);
}

TEST_F(FilesTest, AFileThatMayNotBeReadIsDenied) {
    if (::geteuid() == 0) GTEST_SKIP() << "root may read every file";
    ASSERT_EQ(::chmod((segment_ + "/file").c_str(), 0), 0);
    EXPECT_EQ(worker_.read("file").failure, Failure::kDenied);
    ASSERT_EQ(::chmod((segment_ + "/dir").c_str(), 0500), 0);
    EXPECT_EQ(worker_.write("dir/new", "x").failure, Failure::kDenied);
    ASSERT_EQ(::chmod((segment_ + "/dir").c_str(), 0700), 0);
}

// --- write

TEST_F(FilesTest, ANewFileHasItsContentAndAnOrdinaryMode) {
    std::string large;
    for (int i = 0; large.size() < 1'000'000; ++i) large += std::to_string(i) + '\n';
    EXPECT_EQ(worker_.write("new", large).failure, Failure::kNone);
    EXPECT_TRUE(content(segment_ + "/new") == large);
    EXPECT_EQ(about(segment_ + "/new").st_mode & 07777, 0644U) << "0666 less the worker's umask";
    EXPECT_EQ(worker_.write("empty", "").failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/empty"), "");
}

TEST_F(FilesTest, AnExistingFileKeepsItsMode) {
    for (const mode_t mode : {0600U, 0755U, 0640U, 0666U, 0400U}) {
        ASSERT_EQ(::chmod((segment_ + "/file").c_str(), mode), 0);
        EXPECT_EQ(worker_.write("file", "new").failure, Failure::kNone);
        EXPECT_EQ(about(segment_ + "/file").st_mode & 07777, mode);
    }
    EXPECT_EQ(content(segment_ + "/file"), "new");
}

TEST_F(FilesTest, MissingFoldersAreMadeWhereTheRequestSaysSo) {
    EXPECT_EQ(worker_.write("a/b/c/new", "x", false).failure, Failure::kNotFound);
    EXPECT_FALSE(std::filesystem::exists(segment_ + "/a"));
    EXPECT_EQ(worker_.write("a/b/c/new", "x", true).failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/a/b/c/new"), "x");
    EXPECT_EQ(about(segment_ + "/a/b").st_mode & 07777, 0755U);
    EXPECT_EQ(worker_.write("a//b/./c/../other", "y", false).failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/a/b/other"), "y");
}

TEST_F(FilesTest, NoPathWritesOutside) {
    for (const std::string& path : {std::string("../outside/secret"), std::string("../outside/new"),
                                    outside_ + "/secret", outside_ + "/new", std::string("dir/../../outside/new"),
                                    std::string("../new"), std::string("../outside/a/b/new"), std::string("/new")}) {
        const Answered answered = worker_.write(path, "stolen");
        EXPECT_EQ(answered.failure, Failure::kLeavesSegment) << path << ": " << answered.error;
    }
    EXPECT_THAT(names("."), ElementsAre("outside", "segment"));
}

TEST_F(FilesTest, NoLinkWritesOutside) {
    temp_.link(outside_ + "/secret", "segment/absolute");
    temp_.link("../outside/secret", "segment/relative");
    temp_.link("../outside/new", "segment/dangling");
    temp_.link("relative", "segment/chained");
    temp_.link("../../outside/secret", "segment/dir/relative");
    temp_.link(outside_, "segment/folder");
    temp_.link("../outside", "segment/relative-folder");
    for (const char* path :
         {"absolute", "relative", "dangling", "chained", "dir/relative", "folder/secret", "folder/new",
          "relative-folder/secret", "relative-folder/new", "relative-folder/made/new"}) {
        const Answered answered = worker_.write(path, "stolen");
        EXPECT_EQ(answered.failure, Failure::kLeavesSegment) << path << ": " << answered.error;
    }
    EXPECT_TRUE(std::filesystem::is_symlink(segment_ + "/absolute")) << "and the links stay what they are";
    EXPECT_TRUE(std::filesystem::is_symlink(segment_ + "/dangling"));
}

TEST_F(FilesTest, ALinkInsideIsFollowedAndStays) {
    temp_.link("dir/deep/leaf", "segment/link");
    temp_.link("link", "segment/chained");
    temp_.link("../../file", "segment/dir/deep/back");
    temp_.link("dir/made", "segment/dangling");
    temp_.link("dir/deep", "segment/folder");
    EXPECT_EQ(worker_.write("chained", "by a chain").failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/dir/deep/leaf"), "by a chain");
    EXPECT_EQ(worker_.write("folder/back", "by a folder").failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/file"), "by a folder");
    EXPECT_EQ(worker_.write("dangling", "made").failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/dir/made"), "made");
    for (const char* link : {"link", "chained", "dir/deep/back", "dangling", "folder"})
        EXPECT_TRUE(std::filesystem::is_symlink(segment_ + "/" + link)) << link;
    EXPECT_FALSE(std::filesystem::is_symlink(segment_ + "/dir/deep/leaf"));
}

TEST_F(FilesTest, LinksWithoutEndAreRefused) {
    temp_.link("loop", "segment/loop");
    temp_.link("pong", "segment/ping");
    temp_.link("ping", "segment/pong");
    for (const char* path : {"loop", "ping", "loop/new"})
        EXPECT_EQ(worker_.write(path, "x").failure, Failure::kDenied) << path;
}

TEST_F(FilesTest, WhatIsNoRegularFileIsNotReplaced) {
    ASSERT_EQ(::mkfifo((segment_ + "/fifo").c_str(), 0644), 0);
    EXPECT_EQ(worker_.write("fifo", "x").failure, Failure::kDenied);
    EXPECT_TRUE(S_ISFIFO(about(segment_ + "/fifo").st_mode));
    for (const char* path : {"dir", "dir/", "dir/deep/..", ".", "dir/.", "", "..", "dir/.."}) {
        const Answered answered = worker_.write(path, "x");
        EXPECT_EQ(answered.failure, Failure::kIsFolder) << "'" << path << "': " << answered.error;
    }
    EXPECT_EQ(worker_.write("/", "x").failure, Failure::kIsFolder);
    for (const char* path : {"file/below", "file/below/that", "dir/deep/leaf/new"})
        EXPECT_EQ(worker_.write(path, "x").failure, Failure::kNotFolder) << path;
    EXPECT_EQ(content(segment_ + "/file"), "inside");
    EXPECT_THAT(names("segment"), ElementsAre("dir", "fifo", "file"));
}

TEST_F(FilesTest, AfterARefusalTheConversationIsInStep) {
    const std::string megabyte(1 << 20, 'x');
    EXPECT_EQ(worker_.write("../outside/new", megabyte).failure, Failure::kLeavesSegment);
    EXPECT_EQ(worker_.read("file").bytes, "inside");
    EXPECT_EQ(worker_.write("dir", megabyte).failure, Failure::kIsFolder);
    EXPECT_EQ(worker_.write("new", "x").failure, Failure::kNone);
    EXPECT_EQ(worker_.read("new").bytes, "x");
}

TEST_F(FilesTest, WhoeverHasTheOldFileOpenKeepsItWhole) {
    const UniqueFd before(::open((segment_ + "/file").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(worker_.write("file", "another").failure, Failure::kNone);
    char bytes[16];
    ASSERT_EQ(::read(before.get(), bytes, sizeof bytes), 6);
    EXPECT_EQ(std::string(bytes, 6), "inside") << "written whole, never through the old file";
    EXPECT_EQ(content(segment_ + "/file"), "another");
}

TEST_F(FilesTest, ATruncatedWriteIsNeverSeen) {
    // The content is on its way and not complete: the old file stands.
    worker_.send(ipc::WriteFile{"file", false});
    for (int i = 0; i < 10; ++i) worker_.send(ipc::Chunk{std::string(ipc::kChunkBytes, 'x')});
    EXPECT_EQ(content(segment_ + "/file"), "inside");
    worker_.send(ipc::Chunk{});
    EXPECT_EQ(worker_.answer().failure, Failure::kNone);
    EXPECT_EQ(about(segment_ + "/file").st_size, static_cast<off_t>(10 * ipc::kChunkBytes));
}

TEST_F(FilesTest, ABrokerThatLeavesInTheMiddleOfAWriteLeavesNothingBehind) {
    worker_.send(ipc::WriteFile{"file", false});
    worker_.send(ipc::Chunk{std::string(ipc::kChunkBytes, 'x')});
    worker_.leave();
    EXPECT_EQ(worker_.end().signal, 0);
    EXPECT_EQ(content(segment_ + "/file"), "inside");
    EXPECT_THAT(temporary_files(), IsEmpty());
}

TEST_F(FilesTest, AFileLargerThanTheResourceLimitIsARefusalAndLeavesNothingBehind) {
    // limits.file_bytes is the whole cell's RLIMIT_FSIZE, the files worker's too.
    Worker limited(segment_, 100'000);
    const Answered answered = limited.write("file", std::string(200'000, 'x'));
    EXPECT_EQ(answered.failure, Failure::kTooLarge) << answered.error;
    EXPECT_EQ(content(segment_ + "/file"), "inside");
    EXPECT_THAT(temporary_files(), IsEmpty());
}

TEST_F(FilesTest, AMessageThatIsNoRequestEndsTheWorker) {
    worker_.send(ipc::Chunk{"content without a request"});
    EXPECT_EQ(worker_.end().code, 1);
}

TEST_F(FilesTest, ARequestInTheMiddleOfAWriteEndsTheWorkerWithNothingWritten) {
    worker_.send(ipc::WriteFile{"new", false});
    worker_.send(ipc::ReadFile{"file", kMany});
    EXPECT_EQ(worker_.end().code, 1);
    EXPECT_FALSE(std::filesystem::exists(segment_ + "/new"));
    for (const auto& left : temporary_files()) std::filesystem::remove(left);  // said by the test before
}

TEST_F(FilesTest, ABrokerThatBreaksARuleEndsTheWorkerWithNothingWritten) {
    worker_.send(ipc::WriteFile{"new", false});
    worker_.send(ipc::Chunk{"half"});
    worker_.break_a_rule();
    EXPECT_EQ(worker_.end().code, 1) << "and it does not go on with the next request";
    EXPECT_FALSE(std::filesystem::exists(segment_ + "/new"));
    Worker idle(segment_);
    idle.break_a_rule();
    EXPECT_EQ(idle.end().code, 1);
}

TEST_F(FilesTest, ARequestOfTheOtherServiceEndsTheWorker) {
    worker_.send(ipc::VcsStatus{"."});
    EXPECT_EQ(worker_.end().code, 1);
}

// --- list

TEST_F(FilesTest, AFolderIsListedWithKindsSizesAndTimes) {
    temp_.file("segment/.hidden", "12345");
    temp_.link("dir", "segment/link-to-dir");
    temp_.link("nowhere", "segment/dangling");
    ASSERT_EQ(::mkfifo((segment_ + "/fifo").c_str(), 0644), 0);
    const timespec times[] = {{1'000'000, 0}, {-86'400, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (segment_ + "/file").c_str(), times, 0), 0);
    for (const char* path : {".", "./", "dir/.."}) {
        EXPECT_EQ(worker_.list(path).failure, Failure::kNone) << path;
        std::vector<std::string> listed;
        for (const auto& [name, entry] : worker_.entries) listed.push_back(name);
        EXPECT_THAT(listed, UnorderedElementsAre(".hidden", "dir", "file", "link-to-dir", "dangling", "fifo"));
    }
    EXPECT_TRUE(worker_.entries["dir"].is_dir);
    EXPECT_FALSE(worker_.entries["link-to-dir"].is_dir) << "a link is what it is, not what it leads to";
    EXPECT_FALSE(worker_.entries["fifo"].is_dir);
    EXPECT_EQ(worker_.entries[".hidden"].size, 5U);
    EXPECT_EQ(worker_.entries["file"].modified, -86'400) << "before 1970";
}

TEST_F(FilesTest, AFolderIsListedThroughALinkInside) {
    temp_.link("dir/deep", "segment/link");
    EXPECT_EQ(worker_.list("link").failure, Failure::kNone);
    EXPECT_EQ(worker_.entries.count("leaf"), 1U);
}

TEST_F(FilesTest, NothingOutsideIsListed) {
    temp_.link(outside_, "segment/absolute");
    temp_.link("../outside", "segment/relative");
    for (const std::string& path : {std::string(".."), std::string("/"), std::string("../outside"), outside_,
                                    std::string("absolute"), std::string("relative"), std::string("dir/../..")}) {
        EXPECT_EQ(worker_.list(path).failure, Failure::kLeavesSegment) << path;
        EXPECT_TRUE(worker_.entries.empty()) << path;
    }
}

TEST_F(FilesTest, WhatIsNoFolderIsNotListed) {
    ASSERT_EQ(::mkfifo((segment_ + "/fifo").c_str(), 0644), 0);
    EXPECT_EQ(worker_.list("file").failure, Failure::kNotFolder);
    EXPECT_EQ(worker_.list("fifo").failure, Failure::kNotFolder);
    EXPECT_EQ(worker_.list("missing").failure, Failure::kNotFound);
    EXPECT_EQ(worker_.list("").failure, Failure::kNotFound);
}

TEST_F(FilesTest, AFolderLargerThanTheLimitIsRefusedAndOneOfItsSizeIsNot) {
    temp_.folder("segment/many");
    for (int i = 0; i < 500; ++i) temp_.file("segment/many/" + std::to_string(i) + std::string(200, 'n'), "");
    EXPECT_EQ(worker_.list("many", 500).failure, Failure::kNone);
    EXPECT_EQ(worker_.entries.size(), 500U) << "over several Chunks, whole entries only";
    const Answered answered = worker_.list("many", 499);
    EXPECT_EQ(answered.failure, Failure::kTooLarge);
    EXPECT_THAT(answered.error, HasSubstr("limits.list_entries"));
}

TEST_F(FilesTest, ANameThatIsNoTextIsListedByteForByte) {
    const std::string name = "a\x1b[31m\xFF\n\"";
    temp_.file("segment/dir/" + name, "");
    EXPECT_EQ(worker_.list("dir").failure, Failure::kNone);
    EXPECT_EQ(worker_.entries.count(name), 1U);
}

// --- the parts

TEST_F(FilesTest, APlaceIsAFolderAndTheNameInIt) {
    const UniqueFd segment = open_folder(segment_);
    temp_.link("../file", "segment/dir/link");
    struct {
        const char* path;
        const char* folder;
        const char* name;
    } const kCases[] = {
        {"file", "", "file"},       {"new", "", "new"},          {"./new", "", "new"},
        {"dir/new", "/dir", "new"}, {"dir//new", "/dir", "new"}, {"dir/./new", "/dir", "new"},
        {"new/", "", "new"},        {"new///", "", "new"},       {"dir/deep/../new", "/dir", "new"},
        {"dir/link", "", "file"},   {"...", "", "..."},          {"dir/.hidden", "/dir", ".hidden"},
    };
    for (const auto& [path, folder, name] : kCases) {
        const auto place = place_beneath(segment.get(), path, false);
        ASSERT_TRUE(place) << path << ": " << place.error().text();
        EXPECT_EQ(place->name, name) << path;
        EXPECT_EQ(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(place->folder.get())).string(),
                  segment_ + folder)
            << path;
        EXPECT_EQ(::fcntl(place->folder.get(), F_GETFD), FD_CLOEXEC);
    }
}

TEST_F(FilesTest, APathWithoutANameOfItsOwnHasNoPlace) {
    const UniqueFd segment = open_folder(segment_);
    for (const char* path : {"", ".", "..", "/", "//", "./", "dir/.", "dir/..", "dir/../", "../..", "///"}) {
        const auto place = place_beneath(segment.get(), path, true);
        ASSERT_FALSE(place) << path;
        EXPECT_EQ(place.error().code, EISDIR) << path;
    }
}

TEST_F(FilesTest, APathWithANulByteStaysInside) {
    // The broker refuses such a path before it comes here; a broker that was taken over does not.
    using namespace std::string_literals;
    for (const std::string& path : {"new\0../../outside/secret"s, "dir\0/../../outside/new"s, "\0"s, "..\0/file"s}) {
        worker_.write(path, "x");
        worker_.read(path);
        worker_.list(path);
    }
    EXPECT_EQ(worker_.read("file").bytes, "inside");
    EXPECT_THAT(names("."), ElementsAre("outside", "segment"));
}

TEST_F(FilesTest, AWriteThatIsNotCommittedLeavesNothing) {
    const UniqueFd segment = open_folder(segment_);
    {
        auto write = AtomicWrite::begin(segment.get(), "file", false);
        ASSERT_TRUE(write);
        ASSERT_TRUE(write->write("half of"));
        EXPECT_EQ(temporary_files().size(), 1U) << "the control: while it runs there is one";
        EXPECT_EQ(about(temporary_files()[0]).st_dev, about(segment_).st_dev);
    }
    EXPECT_THAT(temporary_files(), IsEmpty());
    EXPECT_EQ(content(segment_ + "/file"), "inside");
}

TEST_F(FilesTest, ACommitThatFailsLeavesNothing) {
    const UniqueFd segment = open_folder(segment_);
    auto write = AtomicWrite::begin(segment.get(), "new", false);
    ASSERT_TRUE(write && write->write("text"));
    temp_.folder("segment/new");  // somebody makes a folder where the file was to be
    {
        AtomicWrite moved = std::move(*write);
        const auto committed = moved.commit();
        ASSERT_FALSE(committed);
        EXPECT_EQ(committed.error().code, EISDIR) << committed.error().text();
    }
    EXPECT_THAT(temporary_files(), IsEmpty());
}

// --- the race

// A process that puts one thing and the other under a name, in turns, as fast as the kernel does.
class Swapper {
public:
    Swapper(const std::string& name, const std::string& other) {
        auto* memory = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        EXPECT_NE(memory, MAP_FAILED);
        count_ = new (memory) std::atomic<std::uint64_t>(0);
        auto child = ChildProcess::fork();
        EXPECT_TRUE(child);
        if (!*child)
            while (true) {
                if (::renameat2(AT_FDCWD, name.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) != 0) ::_exit(1);
                count_->fetch_add(1, std::memory_order_relaxed);
            }
        process_ = std::move(**child);
    }
    Swapper(const Swapper&) = delete;
    Swapper& operator=(const Swapper&) = delete;
    ~Swapper() {
        process_ = ChildProcess();
        ::munmap(count_, 4096);
    }
    std::uint64_t swaps() const { return count_->load(std::memory_order_relaxed); }
    bool running() { return !process_.try_wait(); }

private:
    std::atomic<std::uint64_t>* count_ = nullptr;
    ChildProcess process_;
};

constexpr std::uint64_t kSwaps = 100'000;

// Reads `path` while it is swapped, until both the kernel has swapped it often enough and a plain open has seen the
// inside and the outside: then there was something to win.
void read_while_swapped(Worker& worker, const std::string& segment, const std::string& path, Swapper& swapper) {
    int inside = 0, refused = 0, plain_inside = 0, plain_outside = 0;
    for (int round = 0; round < 3'000'000; ++round) {
        if (round > 1000 && swapper.swaps() >= kSwaps && plain_inside > 0 && plain_outside > 0 && inside > 0 &&
            refused > 0)
            break;
        const Answered answered = worker.read(path);
        ASSERT_EQ(answered.bytes.find(kSecret), std::string::npos) << "after " << swapper.swaps() << " swaps";
        if (answered.failure == Failure::kNone) {
            ASSERT_EQ(answered.bytes, "inside");
            ++inside;
        } else {
            ASSERT_EQ(answered.failure, Failure::kLeavesSegment) << answered.error;
            ++refused;
        }
        if (round % 16 == 0) content(segment + "/" + path) == kSecret ? ++plain_outside : ++plain_inside;
        ASSERT_TRUE(round % 1024 != 0 || swapper.running()) << "the kernel refuses to exchange names";
    }
    EXPECT_GE(swapper.swaps(), kSwaps);
    EXPECT_GT(inside, 0);
    EXPECT_GT(refused, 0);
    EXPECT_GT(plain_inside, 0) << "the control: a plain open gets the one";
    EXPECT_GT(plain_outside, 0) << "and the other";
}

TEST_F(FilesTest, ALinkThatIsSwappedDuringReadsNeverGivesTheOutside) {
    temp_.link("file", "segment/swapped");
    temp_.link(outside_ + "/secret", "segment/other");
    Swapper swapper(segment_ + "/swapped", segment_ + "/other");
    read_while_swapped(worker_, segment_, "swapped", swapper);
}

TEST_F(FilesTest, AFolderThatIsSwappedForALinkDuringReadsNeverGivesTheOutside) {
    temp_.folder("segment/swapped");
    temp_.file("segment/swapped/secret", "inside");
    temp_.link("../outside", "segment/other");
    Swapper swapper(segment_ + "/swapped", segment_ + "/other");
    read_while_swapped(worker_, segment_, "swapped/secret", swapper);
}

TEST_F(FilesTest, AFolderThatIsSwappedForALinkDuringWritesNeverMakesAFileOutside) {
    temp_.folder("segment/swapped");
    temp_.link(outside_, "segment/other");
    const UniqueFd segment = open_folder(segment_);
    Swapper swapper(segment_ + "/swapped", segment_ + "/other");
    int placed = 0, refused = 0;
    // Everything of a write but its fsync, which would let few of them happen.
    for (int round = 0; round < 2'000'000 && (round < 1000 || swapper.swaps() < kSwaps || placed == 0 || refused == 0);
         ++round) {
        const auto write = AtomicWrite::begin(segment.get(), "swapped/new", true);
        ASSERT_TRUE(write || write.error().code == EXDEV) << write.error().text();
        ++(write ? placed : refused);
    }
    EXPECT_GT(placed, 0);
    EXPECT_GT(refused, 0);
    for (int round = 0; round < 50; ++round) worker_.write("swapped/secret", "stolen");
}

}  // namespace
}  // namespace toren::workers
