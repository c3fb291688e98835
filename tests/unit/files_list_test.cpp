#include "tests/unit/files_worker.h"

namespace toren::workers {
namespace {

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
    EXPECT_TRUE(worker_.entries["dir"].kind == FileKind::kFolder);
    EXPECT_FALSE(worker_.entries["link-to-dir"].kind == FileKind::kFolder)
        << "a link is what it is, not what it leads to";
    EXPECT_FALSE(worker_.entries["fifo"].kind == FileKind::kFolder);
    EXPECT_EQ(worker_.entries[".hidden"].size, 5U);
    EXPECT_EQ(worker_.entries["file"].modified_ns, -86'400'000'000'000) << "before 1970";
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

TEST_F(FilesTest, AListingSaysWhetherThereIsMoreThanWasAskedFor) {
    temp_.folder("segment/many");
    for (int i = 0; i < 500; ++i) temp_.file("segment/many/" + std::to_string(i) + std::string(200, 'n'), "");
    EXPECT_FALSE(worker_.list("many", 500).as<ipc::ListEnd>().more);
    EXPECT_EQ(worker_.entries.size(), 500U) << "over several Chunks, whole entries only";
    EXPECT_TRUE(worker_.list("many", 499).as<ipc::ListEnd>().more);
    EXPECT_EQ(worker_.entries.size(), 499U);
}

TEST_F(FilesTest, ANameThatIsNoTextIsListedByteForByte) {
    const std::string name = "a\x1b[31m\xFF\n\"";
    temp_.file("segment/dir/" + name, "");
    EXPECT_EQ(worker_.list("dir").failure, Failure::kNone);
    EXPECT_EQ(worker_.entries.count(name), 1U);
}

}  // namespace
}  // namespace toren::workers
