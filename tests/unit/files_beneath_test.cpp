#include <linux/fs.h>
#include <sys/mman.h>

#include <atomic>

#include "tests/unit/files_worker.h"
#include "workers/files/atomic_write.h"
#include "workers/tree/beneath.h"

namespace toren::workers {
namespace {

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
