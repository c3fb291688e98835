#include "supervisor/probe_targets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ipc.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "ipc/probe_attempts.h"

namespace toren::supervisor {
namespace {

constexpr const char* kCanaryText = "canary";

std::string read_small(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    char text[4096];
    const ssize_t length = file ? ::read(file.get(), text, sizeof text) : 0;
    return std::string(text, length > 0 ? static_cast<std::size_t>(length) : 0);
}

// A copy, not a hard link: what the cage can write must not be Toren's own program.
Result<> copy_program(int program, const std::string& path) {
    const UniqueFd from(::open(("/proc/self/fd/" + std::to_string(program)).c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd to(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700));
    if (!from || !to) return errno_error("self-probe: copy toren-probe to '" + path + "'");
    ssize_t sent = 0;
    while ((sent = ::sendfile(to.get(), from.get(), nullptr, 1 << 20)) > 0) {
    }
    if (sent < 0) return errno_error("self-probe: copy toren-probe to '" + path + "'");
    return Ok{};
}

// Since when this process runs: the kernel's number, field 22.
std::string started() {
    const std::string stat = read_small("/proc/self/stat");
    std::size_t at = stat.rfind(')');
    for (int field = 2; field < 22 && at != std::string::npos; ++field) at = stat.find(' ', at + 1);
    return at == std::string::npos ? "" : stat.substr(at + 1, stat.find(' ', at + 1) - at - 1);
}

std::string own_namespaces() {
    std::string list;
    for (const char* name : ipc::kProbeNamespaces) {
        struct stat about {};
        if (::stat((std::string("/proc/self/ns/") + name).c_str(), &about) != 0) about.st_ino = 0;
        list += (list.empty() ? "" : ",") + std::to_string(about.st_ino);
    }
    return list;
}

// By a peer that did not say that it is the control.
bool was_reached(const UniqueFd& listener) {
    bool reached = false;
    while (const UniqueFd peer{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)}) {
        char word = 0;
        reached = reached || ::recv(peer.get(), &word, 1, MSG_DONTWAIT) != 1 || word != 'o';
    }
    return reached;
}

}  // namespace

ProbeTargets::ProbeTargets(ProbeTargets&& other) noexcept
    : state_path_(std::exchange(other.state_path_, "")),
      segment_(std::move(other.segment_)),
      canary_(std::move(other.canary_)),
      socket_name_(std::move(other.socket_name_)),
      variable_(std::move(other.variable_)),
      tcp_(std::move(other.tcp_)),
      abstract_(std::move(other.abstract_)),
      port_(other.port_),
      memory_(std::exchange(other.memory_, -1)) {}

ProbeTargets::~ProbeTargets() {
    if (state_path_.empty()) return;
    std::error_code ignored;
    std::filesystem::remove_all(segment_, ignored);
    ::unlink(canary_.c_str());
    ::unsetenv(variable_.c_str());
    if (memory_ >= 0) ::shmctl(memory_, IPC_RMID, nullptr);
}

Result<ProbeTargets> ProbeTargets::make(const std::string& state_path, int program) {
    ProbeTargets targets;
    targets.state_path_ = state_path;
    targets.segment_ = state_path + "/probe";
    targets.canary_ = state_path + "/probe-canary";
    TRY(targets.make_files(program));
    TRY(targets.listen());
    targets.variable_ = "TOREN_PROBE_VARIABLE";
    ::setenv(targets.variable_.c_str(), "x", 1);
    targets.memory_ = ::shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);  // a kernel without it has none to reach
    return targets;
}

Result<> ProbeTargets::make_files(int program) {
    std::error_code ignored;
    std::filesystem::remove_all(segment_, ignored);
    ::unlink(canary_.c_str());
    if (::mkdir(segment_.c_str(), 0700) != 0) return errno_error("self-probe: mkdir '" + segment_ + "'");
    TRY(copy_program(program, this->program()));
    const UniqueFd canary(::open(canary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!canary || ::write(canary.get(), kCanaryText, std::strlen(kCanaryText)) < 0)
        return errno_error("self-probe: create '" + canary_ + "'");
    return Ok{};
}

Result<> ProbeTargets::listen() {
    tcp_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (!tcp_ || ::bind(tcp_.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
        ::listen(tcp_.get(), 4) != 0 || ::getsockname(tcp_.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
        return errno_error("self-probe: listen on 127.0.0.1");
    port_ = ntohs(address.sin_port);

    std::uint64_t random = 0;
    if (::getrandom(&random, sizeof random, 0) != sizeof random) return errno_error("getrandom");
    socket_name_ = "toren-probe-" + std::to_string(random);
    abstract_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un abstract{};
    abstract.sun_family = AF_UNIX;
    std::memcpy(abstract.sun_path + 1, socket_name_.data(), socket_name_.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + socket_name_.size());
    if (!abstract_ || ::bind(abstract_.get(), reinterpret_cast<const sockaddr*>(&abstract), size) != 0 ||
        ::listen(abstract_.get(), 4) != 0)
        return errno_error("self-probe: listen on an abstract socket");
    return Ok{};
}

std::vector<std::string> ProbeTargets::arguments(bool inside) const {
    return {"toren-probe",
            std::string("inside=") + (inside ? "1" : "0"),
            "canary=" + canary_,
            "process=" + std::to_string(::getpid()) + ":" + started(),
            "port=" + std::to_string(port_),
            "socket=" + socket_name_,
            "memory=" + std::to_string(memory_),
            "variable=" + variable_,
            "namespaces=" + own_namespaces()};
}

std::vector<std::string> ProbeTargets::reached_from_inside() {
    std::vector<std::string> names;
    const auto canary = read_small(canary_);
    if (canary != kCanaryText && canary != kCanaryText + std::string("o")) names.push_back("write-outside");
    if (was_reached(tcp_)) names.push_back("connect-loopback");
    if (was_reached(abstract_)) names.push_back("connect-abstract");
    return names;
}

}  // namespace toren::supervisor
