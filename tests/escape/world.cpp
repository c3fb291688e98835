#include "tests/escape/world.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "tests/escape/guarded_segment.h"

namespace toren::escape {

namespace fs = std::filesystem;

char secret_in_memory[64];

namespace {

std::string random_text() {
    std::random_device device;
    char text[17];
    std::snprintf(text, sizeof text, "%08x%08x", device(), device());
    return text;
}

// Where a cage gives a command no right of its own: beneath these it may write in any case.
bool is_private_in_a_cage(const fs::path& folder) {
    for (const fs::path place : {"/tmp", "/var/tmp", "/dev", "/home/toren", "/usr", "/proc"})
        if (std::mismatch(place.begin(), place.end(), folder.begin(), folder.end()).first == place.end()) return true;
    return false;
}

// A new folder outside everything that is private in a cage.
std::string new_folder() {
    const char* home = ::getenv("HOME");
    const char* asked = ::getenv("TOREN_ESCAPE_FOLDER");
    std::error_code failed;
    for (const fs::path& place : {fs::path(asked != nullptr ? asked : ""), fs::path(program_folder()),
                                  fs::path(home != nullptr ? home : ""), fs::current_path(failed)}) {
        const fs::path found = fs::canonical(place, failed);
        if (failed || place.empty() || is_private_in_a_cage(found)) continue;
        std::string name = (found / "toren-escape-XXXXXX").string();
        if (::mkdtemp(name.data()) != nullptr) return name;
    }
    return "";
}

void write_file(const std::string& path, const std::string& text, mode_t mode) {
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), mode);
}

UniqueFd listening(int family, int type, std::string& port) {
    UniqueFd socket(::socket(family, type | SOCK_CLOEXEC, 0));
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_addr = IN6ADDR_LOOPBACK_INIT;
    sockaddr* address = family == AF_INET ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
    socklen_t size = family == AF_INET ? sizeof v4 : sizeof v6;
    if (::bind(socket.get(), address, size) != 0 || (type == SOCK_STREAM && ::listen(socket.get(), 8) != 0) ||
        ::getsockname(socket.get(), address, &size) != 0)
        return {};
    port = std::to_string(ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port));
    return socket;
}

UniqueFd listening_unix(const std::string& path, bool abstract) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() + 1 >= sizeof address.sun_path) return {};
    std::memcpy(address.sun_path + (abstract ? 1 : 0), path.data(), path.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(socket.get(), 8) != 0)
        return {};
    return socket;
}

struct Sockets {
    UniqueFd streams[5];  // TCP over IPv4 and IPv6, a Unix socket with a path, an abstract one, one in the segment
    UniqueFd datagrams;
};

// The bystander's life: whoever reaches it gets the secret.
[[noreturn]] void serve(const Sockets& sockets, const std::string& token, int question) {
    ::signal(SIGPIPE, SIG_IGN);
    while (true) {
        pollfd waiting[7];
        for (int i = 0; i < 5; ++i) waiting[i] = {sockets.streams[i].get(), POLLIN, 0};
        waiting[5] = {sockets.datagrams.get(), POLLIN, 0};
        waiting[6] = {question, POLLIN, 0};
        if (::poll(waiting, 7, -1) < 0) continue;
        char byte;
        if (waiting[6].revents != 0 && (::read(question, &byte, 1) != 1 || ::write(question, &byte, 1) != 1))
            ::_exit(0);
        for (int i = 0; i < 5; ++i) {
            if (waiting[i].revents == 0) continue;
            const UniqueFd client(::accept4(waiting[i].fd, nullptr, nullptr, SOCK_CLOEXEC));
            if (::write(client.get(), token.data(), token.size()) < 0) continue;
        }
        if (waiting[5].revents == 0) continue;
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        if (::recvfrom(waiting[5].fd, &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &size) >= 0)
            ::sendto(waiting[5].fd, token.data(), token.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
}

void describe(std::ostringstream& text, const fs::path& path) {
    struct stat about {};
    if (::lstat(path.c_str(), &about) != 0) return;
    text << path.string() << ' ' << std::oct << about.st_mode << std::dec << ' ' << about.st_uid << ' ' << about.st_gid
         << ' ' << about.st_size << ' ' << about.st_nlink << ' ' << about.st_mtim.tv_sec << '.' << about.st_mtim.tv_nsec
         << ' ' << about.st_ctim.tv_sec << '.' << about.st_ctim.tv_nsec;
    char names[256];
    if (const ssize_t size = ::llistxattr(path.c_str(), names, sizeof names); size > 0)
        text << " attributes " << std::string(names, static_cast<std::size_t>(size));
    if (S_ISREG(about.st_mode)) text << ' ' << std::ifstream(path).rdbuf();
    text << '\n';
}

}  // namespace

std::string program_folder() { return fs::read_symlink("/proc/self/exe").parent_path().string(); }

World::World() {
    if (!make_folders() || !make_ipc() || !make_terminal() || !start_bystander())
        if (problem_.empty()) problem_ = std::string("the world cannot be made: ") + std::strerror(errno);
}

World::~World() {
    if (key_ >= 0) ::syscall(SYS_keyctl, KEYCTL_UNLINK, key_, KEY_SPEC_SESSION_KEYRING);
    if (shm_ >= 0) ::shmctl(shm_, IPC_RMID, nullptr);
    if (messages_ >= 0) ::msgctl(messages_, IPC_RMID, nullptr);
    if (semaphores_ >= 0) ::semctl(semaphores_, 0, IPC_RMID);
    if (const auto queue = facts_.find("queue"); queue != facts_.end()) {
        ::mq_unlink(queue->second.c_str());
        ::shm_unlink(queue->second.c_str());
    }
    std::error_code ignored;
    if (!base_.empty()) fs::remove_all(base_, ignored);
}

bool World::make_folders() {
    base_ = new_folder();
    if (base_.empty()) {
        problem_ =
            "no folder to work in: the program's folder, $HOME and the current one are not writable or lie in "
            "/tmp, where a cage has a folder of its own; TOREN_ESCAPE_FOLDER names another";
        return false;
    }
    const std::string token = "secret-" + random_text();
    std::memcpy(secret_in_memory, token.c_str(), token.size() + 1);
    for (const auto& folder : {segment() + "/folder", segment_read_only(), outside() + "/folder", other_segment(),
                               shown() + "/folder", shown_writable()})
        fs::create_directories(folder);
    for (const auto& folder : {outside(), other_segment(), shown()}) {
        write_file(folder + "/file", token, 0644);
        write_file(folder + "/folder/file", token, 0644);
    }
    fs::create_directories(fs::path(program()).parent_path());
    fs::copy_file(program_folder() + "/hostile", program());
    write_file(outside() + "/secret", token, 0600);
    write_file(segment() + "/file", "of the segment", 0644);
    write_file(segment_read_only() + "/file", "of the segment", 0644);
    make_guarded_segment(segment(), token);
    leaked_.reset(::open(outside().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    char address[24];
    std::snprintf(address, sizeof address, "%llu",
                  static_cast<unsigned long long>(reinterpret_cast<std::uintptr_t>(secret_in_memory)));
    facts_ = {{"base", base_},
              {"segment", segment()},
              {"outside", outside()},
              {"other", other_segment()},
              {"shown", shown()},
              {"shown_writable", shown_writable()},
              {"read_only", segment_read_only()},
              {"token", token},
              {"address", address},
              {"mark", token.substr(7, 8)}};
    return static_cast<bool>(leaked_);
}

bool World::make_ipc() {
    const std::string name = "/toren-escape-" + random_text();
    facts_["queue"] = name;
    const auto key = static_cast<key_t>(std::random_device()() | 1U);
    facts_["key"] = std::to_string(key);
    shm_ = ::shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600);
    messages_ = ::msgget(key, IPC_CREAT | IPC_EXCL | 0600);
    semaphores_ = ::semget(key, 1, IPC_CREAT | IPC_EXCL | 0600);
    key_ = ::syscall(SYS_add_key, "user", ("toren-escape-" + facts_["mark"]).c_str(), "x", 1, KEY_SPEC_SESSION_KEYRING);
    const UniqueFd queue(::mq_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600, nullptr));
    const UniqueFd shared(::shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
    return shm_ >= 0 && messages_ >= 0 && semaphores_ >= 0 && queue && shared;
}

bool World::make_terminal() {
    terminal_master_.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!terminal_master_ || ::unlockpt(terminal_master_.get()) != 0) return false;
    char name[64];
    if (::ptsname_r(terminal_master_.get(), name, sizeof name) != 0) return false;
    terminal_ = facts_["terminal"] = name;
    terminal_slave_.reset(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
    return static_cast<bool>(terminal_slave_);
}

bool World::start_bystander() {
    Sockets sockets;
    const std::string path = outside() + "/agent.sock", abstract = "toren-escape-" + facts_["mark"];
    sockets.streams[0] = listening(AF_INET, SOCK_STREAM, facts_["tcp4"]);
    sockets.streams[1] = listening(AF_INET6, SOCK_STREAM, facts_["tcp6"]);
    sockets.streams[2] = listening_unix(path, false);
    sockets.streams[3] = listening_unix(abstract, true);
    sockets.streams[4] = listening_unix(segment() + "/agent.sock", false);
    sockets.datagrams = listening(AF_INET, SOCK_DGRAM, facts_["udp"]);
    // A machine may be without IPv6; it is without none of the others.
    if (!sockets.streams[0] || !sockets.streams[2] || !sockets.streams[3] || !sockets.streams[4] || !sockets.datagrams)
        return false;
    if (!sockets.streams[1]) facts_.erase("tcp6");
    facts_["unix"] = path;
    facts_["abstract"] = abstract;
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return false;
    question_.reset(ends[0]);
    const UniqueFd answer(ends[1]);
    auto child = ChildProcess::fork();
    if (!child) return false;
    facts_["host_name"] = "h" + facts_["mark"];
    if (!*child) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::prctl(PR_SET_NAME, facts_["host_name"].c_str());
        serve(sockets, facts_["token"], answer.get());
    }
    bystander_ = std::move(**child);
    facts_["host_pid"] = std::to_string(bystander_.pid());
    return true;
}

std::string World::fingerprint() const {
    std::ostringstream text;
    std::vector<fs::path> all;
    std::error_code ignored;
    for (const auto& top : {outside(), other_segment(), shown(), segment_read_only(), base_ + "/program"}) {
        all.emplace_back(top);
        for (fs::recursive_directory_iterator at(top, ignored), end; at != end; at.increment(ignored)) {
            if (at->path() == shown_writable()) at.disable_recursion_pending();
            else all.push_back(at->path());
        }
    }
    std::sort(all.begin(), all.end());
    for (const auto& path : all) describe(text, path);
    return text.str();
}

bool World::bystander_lives() const { return answers(bystander_.pid(), question_.get()); }

bool World::end_process_named(const std::string& name) {
    bool found = false;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        std::string comm;
        std::getline(std::ifstream(entry.path() / "comm"), comm);
        if (comm != name) continue;
        ::kill(std::atoi(entry.path().filename().c_str()), SIGKILL);
        found = true;
    }
    return found;
}

void answer_forever(int channel) {
    char byte;
    while (::read(channel, &byte, 1) == 1 && ::write(channel, &byte, 1) == 1) {
    }
    ::_exit(0);
}

bool answers(pid_t child, int channel) {
    char byte = 'x';
    if (::send(channel, &byte, 1, MSG_NOSIGNAL) != 1) return false;
    while (true) {
        siginfo_t info{};
        const bool changed =
            ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WSTOPPED | WNOHANG | WNOWAIT) != 0 ||
            info.si_pid != 0;
        if (changed) return false;
        pollfd answer{channel, POLLIN, 0};
        if (::poll(&answer, 1, 20) == 1) return ::read(channel, &byte, 1) == 1;
    }
}

}  // namespace toren::escape
