#include "tests/escape/cage.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>

#include "policy/cage.h"
#include "policy/guards.h"
#include "policy/landlock.h"
#include "policy/namespaces.h"
#include "policy/privileges.h"
#include "policy/roles.h"
#include "policy/seccomp.h"
#include "tests/escape/guarded_segment.h"

extern char** environ;

namespace toren::escape {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;
constexpr int kReportFd = 3;  // in the command: where it says why it could not be confined; closed by exec

// What the cell's first process tells when the command has ended.
struct Report {
    int code;
    bool workers_live;
};

struct Pipe {
    UniqueFd read, write;
    static Result<Pipe> make() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe2");
        return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
    }
};

std::vector<std::string> arguments_of(const World& world, const std::string& attempt) {
    std::vector<std::string> arguments = {world.program(), attempt};
    for (const auto& [name, value] : world.facts()) arguments.push_back(name + "=" + value);
    return arguments;
}

// Never freed: the process executes or ends.
std::vector<char*>& pointers(std::vector<std::string>& strings) {
    auto& out = *new std::vector<char*>;
    for (auto& text : strings) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

class Cell {
public:
    Cell(const World& world, std::string attempt, Layers left_out, Pipe& output, Pipe& broken, Pipe& report)
        : world_(world),
          attempt_(std::move(attempt)),
          left_out_(left_out),
          output_(output),
          broken_(broken),
          report_(report) {
        const CommandLimits limits{.processes = kProcesses, .file_bytes = kFileBytes, .open_files = kOpenFiles};
        profile_ = workspace_write_profile(limits);
        profile_.read_only = {world.shown(), world.segment_read_only(), world.program()};
        profile_.writable = {world.shown_writable()};
    }

    std::uint64_t clone_flags() const {
        if (out(kUser)) return 0;
        std::uint64_t flags = kAllNamespaces;
        if (out(kNetwork)) flags &= ~std::uint64_t{CLONE_NEWNET};
        if (out(kPids)) flags &= ~std::uint64_t{CLONE_NEWPID};
        if (out(kIpc)) flags &= ~std::uint64_t{CLONE_NEWIPC};
        return flags;
    }

    // In the child that becomes the cell.
    [[noreturn]] void run() {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        or_give_up(take_terminal());
        or_give_up(enter());
        if (!out(kGuards | kMounts | kUser)) guards_.emplace(or_give_up(Guards::stand(guard_spec(world_.segment()))));
        if (!out(kLandlock)) ruleset_ = or_give_up(make_ruleset(landlock()));
        worker_ = start_bystander("w", false);
        sibling_ = start_bystander("s", true);
        const pid_t init = or_give_up(start_slot());
        int status = 0;
        while (::waitpid(init, &status, 0) < 0 && errno == EINTR) {
        }
        const Report report{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                            lives(worker_) && lives(sibling_)};
        if (guards_) guards_->release();
        for (const pid_t pid : {worker_.pid, sibling_.pid}) ::kill(pid, SIGKILL);
        ::_exit(::write(report_.write.get(), &report, sizeof report) == sizeof report ? 0 : 99);
    }

private:
    bool out(Layers layer) const { return (left_out_ & layer) != 0; }

    [[noreturn]] void give_up(const Error& why) const {
        const std::string text = why.text();
        [[maybe_unused]] const auto written = ::write(broken_.write.get(), text.data(), text.size());
        ::_exit(99);
    }
    template <typename T>
    T or_give_up(Result<T> result) const {
        if (!result) give_up(result.error());
        return std::move(*result);
    }

    // The operator's terminal: setsid in the command is what takes it away.
    Result<> take_terminal() {
        if (::setsid() < 0) return errno_error("setsid");
        const UniqueFd terminal(::open(world_.terminal().c_str(), O_RDWR | O_CLOEXEC));
        if (!terminal || ::ioctl(terminal.get(), TIOCSCTTY, 0) != 0) return errno_error("TIOCSCTTY");
        return Ok{};
    }

    CellSpec spec() const {
        const SegmentLimits limits{.tmp_bytes = out(kLimits) ? kTmpBytes * 16 : kTmpBytes};
        CellSpec spec{.root = cell_root(world_.segment(), profile_, limits, ::geteuid(), ::getegid()),
                      .limits = out(kLimits) ? std::vector<ResourceLimit>{} : command_limits(profile_.limits),
                      .user = user_,
                      .group = group_,
                      .objects = out(kLimits) ? std::vector<ObjectLimit>{} : object_limits()};
        if (out(kNetwork)) spec.root.loopback = false;  // the host's is not ours to bring up
        for (auto& mount : spec.root.mounts)
            if (out(kPids) && mount.kind == MountKind::kProc)
                mount = {.kind = MountKind::kReadOnly, .target = "/proc", .source = "/proc"};
        return spec;
    }

    LandlockSpec landlock() const {
        LandlockSpec rules = command_landlock(world_.segment(), profile_);
        if (out(kMounts | kUser))  // the host lacks what only a cell has
            for (auto& rule : rules.rules) rule.optional = true;
        return rules;
    }

    Result<> enter() const {
        const CellSpec cell = spec();
        if (out(kUser)) return Ok{};  // the limit of processes would count all that the operator runs
        if (!out(kMounts)) TRY(enter_cell(cell));
        else TRY(enter_host_root(cell));
        if (out(kDumpable)) ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        return Ok{};
    }

    // enter_cell without its root.
    Result<> enter_host_root(const CellSpec& cell) const {
        ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        TRY(map_own_ids(cell.user, cell.group));
        bound_objects(cell.objects);
        TRY(set_not_dumpable());
        if (cell.root.loopback) TRY(bring_loopback_up());
        if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno_error("make '/' private");
        if (!out(kPids)) TRY(mount_writable_proc());
        return set_resource_limits(cell.limits);
    }

    static Result<> mount_writable_proc() {
        if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
            return errno_error("mount a writable /proc");
        return Ok{};
    }

    struct Bystander {
        pid_t pid = 0;
        UniqueFd question;
    };

    // A process of the cell beside the command: a worker as services are, or another command.
    Bystander start_bystander(const char* name, bool as_command) const {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) give_up(errno_error("socketpair"));
        Bystander bystander{.question = UniqueFd(ends[0])};
        const UniqueFd answer(ends[1]);
        bystander.pid = ::fork();
        if (bystander.pid < 0) give_up(errno_error("fork"));
        if (bystander.pid == 0) {
            bystander.question.reset();
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::prctl(PR_SET_NAME, (name + world_.facts().at("mark")).c_str());
            if (!out(kUser)) or_give_up(drop_all_capabilities());
            if (as_command) {
                ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
                or_give_up(set_no_new_privileges());
                if (ruleset_) or_give_up(restrict_to_ruleset(ruleset_.get()));
            }
            answer_forever(answer.get());
        }
        if (!lives(bystander)) give_up(error("a bystander did not start"));
        return bystander;
    }

    static bool lives(const Bystander& bystander) { return answers(bystander.pid, bystander.question.get()); }

    // The command's init, as workers/spawner/command_init.cpp makes it.
    Result<pid_t> start_slot() {
        if (out(kSlot | kUser)) {
            const pid_t pid = ::fork();
            if (pid == 0) become_command();
            if (pid < 0) return errno_error("fork");
            return pid;
        }
        TRY_ASSIGN(auto init, ChildProcess::fork(kCommandNamespaces));
        if (!init) run_init();
        slot_ = std::move(*init);
        return slot_.pid();
    }

    [[noreturn]] void run_init() {
        if (guards_) or_give_up(follow_guards());
        or_give_up(out(kMounts) ? mount_writable_proc() : mount_own_proc());
        const pid_t command = ::fork();
        if (command < 0) give_up(errno_error("fork"));
        if (command == 0) become_command();
        or_give_up(drop_all_capabilities());
        or_give_up(set_no_new_privileges());
        int status = 0;
        for (pid_t pid = 0; pid != command;) pid = ::waitpid(-1, &status, 0);
        ::kill(-1, SIGKILL);
        ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }

    // As workers/spawner/command.cpp.
    [[noreturn]] void become_command() {
        UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        if ((!out(kSession) && ::setsid() < 0) || ::dup2(null.get(), 0) < 0 || ::dup2(output_.write.get(), 1) < 0 ||
            ::dup2(output_.write.get(), 2) < 0)
            give_up(errno_error("standard streams"));
        const int ruleset = ruleset_ ? 5 : -1;
        std::vector<InheritedFd> kept = {{broken_.write.get(), kReportFd}};
        if (ruleset_) kept.push_back({ruleset_.get(), ruleset});
        if (out(kDescriptors)) kept.push_back({world_.leaked_folder(), kLeakedFd});
        or_give_up(inherit_only(kept));
        broken_.write.release();
        broken_.write.reset(kReportFd);
        for (const int fd : {kReportFd, ruleset}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
        if (::chdir(world_.segment().c_str()) != 0) give_up(errno_error("chdir to the segment"));
        or_give_up(confine(ruleset));
        auto environment = command_environment();
        const std::string program = world_.program();
        std::vector<std::string> arguments = arguments_of(world_, attempt_);
        arguments.push_back("worker_pid=" + std::to_string(worker_.pid));
        arguments.push_back("sibling_pid=" + std::to_string(sibling_.pid));
        if (out(kEnvironment)) {
            for (const char* one : {"SSH_AUTH_SOCK=/run/user/1/agent", "GIT_DIR=/elsewhere", "GITHUB_TOKEN=x",
                                    "LD_LIBRARY_PATH=/elsewhere", "GIT_CONFIG_COUNT=1"})
                ::putenv(const_cast<char*>(one));
        } else {
            ::environ = pointers(environment).data();
        }
        ::execv(program.c_str(), pointers(arguments).data());
        give_up(errno_error("execute '" + program + "'"));
    }

    Result<> confine(int ruleset) const {
        if (!out(kCapabilities | kNoNewPrivs | kLandlock | kSeccomp | kUser)) return confine_command(ruleset);
        if (!out(kUser)) TRY(out(kCapabilities) ? keep_every_capability() : drop_all_capabilities());
        if (!out(kNoNewPrivs)) TRY(set_no_new_privileges());
        if (ruleset >= 0) TRY(restrict_to_ruleset(ruleset));
        if (!out(kSeccomp)) TRY(install_filter(FilterRole::kCommand));
        return Ok{};
    }

    // Of the cell's user namespace, through exec.
    static Result<> keep_every_capability() {
        std::vector<cap_value_t> all;
        for (cap_value_t cap = 0; cap < cap_max_bits(); ++cap) all.push_back(cap);
        cap_t caps = ::cap_get_proc();
        const bool set =
            ::cap_set_flag(caps, CAP_INHERITABLE, static_cast<int>(all.size()), all.data(), CAP_SET) == 0 &&
            ::cap_set_proc(caps) == 0;
        ::cap_free(caps);
        if (!set) return errno_error("cap_set_proc");
        for (const cap_value_t cap : all)
            if (::cap_set_ambient(cap, CAP_SET) != 0) return errno_error("PR_CAP_AMBIENT_RAISE");
        return Ok{};
    }

    const World& world_;
    const std::string attempt_;
    const Layers left_out_;
    Pipe &output_, &broken_, &report_;
    const unsigned user_ = ::geteuid(), group_ = ::getegid();
    Profile profile_;
    std::optional<Guards> guards_;
    UniqueFd ruleset_;
    Bystander worker_, sibling_;
    ChildProcess slot_;
};

// What is in the pipe, without waiting for those who still hold its other end.
void drain(int fd, std::string& into) {
    char piece[4096];
    ssize_t size;
    while (into.size() < (1U << 20) && (size = ::read(fd, piece, sizeof piece)) > 0)
        into.append(piece, static_cast<std::size_t>(size));
}

// Until the cell has ended; its output is taken meanwhile, so that a full pipe holds nobody up.
std::optional<ExitStatus> wait_for(ChildProcess& cell, int output, std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
        pollfd waiting[] = {{cell.pidfd(), POLLIN, 0}, {output, POLLIN, 0}};
        if (::poll(waiting, 2, 1000) < 0 && errno != EINTR) return {};
        if ((waiting[1].revents & POLLIN) != 0) drain(output, text);
        if (waiting[0].revents != 0) return cell.try_wait();
    }
    return {};
}

// What the witnesses say afterwards.
void ask_witnesses(World& world, const std::string& before, Run& run) {
    run.host_lives = world.bystander_lives();
    run.outside_changed = world.fingerprint() != before;
    run.left_behind = World::end_process_named("d" + world.facts().at("mark"));
}

}  // namespace

Run run_in_cage(World& world, const std::string& attempt, Layers left_out) {
    Run run;
    auto output = Pipe::make(), broken = Pipe::make(), report = Pipe::make();
    if (!output || !broken || !report) {
        run.broken = "no pipe";
        return run;
    }
    for (Pipe* pipe : {&*output, &*broken, &*report}) ::fcntl(pipe->read.get(), F_SETFL, O_NONBLOCK);
    const std::string before = world.fingerprint();
    Cell cell(world, attempt, left_out, *output, *broken, *report);
    auto child = ChildProcess::fork(cell.clone_flags());
    if (!child) {
        run.broken = child.error().text();
        return run;
    }
    if (!*child) cell.run();
    ChildProcess process = std::move(**child);
    for (Pipe* pipe : {&*output, &*broken, &*report}) pipe->write.reset();
    const bool ended = wait_for(process, output->read.get(), run.output).has_value();
    drain(output->read.get(), run.output);
    drain(broken->read.get(), run.broken);
    Report told{};
    if (!ended) run.broken += " it did not end in time";
    else if (run.broken.empty() && ::read(report->read.get(), &told, sizeof told) != sizeof told)
        run.broken = "the cell ended without a report";
    run.code = told.code;
    run.workers_live = told.workers_live;
    ask_witnesses(world, before, run);
    return run;
}

std::string product() {
    const char* asked = ::getenv("TOREN_BIN");
    for (const std::string& folder : {std::string(asked != nullptr ? asked : ""), program_folder()})
        if (!folder.empty() && ::access((folder + "/toren").c_str(), X_OK) == 0) return folder + "/toren";
    return "";
}

Run run_in_product(World& world, const std::string& toren, const std::string& attempt) {
    Run run;
    auto output = Pipe::make();
    auto child = output ? ChildProcess::fork() : Result<std::optional<ChildProcess>>(output.error());
    if (!child) {
        run.broken = child.error().text();
        return run;
    }
    const std::string before = world.fingerprint();
    if (!*child) {
        std::vector<std::string> arguments = {toren, "run"};
        for (const auto& [option, path] : {std::pair{"--rw", world.segment()},
                                           {"--rw", world.shown_writable()},
                                           {"--ro", world.shown()},
                                           {"--ro", world.segment_read_only()},
                                           {"--ro", world.program()}})
            arguments.insert(arguments.end(), {option, path});
        arguments.insert(arguments.end(), {"--cwd", world.segment(), "--"});
        for (auto& one : arguments_of(world, attempt)) arguments.push_back(std::move(one));
        ::dup2(output->write.get(), 1);
        ::dup2(output->write.get(), 2);
        ::execv(toren.c_str(), pointers(arguments).data());
        ::_exit(125);
    }
    output->write.reset();
    ::fcntl(output->read.get(), F_SETFL, O_NONBLOCK);
    ChildProcess process = std::move(**child);
    const auto status = wait_for(process, output->read.get(), run.output);
    drain(output->read.get(), run.output);
    if (!status) run.broken = "it did not end in time";
    else run.code = status->signal != 0 ? 128 + status->signal : status->code;
    run.workers_live = true;  // there are none
    ask_witnesses(world, before, run);
    return run;
}

}  // namespace toren::escape
