// A child in namespaces and a root of its own, as the broker and every spawner are: the steps that both share.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/child_process.h"
#include "base/result.h"
#include "ipc/channel.h"
#include "policy/sandbox_spec.h"
#include "supervisor/log_relay.h"

#include <sys/capability.h>

namespace toren::supervisor {

struct CagedProgram {
    const char* name;
    int program;  // an O_PATH descriptor
    RootSpec root;
    std::vector<cap_value_t> capabilities;  // of its own user namespace, kept through exec
    std::vector<ResourceLimit> limits;
    std::vector<std::string> arguments;  // after argv[0]
    ipc::Role role;
    int control_number;  // where it finds its channel to the supervisor
    std::vector<InheritedFd> descriptors;
    int cgroup = -1;         // the group that it is born into, where a cgroup v2 subtree is delegated
    int cgroup_number = -1;  // where it finds its group, as its own cgroup namespace shows it
    // A folder of the host that it finds open at this number and that no path of its root leads to.
    struct KeptFolder {
        std::string path = {};
        int number = -1;
    } kept_folder = {};
    bool oom_victim = false;  // the kernel ends it first when the machine's memory runs out
    // Opens what can only be opened inside the new root; adds to `descriptors`.
    std::function<Result<>(std::vector<InheritedFd>&, std::vector<UniqueFd>&)> open_inside;
};

struct CagedProcess {
    ChildProcess process;
    ipc::Channel channel;
    LogRelay log;
};

Result<CagedProcess> start_caged(const CagedProgram& program);

}  // namespace toren::supervisor
