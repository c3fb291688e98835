// A broker that was taken over: greets or does not, then does what /state/attack names. Stands in for toren-broker in
// hostile_broker_test.cpp, so it is executed by a real supervisor, in the real broker's cage.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include "ipc/channel.h"
#include "ipc/inherited.h"

using namespace toren;

namespace {

void send_raw(ipc::Type type, const std::string& payload) {
    const auto number = static_cast<std::uint16_t>(type);
    std::string bytes(reinterpret_cast<const char*>(&number), sizeof number);
    bytes += payload;
    ::send(ipc::kBrokerSupervisorFd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

template <typename T>
void send_message(const T& message) {
    std::string payload;
    ipc::Writer(payload).write(message);
    send_raw(T::kType, payload);
}

void greet() {
    send_message(ipc::BrokerHello{});
    char welcome[ipc::kLargestMessage];
    [[maybe_unused]] const auto length = ::recv(ipc::kBrokerSupervisorFd, welcome, sizeof welcome, 0);
}

const std::map<std::string, std::function<void()>> kAttacks = {
    {"before-greeting", [] { send_message(ipc::OpenCell{"one"}); }},
    {"other-build", [] { send_message(ipc::BrokerHello{ipc::kProtocolVersion + 1}); }},
    {"greets-twice", [] { greet(), send_message(ipc::BrokerHello{}); }},
    {"unknown-message", [] { greet(), send_raw(static_cast<ipc::Type>(4711), ""); }},
    {"spawner-message", [] { greet(), send_message(ipc::NewSlot{}); }},
    {"too-long", [] { greet(), send_raw(ipc::Type::kListSegments, std::string(5000, 'x')); }},
    {"malformed", [] { greet(), send_raw(ipc::Type::kOpenCell, "\xff\xff\xff\xff"); }},
    {"unconfigured", [] { greet(), send_message(ipc::OpenCell{"../../etc"}); }},
    {"workspace-elsewhere",
     [] {
         greet(), send_message(ipc::CreateWorkspace{"one", "../../up"});
     }},
    {"workspace-removal-elsewhere",
     [] {
         greet(), send_message(ipc::RemoveWorkspace{"one", "/etc"});
     }},
    {"workspace-of-nobody",
     [] {
         greet(), send_message(ipc::RemoveWorkspace{"../../etc", "One"});
     }},
    {"workspace-cell-of-nobody", [] { greet(), send_message(ipc::OpenCell{"nobody@One"}); }},
    {"workspaces-unconfigured", [] { greet(), send_message(ipc::ListWorkspaces{"one"}); }},
    {"silent", [] { greet(), ::shutdown(ipc::kBrokerSupervisorFd, SHUT_RDWR); }},
};

}  // namespace

int main() {
    std::string name;
    std::ifstream("/state/attack") >> name;
    if (const auto attack = kAttacks.find(name); attack != kAttacks.end()) attack->second();
    while (::pause() != 0) {
        // The supervisor must end this process; it never ends by itself.
    }
}
