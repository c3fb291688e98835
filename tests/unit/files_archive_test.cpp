// Archives, as the programs that everybody has unpack them.
#include <cstdlib>

#include "tests/unit/files_worker.h"

namespace toren::workers {
namespace {

bool installed(const std::string& programs) {
    return std::system(("command -v " + programs + " >/dev/null 2>&1").c_str()) == 0;
}

class ArchiveTest : public FilesTest {
protected:
    ArchiveTest() {
        temp_.file("segment/empty", "");
        temp_.file("segment/dir/" + std::string(200, 'l'), "a long name");
        temp_.file("segment/dir/\xc3\xa9 \"quoted\"\n", "a strange name");
        temp_.link("../outside/secret", "segment/link");
        temp_.link(std::string(300, 't'), "segment/dangling");
        temp_.file("segment/large", random(3'000'000));
        ::chmod((segment_ + "/large").c_str(), 0750);
        const timespec times[] = {{0, 0}, {1'600'000'000, 123'456'789}};
        ::utimensat(AT_FDCWD, (segment_ + "/large").c_str(), times, 0);
    }
    static std::string random(std::size_t length) {
        std::string bytes;
        std::uint64_t state = 1;
        while (bytes.size() < length) bytes += static_cast<char>((state = state * 6364136223846793005ULL + 1) >> 56U);
        return bytes;
    }
    void unpack(const ipc::ArchiveFolder& request, const std::string& command) {
        const auto archive = worker_.ask(request);
        ASSERT_EQ(archive.failure, Failure::kNone) << archive.error;
        temp_.file("archive", archive.bytes);
        temp_.folder("unpacked");
        ASSERT_EQ(std::system(("cd '" + (temp_ / "unpacked") + "' && " + command).c_str()), 0);
    }
    void expect_the_same() {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(segment_)) {
            const std::string path = entry.path().lexically_relative(segment_), there = temp_ / ("unpacked/" + path);
            const auto ours = about(entry.path()), theirs = about(there);
            EXPECT_EQ(theirs.st_mode, ours.st_mode) << path;
            if (S_ISLNK(ours.st_mode)) {
                EXPECT_EQ(std::filesystem::read_symlink(there), std::filesystem::read_symlink(entry.path()));
            } else if (S_ISREG(ours.st_mode)) {
                EXPECT_TRUE(content(there) == content(entry.path())) << path;
            }
        }
        EXPECT_EQ(about(temp_ / "unpacked/large").st_mtime, 1'600'000'000);
    }
};

TEST_F(ArchiveTest, TarUnpacksWhatWasThere) {
    if (!installed("tar && command -v zstd")) GTEST_SKIP() << "tar or zstd is not installed";
    const UniqueFd sparse(::open((segment_ + "/sparse").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    ASSERT_EQ(::pwrite(sparse.get(), "data", 4, 300 << 20), 4);
    ASSERT_EQ(::ftruncate(sparse.get(), 400 << 20), 0);
    unpack({"."}, "zstd -qdc ../archive | tar xf - 2>../warnings");
    EXPECT_EQ(content(temp_ / "warnings"), "");
    EXPECT_LT(std::filesystem::file_size(temp_ / "archive"), 4'000'000U);
    EXPECT_EQ(about(temp_ / "unpacked/sparse").st_size, 400 << 20);
    EXPECT_LT(about(temp_ / "unpacked/sparse").st_blocks * 512, 1 << 20) << "holes stay holes";
    std::filesystem::resize_file(segment_ + "/sparse", 1000);
    std::filesystem::resize_file(temp_ / "unpacked/sparse", 1000);
    expect_the_same();
    EXPECT_EQ(about(temp_ / "unpacked/large").st_mtim.tv_nsec, 123'456'789);
}

TEST_F(ArchiveTest, ZipUnpacksWhatWasThere) {
    if (!installed("unzip")) GTEST_SKIP() << "unzip is not installed";
    std::filesystem::remove(segment_ + "/dir/\xc3\xa9 \"quoted\"\n");  // unzip makes another name of it
    unpack({".", ipc::ArchiveFormat::kZip}, "unzip -tq ../archive >/dev/null && unzip -q ../archive");
    expect_the_same();
}

TEST_F(ArchiveTest, WhatCannotBeReadIsLeftOutAndNamed) {
    if (!installed("tar && command -v zstd")) GTEST_SKIP() << "tar or zstd is not installed";
    ASSERT_EQ(::mkfifo((segment_ + "/fifo").c_str(), 0644), 0);
    ASSERT_EQ(::chmod((segment_ + "/file").c_str(), 0), 0);
    ASSERT_EQ(::chmod((segment_ + "/dir/deep").c_str(), 0), 0);
    unpack({"."}, "zstd -qdc ../archive | tar xf -");
    ASSERT_EQ(::chmod((segment_ + "/dir/deep").c_str(), 0755), 0);
    ASSERT_EQ(::chmod((temp_ / "unpacked/dir/deep").c_str(), 0755), 0);
    const auto report = content(temp_ / "unpacked/.toren-not-archived");
    EXPECT_THAT(report, HasSubstr("fifo: no regular file\n"));
    if (::geteuid() == 0) return;
    EXPECT_THAT(report, HasSubstr("file: openat2 'file': Permission denied\n"));
    EXPECT_THAT(report, HasSubstr("dir/deep: "));
}

TEST_F(ArchiveTest, AnArchiveHeedsWhatIsIgnoredAndItsFolder) {
    if (!installed("tar && command -v zstd")) GTEST_SKIP() << "tar or zstd is not installed";
    temp_.file("segment/.gitignore", "l*\n!leaf\n");
    unpack({"dir", ipc::ArchiveFormat::kTarZst, true}, "zstd -qdc ../archive | tar xf -");
    EXPECT_THAT(names("unpacked"), ElementsAre("deep", "\xc3\xa9 \"quoted\"\n"));
    for (const char* path : {"..", "/", "file", "link", "missing"})
        EXPECT_NE(worker_.ask(ipc::ArchiveFolder{path}).failure, Failure::kNone) << path;
}

}  // namespace
}  // namespace toren::workers
