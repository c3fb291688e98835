// A power cut at any step of a write leaves the file complete, old or new. Every call of the write path that changes
// something ends the process in turn before it is made; what the kernel holds then is what a disk could show, for fsync
// comes before the rename.
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/files_worker.h"
#include "workers/files/atomic_write.h"

namespace {

int calls_left = -1;  // -1: no end

void step() {
    if (calls_left > 0 && --calls_left == 0) ::_exit(42);
}

}  // namespace

// In front of the C library's, in this program.
extern "C" {
ssize_t write(int fd, const void* bytes, size_t length) {
    step();
    return ::syscall(SYS_write, fd, bytes, length);
}
int fsync(int fd) {
    step();
    return static_cast<int>(::syscall(SYS_fsync, fd));
}
int fchmod(int fd, mode_t mode) noexcept {
    step();
    return static_cast<int>(::syscall(SYS_fchmod, fd, mode));
}
int futimens(int fd, const timespec times[2]) noexcept {
    step();
    return static_cast<int>(::syscall(SYS_utimensat, fd, nullptr, times, 0));
}
int renameat(int from_folder, const char* from, int to_folder, const char* to) noexcept {
    step();
    return static_cast<int>(::syscall(SYS_renameat2, from_folder, from, to_folder, to, 0));
}
int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) noexcept {
    step();
    return static_cast<int>(::syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}
int unlinkat(int folder, const char* name, int flags) noexcept {
    step();
    return static_cast<int>(::syscall(SYS_unlinkat, folder, name, flags));
}
}

namespace toren::workers {
namespace {

const std::string kOld(100'000, 'o'), kNew(150'000, 'n');

// Writes in a process that ends before its Nth step; false once it comes to the end.
bool cut_write(const std::string& segment, int before_step, const ipc::Condition& condition) {
    auto child = ChildProcess::fork();
    EXPECT_TRUE(child);
    if (!*child) {
        const UniqueFd folder = open_folder(segment);
        calls_left = before_step;
        auto file = AtomicWrite::begin(folder.get(), "file", false);
        const bool good = file && file->write(std::string_view(kNew).substr(0, 65'536)) &&
                          file->write(std::string_view(kNew).substr(65'536)) && file->commit(condition);
        ::_exit(good ? 0 : 1);
    }
    pollfd ended{(*child)->pidfd(), POLLIN, 0};
    EXPECT_EQ(::poll(&ended, 1, 20'000), 1);
    const int code = (*child)->try_wait()->code;
    EXPECT_TRUE(code == 0 || code == 42) << code;
    return code == 42;
}

void expect_old_or_new_at_every_step(ipc::Condition::Kind kind, bool exists) {
    int steps = 0, old_seen = 0, new_seen = 0;
    for (bool cut = true; cut;) {
        TempFolder temp;
        if (exists) temp.file("file", kOld);
        ipc::Condition condition{kind, ""};
        Worker worker(temp.path());
        if (kind == ipc::Condition::Kind::kVersion) condition.version = worker.stat("file").version;
        cut = cut_write(temp.path(), ++steps, condition);
        const auto read = worker.read("file");
        const bool is_old = exists ? read.bytes == kOld : read.failure == Failure::kNotFound;
        ASSERT_TRUE(is_old || read.bytes == kNew) << "before step " << steps;
        ++(is_old ? old_seen : new_seen);
        // What is left does not stand in the way of anything: another write is made, whole.
        ASSERT_EQ(worker.write("file", "another").failure, Failure::kNone);
        for (const auto& entry : std::filesystem::directory_iterator(temp.path())) {
            const std::string name = entry.path().filename();
            EXPECT_TRUE(name == "file" || name.starts_with(".toren-write-")) << name;
        }
    }
    EXPECT_GT(steps, 5) << "the control: steps were cut";
    EXPECT_GT(old_seen, 0);
    EXPECT_GT(new_seen, 1) << "and some of them behind the rename";
}

TEST(PowerCutTest, AWriteIsOldOrNewAtEveryStep) { expect_old_or_new_at_every_step(ipc::Condition::Kind::kNone, true); }
TEST(PowerCutTest, AConditionalWriteIsOldOrNewAtEveryStep) {
    expect_old_or_new_at_every_step(ipc::Condition::Kind::kVersion, true);
}
TEST(PowerCutTest, ANewFileIsAbsentOrWholeAtEveryStep) {
    expect_old_or_new_at_every_step(ipc::Condition::Kind::kAbsent, false);
}

}  // namespace
}  // namespace toren::workers
