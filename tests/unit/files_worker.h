// A files worker in a process of its own, as the broker talks to it, and a segment for it with an outside beside it.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <sstream>

#include "base/child_process.h"
#include "policy/privileges.h"
#include "policy/seccomp.h"
#include "tests/unit/temp_folder.h"
#include "workers/files/files.h"

namespace toren::workers {

using ipc::Failure;
using ipc::FileKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

inline constexpr std::uint64_t kMany = 64 * 1024 * 1024;
inline const std::string kSecret = "the outside's secret";

inline UniqueFd open_folder(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

inline std::string content(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

inline struct stat about(const std::string& path) {
    struct stat found {};
    EXPECT_EQ(::lstat(path.c_str(), &found), 0) << path;
    return found;
}

inline ipc::Condition if_version(const std::string& version) { return {ipc::Condition::Kind::kVersion, version}; }
inline ipc::Condition if_absent() { return {ipc::Condition::Kind::kAbsent, ""}; }

struct Answered {
    Failure failure = Failure::kOther;
    std::string error;
    std::string bytes;   // of all Chunks, and of Done
    std::string result;  // of Done
    std::size_t packets = 0;
    UniqueFd descriptor = {};  // of Opened

    // The record that came with Done.
    template <typename Record>
    Record as() const {
        Record record;
        ipc::Reader reader(result);
        EXPECT_TRUE(reader.read(record) && reader.at_end()) << error;
        return record;
    }
    ipc::FileFacts facts() const { return as<ipc::FileFacts>(); }
};

// In its filter, and in nothing else of its sandbox: what holds here is what the kernel's resolution holds.
class Worker {
public:
    explicit Worker(const std::string& segment, rlim_t largest_file = RLIM_INFINITY,
                    rlim_t descriptors = RLIM_INFINITY) {
        auto ends = ipc::socket_pair();
        auto child = ChildProcess::fork();
        EXPECT_TRUE(ends && child);
        if (!*child) {
            ends->first.reset();
            ::umask(0022);
            const rlimit limit{largest_file, largest_file};
            ::setrlimit(RLIMIT_FSIZE, &limit);
            const rlimit files{descriptors, descriptors};
            if (descriptors != RLIM_INFINITY) ::setrlimit(RLIMIT_NOFILE, &files);
            if (largest_file != RLIM_INFINITY) ::signal(SIGXFSZ, SIG_IGN);  // what comes then is EFBIG
            ServiceChannel channel(std::move(ends->second));
            Files files_worker(open_folder(segment));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
            ::tzset();  // as confine_service() does
            if (!set_no_new_privileges() || !install_filter(FilterRole::kFiles)) ::_exit(3);
#endif
            channel.run([&](const ipc::Packet& request) { return files_worker.serve(channel, request); });
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
    void send_content(const std::string& bytes) {
        for (std::size_t at = 0; at < bytes.size(); at += ipc::kChunkBytes)
            send(ipc::Chunk{bytes.substr(at, ipc::kChunkBytes)});
        send(ipc::Chunk{});
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
            ++answered.packets;
            if (const auto chunk = packet.as<ipc::Chunk>()) {
                answered.bytes += chunk->bytes;
            } else if (const auto opened = packet.as<ipc::Opened>()) {
                answered.failure = Failure::kNone;
                answered.result = encoded(opened->facts);
                answered.descriptor = std::move(packet.descriptors[0]);
                return answered;
            } else {
                const auto done = packet.as<ipc::Done>();
                EXPECT_TRUE(done);
                answered.failure = done->failure;
                answered.error = done->error;
                answered.bytes += done->bytes;
                answered.result = done->result;
                return answered;
            }
        }
    }
    // A request, and its answer.
    template <typename T>
    Answered ask(const T& message) {
        send(message);
        return answer();
    }
    template <typename T>
    Answered ask(const T& message, const std::string& bytes) {
        send(message);
        send_content(bytes);
        return answer();
    }

    Answered read(const std::string& path, std::uint64_t max_bytes = kMany) {
        return ask(ipc::ReadFile{.path = path, .max_bytes = max_bytes});
    }
    Answered write(const std::string& path, const std::string& bytes, bool create_parents = true,
                   ipc::Condition condition = {}) {
        return ask(ipc::WriteFile{path, create_parents, std::move(condition)}, bytes);
    }
    ipc::FileFacts stat(const std::string& path, bool follow = true) {
        return ask(ipc::StatFile{path, follow}).facts();
    }
    std::vector<std::string> paths;                 // of the last list(), in its order
    std::map<std::string, ipc::FileFacts> entries;  // the same
    Answered list(const ipc::ListFolder& request) {
        Answered answered = ask(request);
        entries.clear();
        paths.clear();
        for (ipc::Reader reader(answered.bytes); !reader.at_end();) {
            ipc::ListEntry entry;
            if (!reader.read(entry)) {
                ADD_FAILURE() << "half an entry";
                break;
            }
            EXPECT_TRUE(entries.emplace(entry.path, entry.facts).second) << entry.path << " twice";
            paths.push_back(entry.path);
        }
        return answered;
    }
    Answered list(const std::string& path, std::uint64_t max_entries = 10'000) {
        return list(ipc::ListFolder{.path = path, .max_entries = max_entries});
    }

    // A packet that no row of the protocol allows.
    void break_a_rule() { EXPECT_EQ(::send(channel_.fd(), "\xff\xff", 2, MSG_NOSIGNAL), 2); }
    void leave() { channel_.close(); }
    ipc::Channel& channel() { return channel_; }
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

}  // namespace toren::workers
