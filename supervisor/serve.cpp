// toren serve, the supervisor.
// PROCESS    one, the parent of everything; its end is the end of everything
// PRIVILEGE  the operator's account, no more; binds the listeners, makes namespaces, starts the others
// DISTRUSTS  its children: their requests are rows of a table, their logs are escaped
// IF OWNED   the attacker has the operator's account, so it parses the operator's configuration and nothing else
#include "supervisor/serve.h"

#include <signal.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "policy/config.h"
#include "policy/config_profiles.h"
#include "policy/landlock.h"
#include "policy/privileges.h"
#include "policy/segments.h"
#include "policy/workspaces.h"
#include "supervisor/self_probe.h"
#include "supervisor/supervisor.h"

namespace toren::supervisor {
namespace {

Result<Config> configuration(const ServeOptions& options, const std::string& home) {
    TRY_ASSIGN(auto config, load_config(options.config, home));
    if (options.listen) {
        const auto colon = options.listen->rfind(':');
        char* end = nullptr;
        const unsigned long port =
            colon == std::string::npos ? 65536 : std::strtoul(options.listen->c_str() + colon + 1, &end, 10);
        if (port > 65535 || end == options.listen->c_str() + colon + 1 || *end != '\0')
            return error("--listen '" + *options.listen + "': expected HOST:PORT");
        config.server.host = options.listen->substr(0, colon);
        if (config.server.host.starts_with('[') && config.server.host.ends_with(']'))
            config.server.host = config.server.host.substr(1, config.server.host.size() - 2);
        config.server.port = port;
    }
    TRY(check_exposure(config));
    return config;
}

// Six digits, each as likely as the others.
Result<std::string> mint_pin() {
    std::uint32_t number = 0;
    constexpr std::uint32_t kPins = 1'000'000, kFair = UINT32_MAX / kPins * kPins;
    do {
        if (::getrandom(&number, sizeof number, 0) != sizeof number) return errno_error("getrandom");
    } while (number >= kFair);
    char text[8];
    std::snprintf(text, sizeof text, "%06u", number % kPins);
    return std::string(text);
}

// A fixed PIN for scripts of the original daemon. It is as short as any other, so it works on loopback only.
Result<std::string> pairing_pin(const Config& config) {
    const char* fixed = std::getenv("PAIRING_TOKEN");
    if (fixed == nullptr || *fixed == '\0') return mint_pin();
    const std::string pin = fixed;
    ::unsetenv("PAIRING_TOKEN");
    if (!is_loopback(config.server.host))
        return error("PAIRING_TOKEN is honoured on loopback only, and server.host is " + config.server.host);
    if (pin.size() != 6 || !std::all_of(pin.begin(), pin.end(), [](char c) { return c >= '0' && c <= '9'; }))
        return error("PAIRING_TOKEN: six digits are expected");
    log_warning("the pairing token comes from PAIRING_TOKEN: whoever can read that script can pair");
    return pin;
}

// Whether Landlock stands; false only where the operator has said that it may be missing.
Result<bool> landlock_stands(const Config& config) {
    auto abi = landlock_abi();
    if (abi) return true;
    const auto& allowed = config.confinement.allow_degraded;
    if (std::find(allowed.begin(), allowed.end(), "landlock") == allowed.end()) return std::move(abi.error());
    log_warning(
        "running without Landlock, as confinement.allow_degraded says: the mount namespace alone keeps files apart");
    return false;
}

// Where none is, resource limits and a watchdog hold what they can; that is no degraded cage, but it is said.
std::optional<CgroupTree> cgroups_if_delegated() {
    auto tree = CgroupTree::take_over();
    if (tree) {
        log_info("limits are held by cgroup v2 in " + tree->path() + " (" + tree->controllers() + ")");
        return std::move(*tree);
    }
    log_info("limits are held by resource limits and a watchdog: " + tree.error().text());
    return std::nullopt;
}

// The one place where signals arrive: nothing here runs in a handler.
Result<UniqueFd> watch_signals() {
    sigset_t watched;
    sigemptyset(&watched);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&watched, signal);
    if (::sigprocmask(SIG_BLOCK, &watched, nullptr) != 0) return errno_error("sigprocmask");
    ::signal(SIGPIPE, SIG_IGN);
    UniqueFd signals(::signalfd(-1, &watched, SFD_CLOEXEC));
    if (!signals) return errno_error("signalfd");
    return signals;
}

Result<int> run(const ServeOptions& options) {
    TRY_ASSIGN(const auto home, home_folder());
    TRY_ASSIGN(auto config, configuration(options, home));
    for (const auto& warning : config.warnings) log_warning(warning);
    TRY_ASSIGN(const bool landlock, landlock_stands(config));
    TRY_ASSIGN(auto programs, Programs::open_beside_this_one());
    TRY_ASSIGN(auto state, StateFolder::open(options.state.value_or(default_state_path(home))));
    TRY_ASSIGN(auto audit, AuditLog::open(state.path()));
    TRY_ASSIGN(const auto created, state.created_segments());
    TRY_ASSIGN(auto segments, discover_segments(config, created, state.path(), home));
    for (const auto& warning : segments.warnings) log_warning(warning);
    TRY_ASSIGN(auto workspace_root, find_workspace_root(config, segments, state.path(), home));
    TRY_ASSIGN(const auto remarks, check_profiles({config, segments, home, state.path()}));
    for (const auto& remark : remarks) log_warning(remark);
    auto cgroups = cgroups_if_delegated();
    TRY(prove_the_cage(programs, state.path(), config, landlock));
    TRY_ASSIGN(auto listeners, bind_listeners(config.server.host, static_cast<std::uint16_t>(config.server.port)));
    TRY_ASSIGN(const auto pin, pairing_pin(config));
    TRY(set_not_dumpable());
    TRY(drop_supplementary_groups_if_permitted());
    if (::geteuid() == 0)
        log_warning(
            "running as root: commands in a cage then own root's files wherever a segment shows them; an ordinary "
            "account is the better one");
    TRY_ASSIGN(const auto signals, watch_signals());
    log_info("serving " + std::to_string(segments.segments.size()) + " segments from " + config.file + ", state in " +
             state.path());
    Settings settings{std::move(config),  home,    std::move(workspace_root), pin, std::move(listeners),
                      std::move(cgroups), landlock};
    return Supervisor(std::move(settings), std::move(programs), std::move(state), std::move(audit), std::move(segments))
        .run(signals.get());
}

}  // namespace

int serve(const ServeOptions& options) {
    set_log_process("supervisor");
    auto status = run(options);
    if (status) return *status;
    log_error(status.error().text());
    return 1;
}

}  // namespace toren::supervisor
