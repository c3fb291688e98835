// A checkpoint worker in a process of its own, in its filter, as the broker talks to it; and a segment for it with a
// store beside it.
#pragma once

#include <cstdlib>
#include <set>

#include "tests/unit/files_worker.h"
#include "workers/checkpoints/checkpoints.h"

namespace toren::checkpoints {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using workers::about;
using workers::Answered;
using workers::content;
using workers::Failure;
using workers::open_folder;

class Worker {
public:
    Worker(const std::string& segment, const std::string& store) {
        auto ends = ipc::socket_pair();
        auto child = ChildProcess::fork();
        EXPECT_TRUE(ends && child);
        if (!*child) {
            ends->first.reset();
            ::umask(0022);
            UniqueFd in_segment = open_folder(segment), in_store = open_folder(store);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
            ::tzset();  // as confine_service() does
            if (!set_no_new_privileges() || !install_filter(FilterRole::kCheckpoints)) ::_exit(3);
#endif
            auto opened = Store::open(std::move(in_store), std::uint64_t{1} << 30);
            if (!opened) ::_exit(4);
            workers::ServiceChannel channel(std::move(ends->second));
            Checkpoints checkpoints(std::move(in_segment), std::move(*opened));
            while (const auto request = channel.next()) {
                channel.done(checkpoints.serve(channel, *request));
                checkpoints.tidy();
            }
            ::_exit(channel.exit_status());
        }
        ends->second.reset();
        process_ = std::move(**child);
        channel_ = ipc::Channel(std::move(ends->first), ipc::Role::kBroker, ipc::Role::kService, ipc::Phase::kOpen);
    }

    template <typename T>
    bool send(const T& message) {
        return static_cast<bool>(channel_.send(message));
    }
    Answered answer() {
        Answered answered;
        ipc::Packet packet;
        while (true) {
            if (channel_.receive(packet) != ipc::Received::kPacket) {
                answered.error = "the worker has gone";
                return answered;
            }
            if (const auto chunk = packet.as<ipc::Chunk>()) {
                answered.bytes += chunk->bytes;
                continue;
            }
            const auto done = packet.as<ipc::Done>();
            EXPECT_TRUE(done);
            answered.failure = done->failure;
            answered.error = done->error;
            answered.bytes += done->bytes;
            answered.result = done->result;
            return answered;
        }
    }
    template <typename T>
    Answered ask(const T& message) {
        send(message);  // one that has gone is seen by its answer
        return answer();
    }
    void kill() { process_.kill(SIGKILL); }
    ExitStatus end() {
        channel_.close();
        pollfd ended{process_.pidfd(), POLLIN, 0};
        EXPECT_EQ(::poll(&ended, 1, 20'000), 1) << "the worker does not end";
        return process_.try_wait().value_or(ExitStatus{-1, -1});
    }

private:
    ChildProcess process_;
    ipc::Channel channel_;
};

template <typename Record>
std::vector<Record> records_of(const std::string& bytes) {
    std::vector<Record> records;
    for (ipc::Reader reader(bytes); !reader.at_end();) {
        Record record;
        if (!reader.read(record)) {
            ADD_FAILURE() << "half a record";
            break;
        }
        records.push_back(record);
    }
    return records;
}

// Every name beneath a folder, with kind, permission bits and content. Without times.
inline std::map<std::string, std::string> tree_of(const std::string& folder, const std::string& leave_out = "") {
    namespace fs = std::filesystem;
    std::map<std::string, std::string> tree;
    constexpr auto kOptions = fs::directory_options::skip_permission_denied;
    for (auto entry = fs::recursive_directory_iterator(folder, kOptions); entry != fs::recursive_directory_iterator();
         ++entry) {
        const std::string path = entry->path(), name = path.substr(folder.size() + 1);
        if (!leave_out.empty() && entry->path().filename() == leave_out) {
            entry.disable_recursion_pending();
            continue;
        }
        struct stat found {};
        if (::lstat(path.c_str(), &found) != 0) continue;
        std::string text = std::to_string(found.st_mode);
        if (S_ISREG(found.st_mode)) text += ':' + content(path);
        if (S_ISLNK(found.st_mode)) text += ':' + fs::read_symlink(path).string();
        tree[name] = text;
    }
    return tree;
}

class CheckpointTest : public ::testing::Test {
protected:
    CheckpointTest() : segment_(temp_.folder("segment")), store_(temp_.folder("store")) {
        temp_.file("outside", "the outside's secret");
        start();
    }
    ~CheckpointTest() override {
        EXPECT_EQ(content(temp_ / "outside"), "the outside's secret");
        worker_->end();
        EXPECT_EQ(run("git --git-dir=" + store_ + " fsck --full --strict >" + (temp_ / "fsck") + " 2>&1"), 0)
            << content(temp_ / "fsck");
    }

    void start() { worker_ = std::make_unique<Worker>(segment_, store_); }
    static int run(const std::string& command) { return std::system(command.c_str()); }
    // In the segment.
    void shell(const std::string& command) { ASSERT_EQ(run("cd '" + segment_ + "' && " + command), 0) << command; }

    ipc::CheckpointLimits limits_{200, std::uint64_t{2} << 30, std::uint64_t{64} << 20};

    ipc::CheckpointMade make(const std::string& label = "", bool ignored = false) {
        ipc::MakeCheckpoint request;
        request.label = label;
        request.always = !label.empty();
        request.ignored = ignored;
        request.limits = limits_;
        const auto answered = worker_->ask(request);
        EXPECT_EQ(answered.failure, Failure::kNone) << answered.error;
        left_out_ = records_of<ipc::LeftOutFile>(answered.bytes);
        return answered.as<ipc::CheckpointMade>();
    }
    ipc::CheckpointRestored restore(std::uint64_t checkpoint, std::vector<std::string> paths = {}) {
        const auto answered = worker_->ask(ipc::RestoreCheckpoint{checkpoint, std::move(paths), limits_});
        EXPECT_EQ(answered.failure, Failure::kNone) << answered.error;
        not_restored_.clear();
        for (const auto& one : records_of<ipc::NotRestored>(answered.bytes)) not_restored_[one.path] = one.why;
        return answered.as<ipc::CheckpointRestored>();
    }
    // "M path", in the order of the answer.
    std::vector<std::string> compare(std::uint64_t checkpoint, std::uint64_t to = 0, const std::string& after = "",
                                     std::uint64_t max_entries = 10'000, std::vector<std::string> paths = {}) {
        ipc::CompareCheckpoint request;
        request.checkpoint = checkpoint;
        request.to = to;
        request.after = after;
        request.paths = std::move(paths);
        request.max_entries = max_entries;
        request.file_bytes = limits_.file_bytes;
        const auto answered = worker_->ask(request);
        EXPECT_EQ(answered.failure, Failure::kNone) << answered.error;
        std::vector<std::string> lines;
        for (const auto& one : records_of<ipc::CheckpointChange>(answered.bytes))
            lines.push_back(std::string(1, "AMDTX"[static_cast<int>(one.change)]) + ' ' + one.path);
        return lines;
    }
    std::vector<std::uint64_t> numbers(std::uint64_t before = 0, std::uint64_t most = 10'000) {
        const auto answered = worker_->ask(ipc::ListCheckpoints{before, most});
        EXPECT_EQ(answered.failure, Failure::kNone) << answered.error;
        std::vector<std::uint64_t> all;
        for (const auto& one : records_of<ipc::CheckpointFacts>(answered.bytes)) all.push_back(one.number);
        return all;
    }
    std::map<std::string, std::string> tree() const { return tree_of(segment_); }

    TempFolder temp_;
    std::string segment_, store_;
    std::unique_ptr<Worker> worker_;
    std::vector<ipc::LeftOutFile> left_out_;
    std::map<std::string, std::string> not_restored_;
};

}  // namespace toren::checkpoints
