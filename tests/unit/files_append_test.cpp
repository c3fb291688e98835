// Appending, and uploads: files that grow in place.
#include "tests/unit/files_worker.h"

namespace toren::workers {
namespace {

TEST_F(FilesTest, AnAppendIsBehindWhatIsThere) {
    const auto answered = worker_.ask(ipc::AppendFile{.path = "file"}, " and more");
    ASSERT_EQ(answered.failure, Failure::kNone) << answered.error;
    EXPECT_EQ(content(segment_ + "/file"), "inside and more");
    EXPECT_EQ(answered.facts().size, 15U);
    EXPECT_EQ(answered.facts().version, worker_.stat("file").version);
    const std::string large(300'000, 'x');
    EXPECT_EQ(worker_.ask(ipc::AppendFile{.path = "file"}, large).failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/file"), "inside and more" + large);
}

TEST_F(FilesTest, AnAppendMakesAFileOnlyWhereItMay) {
    EXPECT_EQ(worker_.ask(ipc::AppendFile{.path = "new"}, "x").failure, Failure::kNotFound);
    EXPECT_EQ(worker_.ask(ipc::AppendFile{.path = "new", .create = true}, "x").failure, Failure::kNone);
    EXPECT_EQ(worker_.ask(ipc::AppendFile{"new", true, if_absent()}, "x").failure, Failure::kChanged);
    EXPECT_EQ(worker_.ask(ipc::AppendFile{"other", true, if_absent()}, "x").failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/new"), "x");
    EXPECT_EQ(about(segment_ + "/new").st_mode & 07777, 0644U);
}

TEST_F(FilesTest, AnAppendHeedsTheTag) {
    const auto version = worker_.stat("file").version;
    EXPECT_EQ(worker_.ask(ipc::AppendFile{"file", false, if_version(version)}, "!").failure, Failure::kNone);
    const auto refused = worker_.ask(ipc::AppendFile{"file", false, if_version(version)}, "!");
    EXPECT_EQ(refused.failure, Failure::kChanged);
    EXPECT_EQ(refused.facts().size, 7U);
    EXPECT_EQ(worker_.ask(ipc::AppendFile{"gone", true, if_version(version)}, "!").failure, Failure::kChanged);
    EXPECT_FALSE(std::filesystem::exists(segment_ + "/gone"));
    EXPECT_EQ(content(segment_ + "/file"), "inside!");
}

TEST_F(FilesTest, WhatIsNoRegularFileIsNotAppendedTo) {
    ASSERT_EQ(::mkfifo((segment_ + "/fifo").c_str(), 0644), 0);
    temp_.link("../outside/secret", "segment/leaves");
    EXPECT_EQ(worker_.ask(ipc::AppendFile{.path = "fifo"}, "x").failure, Failure::kNotRegular);
    EXPECT_EQ(worker_.ask(ipc::AppendFile{.path = "dir"}, "x").failure, Failure::kIsFolder);
    EXPECT_EQ(worker_.ask(ipc::AppendFile{.path = "leaves", .create = true}, "x").failure, Failure::kLeavesSegment);
    EXPECT_EQ(worker_.read("file").bytes, "inside") << "and the conversation is in step";
}

TEST_F(FilesTest, AppendsAtOnceAreNotMixed) {
    constexpr int kWorkers = 4, kRounds = 10;
    std::vector<Worker> workers;
    for (int i = 0; i < kWorkers; ++i) workers.emplace_back(segment_);
    for (int round = 0; round < kRounds; ++round) {
        for (auto& worker : workers) worker.send(ipc::AppendFile{.path = "log", .create = true});
        for (int part = 0; part < 3; ++part)
            for (int i = 0; i < kWorkers; ++i)
                workers[static_cast<std::size_t>(i)].send(ipc::Chunk{std::string(5000, static_cast<char>('a' + i))});
        for (auto& worker : workers) worker.send(ipc::Chunk{});
        for (auto& worker : workers) EXPECT_EQ(worker.answer().failure, Failure::kNone);
    }
    const std::string log = content(segment_ + "/log");
    ASSERT_EQ(log.size(), 15'000U * kWorkers * kRounds);
    for (std::size_t at = 0; at < log.size(); at += 15'000)
        ASSERT_EQ(log.substr(at, 15'000), std::string(15'000, log[at])) << "at " << at;
}

TEST_F(FilesTest, AnAppendThatCannotBeFinishedIsTakenBack) {
    worker_.send(ipc::AppendFile{.path = "file"});
    worker_.send(ipc::Chunk{"half"});
    worker_.leave();
    worker_.end();
    EXPECT_EQ(content(segment_ + "/file"), "inside");
    Worker limited(segment_, 100'000);
    EXPECT_EQ(limited.ask(ipc::AppendFile{.path = "file"}, std::string(200'000, 'x')).failure, Failure::kTooLarge);
    EXPECT_EQ(content(segment_ + "/file"), "inside");
}

// --- uploads

class UploadTest : public FilesTest {
protected:
    std::string begin(const std::string& path) {
        const auto answered = worker_.ask(ipc::BeginUpload{path, false});
        EXPECT_EQ(answered.failure, Failure::kNone) << answered.error;
        return answered.as<ipc::UploadState>().upload;
    }
    std::uint64_t offset(const std::string& path, const std::string& upload) {
        return worker_.ask(ipc::StatUpload{path, upload}).as<ipc::UploadState>().offset;
    }
};

TEST_F(UploadTest, AnUploadGrowsAndIsPutInPlace) {
    const auto id = begin("dir/new");
    EXPECT_EQ(worker_.ask(ipc::AppendUpload{"dir/new", id, 0}, "first ").as<ipc::UploadState>().offset, 6U);
    EXPECT_EQ(offset("dir/new", id), 6U);
    EXPECT_FALSE(std::filesystem::exists(segment_ + "/dir/new"));
    EXPECT_EQ(worker_.ask(ipc::AppendUpload{"dir/new", id, 6}, "second").as<ipc::UploadState>().offset, 12U);
    const auto facts = worker_.ask(ipc::FinishUpload{.path = "dir/new", .upload = id, .mode = 0640}).facts();
    EXPECT_EQ(content(segment_ + "/dir/new"), "first second");
    EXPECT_EQ(facts.mode, 0640U);
    EXPECT_EQ(facts.version, worker_.stat("dir/new").version);
    EXPECT_THAT(names("segment/dir"), ElementsAre("deep", "new"));
    EXPECT_EQ(worker_.ask(ipc::StatUpload{"dir/new", id}).failure, Failure::kNoUpload);
}

TEST_F(UploadTest, AWrongOffsetIsRefusedWithTheRightOne) {
    const auto id = begin("new");
    worker_.ask(ipc::AppendUpload{"new", id, 0}, "12345");
    for (const std::uint64_t wrong : {0, 4, 6}) {
        const auto refused = worker_.ask(ipc::AppendUpload{"new", id, wrong}, "x");
        EXPECT_EQ(refused.failure, Failure::kWrongOffset);
        EXPECT_EQ(refused.as<ipc::UploadState>().offset, 5U);
    }
    EXPECT_EQ(worker_.ask(ipc::FinishUpload{.path = "new", .upload = id, .check_size = true, .size = 6}).failure,
              Failure::kWrongOffset);
    EXPECT_EQ(worker_.ask(ipc::FinishUpload{.path = "new", .upload = id, .check_size = true, .size = 5}).failure,
              Failure::kNone);
}

TEST_F(UploadTest, WhatArrivedBeforeTheConnectionBrokeStays) {
    const auto id = begin("new");
    worker_.send(ipc::AppendUpload{"new", id, 0});
    worker_.send(ipc::Chunk{"arrived"});
    worker_.leave();
    worker_.end();
    Worker next(segment_);
    EXPECT_EQ(next.ask(ipc::StatUpload{"new", id}).as<ipc::UploadState>().offset, 7U);
    EXPECT_EQ(next.ask(ipc::AppendUpload{"new", id, 7}, ", all").failure, Failure::kNone);
    EXPECT_EQ(next.ask(ipc::FinishUpload{.path = "new", .upload = id}).failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/new"), "arrived, all");
}

TEST_F(UploadTest, AFinishHeedsTheConditionAndKeepsWhatWasUploaded) {
    const auto id = begin("file");
    worker_.ask(ipc::AppendUpload{"file", id, 0}, "uploaded");
    EXPECT_EQ(worker_.ask(ipc::FinishUpload{"file", id, if_absent()}).failure, Failure::kChanged);
    const auto refused = worker_.ask(ipc::FinishUpload{"file", id, if_version("old")});
    EXPECT_EQ(refused.failure, Failure::kChanged);
    EXPECT_EQ(content(segment_ + "/file"), "inside");
    EXPECT_EQ(worker_.ask(ipc::FinishUpload{"file", id, if_version(refused.facts().version)}).failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/file"), "uploaded");
}

TEST_F(UploadTest, AnIdIsNoPath) {
    for (const char* id : {"", "../../outside", "0123456789abcde", "0123456789abcdeg", "0123456789ABCDEF",
                           "0123456789abcdef0", "0123456789abcdef"})
        for (const auto& failure :
             {worker_.ask(ipc::StatUpload{"file", id}).failure, worker_.ask(ipc::AbortUpload{"file", id}).failure,
              worker_.ask(ipc::AppendUpload{"file", id, 0}, "x").failure,
              worker_.ask(ipc::FinishUpload{.path = "file", .upload = id}).failure})
            EXPECT_EQ(failure, Failure::kNoUpload) << id;
    temp_.link("../outside/secret", "segment/.toren-upload-0123456789abcdef");
    EXPECT_NE(worker_.ask(ipc::AppendUpload{"file", "0123456789abcdef", 20}, "x").failure, Failure::kNone);
}

TEST_F(UploadTest, AnAbortedUploadIsGone) {
    const auto id = begin("new");
    EXPECT_EQ(worker_.ask(ipc::AbortUpload{"new", id}).failure, Failure::kNone);
    EXPECT_EQ(worker_.ask(ipc::AbortUpload{"new", id}).failure, Failure::kNoUpload);
    EXPECT_THAT(names("segment"), ElementsAre("dir", "file"));
}

TEST_F(UploadTest, WhatNobodyHasTouchedForADayGoesWithTheNextUpload) {
    const auto old = begin("new"), fresh = begin("new");
    temp_.file("segment/.toren-write-0123456789abcdef", "left");
    temp_.file("segment/.toren-upload-mine", "not ours");
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const timespec times[] = {{now.tv_sec - 90'000, 0}, {now.tv_sec - 90'000, 0}};
    for (const std::string& name : {".toren-upload-" + old, std::string(".toren-write-0123456789abcdef"),
                                    std::string(".toren-upload-mine"), std::string("file")})
        ASSERT_EQ(::utimensat(AT_FDCWD, (segment_ + "/" + name).c_str(), times, 0), 0);
    const auto next = begin("other");
    EXPECT_THAT(names("segment"), UnorderedElementsAre(".toren-upload-" + fresh, ".toren-upload-" + next,
                                                       ".toren-upload-mine", "dir", "file"));
}

TEST_F(UploadTest, NobodyReadsMoreOfANewContentThanOfTheOldOne) {
    ASSERT_EQ(::chmod((segment_ + "/file").c_str(), 0600), 0);
    const auto id = begin("file");
    EXPECT_EQ(about(segment_ + "/.toren-upload-" + id).st_mode & 07777, 0600U);
    worker_.ask(ipc::AbortUpload{"file", id});
    const auto other = begin("new");
    EXPECT_EQ(worker_.ask(ipc::FinishUpload{.path = "new", .upload = other}).facts().mode, 0644U);
    for (const char* path : {"dir", "missing/new", "../new"})
        EXPECT_NE(worker_.ask(ipc::BeginUpload{path, false}).failure, Failure::kNone) << path;
}

}  // namespace
}  // namespace toren::workers
