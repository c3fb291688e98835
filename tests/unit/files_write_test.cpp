#include "ipc/vcs_messages.h"
#include "tests/unit/files_worker.h"
#include "workers/tree/beneath.h"

namespace toren::workers {
namespace {

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
    worker_.send(ipc::WriteFile{.path = "file"});
    for (int i = 0; i < 10; ++i) worker_.send(ipc::Chunk{std::string(ipc::kChunkBytes, 'x')});
    EXPECT_EQ(content(segment_ + "/file"), "inside");
    worker_.send(ipc::Chunk{});
    EXPECT_EQ(worker_.answer().failure, Failure::kNone);
    EXPECT_EQ(about(segment_ + "/file").st_size, static_cast<off_t>(10 * ipc::kChunkBytes));
}

TEST_F(FilesTest, ABrokerThatLeavesInTheMiddleOfAWriteLeavesNothingBehind) {
    worker_.send(ipc::WriteFile{.path = "file"});
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
    worker_.send(ipc::WriteFile{.path = "new"});
    worker_.send(ipc::ReadFile{.path = "file", .max_bytes = kMany});
    EXPECT_EQ(worker_.end().code, 1);
    EXPECT_FALSE(std::filesystem::exists(segment_ + "/new"));
    for (const auto& left : temporary_files()) std::filesystem::remove(left);  // said by the test before
}

TEST_F(FilesTest, ABrokerThatBreaksARuleEndsTheWorkerWithNothingWritten) {
    worker_.send(ipc::WriteFile{.path = "new"});
    worker_.send(ipc::Chunk{"half"});
    worker_.break_a_rule();
    EXPECT_EQ(worker_.end().code, 1) << "and it does not go on with the next request";
    EXPECT_FALSE(std::filesystem::exists(segment_ + "/new"));
    Worker idle(segment_);
    idle.break_a_rule();
    EXPECT_EQ(idle.end().code, 1);
}

TEST_F(FilesTest, ARequestOfTheOtherServiceEndsTheWorker) {
    worker_.send(ipc::VcsFind{"."});
    EXPECT_EQ(worker_.end().code, 1);
}

}  // namespace
}  // namespace toren::workers
