// Facts, version tags, and changes that are made only where the file is the one that the client has seen.
#include <linux/fs.h>
#include <sys/mman.h>

#include <atomic>
#include <set>

#include "tests/unit/files_worker.h"
#include "workers/files/atomic_write.h"
#include "workers/files/condition.h"
#include "workers/files/facts.h"

namespace toren::workers {
namespace {

TEST_F(FilesTest, FactsSayWhatANameIs) {
    temp_.link("file", "segment/link");
    temp_.link("../outside/secret", "segment/leaves");
    ASSERT_EQ(::mkfifo((segment_ + "/fifo").c_str(), 0640), 0);
    const auto file = worker_.stat("file");
    EXPECT_EQ(file.kind, FileKind::kFile);
    EXPECT_EQ(file.size, 6U);
    EXPECT_EQ(file.mode, about(segment_ + "/file").st_mode & 07777);
    EXPECT_EQ(file.modified_ns / 1'000'000'000, about(segment_ + "/file").st_mtime);
    EXPECT_THAT(file.version, ::testing::Not(IsEmpty()));
    EXPECT_LE(file.version.size(), 80U);
    EXPECT_EQ(worker_.stat("link").version, file.version) << "a link is followed";
    const auto link = worker_.stat("link", false);
    EXPECT_EQ(link.kind, FileKind::kSymlink);
    EXPECT_EQ(link.target, "file");
    EXPECT_EQ(link.version, "");
    EXPECT_EQ(worker_.stat("leaves", false).target, "../outside/secret");
    EXPECT_EQ(worker_.ask(ipc::StatFile{"leaves"}).failure, Failure::kLeavesSegment);
    EXPECT_EQ(worker_.stat("dir").kind, FileKind::kFolder);
    EXPECT_EQ(worker_.stat(".").kind, FileKind::kFolder);
    EXPECT_EQ(worker_.stat("fifo").kind, FileKind::kOther);
    EXPECT_EQ(worker_.ask(ipc::StatFile{"missing"}).failure, Failure::kNotFound);
    EXPECT_EQ(worker_.ask(ipc::StatFile{".."}).failure, Failure::kLeavesSegment);
}

TEST_F(FilesTest, EveryWriteHasAVersionOfItsOwn) {
    // Of one length, and many within a tick of the kernel's clock.
    std::set<std::string> versions;
    for (int i = 0; i < 200; ++i) versions.insert(worker_.write("file", std::to_string(1000 + i)).facts().version);
    EXPECT_EQ(versions.size(), 200U);
    EXPECT_EQ(worker_.stat("file").version, *std::find(versions.begin(), versions.end(), worker_.stat("file").version));
    EXPECT_EQ(worker_.ask(ipc::ReadFile{.path = "file", .max_bytes = kMany}).as<ipc::ReadEnd>().facts.version,
              worker_.stat("file").version);
}

TEST_F(FilesTest, AWriteWithTheTagIsMadeAndOneWithAnotherIsNot) {
    const auto before = worker_.stat("file");
    const auto written = worker_.write("file", "second", true, if_version(before.version));
    ASSERT_EQ(written.failure, Failure::kNone) << written.error;
    EXPECT_EQ(content(segment_ + "/file"), "second");
    EXPECT_EQ(written.facts().version, worker_.stat("file").version) << "the tag that the next write needs";
    const auto refused = worker_.write("file", "third", true, if_version(before.version));
    EXPECT_EQ(refused.failure, Failure::kChanged);
    EXPECT_EQ(refused.facts().version, worker_.stat("file").version) << "what was found";
    EXPECT_EQ(content(segment_ + "/file"), "second");
    EXPECT_EQ(worker_.write("file", "x", true, if_version("nonsense")).failure, Failure::kChanged);
    const auto gone = worker_.write("missing", "x", true, if_version(before.version));
    EXPECT_EQ(gone.failure, Failure::kChanged);
    EXPECT_EQ(gone.result, "") << "there is nothing";
    EXPECT_FALSE(std::filesystem::exists(segment_ + "/missing"));
}

TEST_F(FilesTest, AWriteWhereNoFileMayBeReplacesNone) {
    EXPECT_EQ(worker_.write("new", "x", true, if_absent()).failure, Failure::kNone);
    const auto refused = worker_.write("new", "y", true, if_absent());
    EXPECT_EQ(refused.failure, Failure::kChanged);
    EXPECT_EQ(refused.facts().size, 1U);
    EXPECT_EQ(content(segment_ + "/new"), "x");
}

TEST_F(FilesTest, ATouchedOrReplacedFileHasAnotherVersion) {
    const auto version = [&] { return worker_.stat("file").version; };
    const auto first = version();
    struct stat before = about(segment_ + "/file");
    temp_.file("segment/file", "edisni");  // as long, through the same inode
    const timespec times[] = {before.st_atim, before.st_mtim};
    ASSERT_EQ(::utimensat(AT_FDCWD, (segment_ + "/file").c_str(), times, 0), 0);
    EXPECT_NE(version(), first) << "the ctime tells even where the mtime was set back";
    EXPECT_EQ(worker_.write("file", "x", true, if_version(first)).failure, Failure::kChanged);
}

TEST_F(FilesTest, AModeIsSetWhereItIsGiven) {
    EXPECT_EQ(worker_.ask(ipc::WriteFile{.path = "script", .mode = 0750}, "#!").facts().mode, 0750U);
    EXPECT_EQ(worker_.write("script", "#!/").facts().mode, 0750U) << "and kept where it is not";
    EXPECT_EQ(worker_.ask(ipc::WriteFile{.path = "script", .mode = 0600}, "#!").facts().mode, 0600U);
}

// Changes a file behind the back of the exchange: what was looked at before is no longer what is there.
TEST_F(FilesTest, WhatTheExchangeBringsOutIsPutBackWhereItIsNotTheOneThatWasMeant) {
    const UniqueFd segment = open_folder(segment_);
    struct stat seen = about(segment_ + "/file");
    temp_.file("segment/theirs", "theirs");
    temp_.file("segment/ours", "ours");
    // The tag of what is there now, but for the size: as it looks when somebody was faster than the exchange.
    seen.st_size += 1;
    std::string temporary = "ours";
    const auto put = put_in_place(segment.get(), temporary, "file", if_version(version_of(seen)));
    ASSERT_TRUE(put);
    EXPECT_FALSE(*put);
    EXPECT_EQ(content(segment_ + "/file"), "inside");
    EXPECT_EQ(content(segment_ + "/ours"), "ours");
    EXPECT_EQ(temporary, "ours") << "it is still there to be removed";
}

// A number that is read, raised by one and written with its tag: none of the writers' steps may be lost.
void count_up(Worker& worker, int steps) {
    for (int done = 0; done < steps;) {
        const auto read = worker.read("number");
        if (read.failure != Failure::kNone) continue;
        const auto version = read.as<ipc::ReadEnd>().facts.version;
        const auto next = std::to_string(std::stoi(read.bytes) + 1);
        if (worker.write("number", next, false, if_version(version)).failure == Failure::kNone) ++done;
    }
}

TEST_F(FilesTest, OfWritersWithTheSameTagOneIsMadeAndTheOthersAreRefused) {
    temp_.file("segment/number", "0");
    constexpr int kWriters = 4, kSteps = 50;
    std::vector<ChildProcess> writers;
    for (int i = 0; i < kWriters; ++i) {
        auto child = ChildProcess::fork();
        ASSERT_TRUE(child);
        if (!*child) {
            Worker own(segment_);
            count_up(own, kSteps);
            ::_exit(0);
        }
        writers.push_back(std::move(**child));
    }
    for (auto& writer : writers) {
        pollfd ended{writer.pidfd(), POLLIN, 0};
        ASSERT_EQ(::poll(&ended, 1, 60'000), 1);
        EXPECT_EQ(writer.try_wait()->code, 0);
    }
    EXPECT_EQ(content(segment_ + "/number"), std::to_string(kWriters * kSteps));
}

TEST_F(FilesTest, OfManyThatMakeOneFileOneMakesIt) {
    for (int round = 0; round < 20; ++round) {
        Worker other(segment_);
        const ipc::WriteFile request{.path = "new" + std::to_string(round), .condition = if_absent()};
        worker_.send(request);
        other.send(request);
        worker_.send_content("one");
        other.send_content("two");
        const bool one = worker_.answer().failure == Failure::kNone, two = other.answer().failure == Failure::kNone;
        EXPECT_NE(one, two);
        EXPECT_EQ(content(segment_ + "/" + request.path), one ? "one" : "two");
    }
}

}  // namespace
}  // namespace toren::workers
