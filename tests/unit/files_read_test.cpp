#include <sys/un.h>

#include "tests/unit/files_worker.h"
#include "workers/tree/beneath.h"

namespace toren::workers {
namespace {

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
    EXPECT_EQ(answered.bytes, "");
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

}  // namespace
}  // namespace toren::workers
