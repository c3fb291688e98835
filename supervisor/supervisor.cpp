#include "supervisor/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>

#include "base/log.h"

namespace toren::supervisor {
namespace {

constexpr std::chrono::milliseconds kRestartPause{200};  // between two starts of a broker that keeps dying
constexpr int kFailedStarts = 5;                         // in a row without a greeting: it will not come up
constexpr std::uint64_t kPairingSeconds = 300;
constexpr std::chrono::seconds kPartingTime{2};  // for every cell together

enum Watched { kSignal, kBrokerChannel, kBrokerProcess, kBrokerLog, kFirstCell };
constexpr int kFdsPerCell = 3;  // channel, process, log

}  // namespace

Supervisor::Supervisor(Settings settings, Programs programs, StateFolder state, AuditLog audit, SegmentSet segments)
    : settings_(std::move(settings)),
      programs_(std::move(programs)),
      state_(std::move(state)),
      audit_(std::move(audit)),
      segments_(std::move(segments)),
      null_(::open("/dev/null", O_RDWR | O_CLOEXEC)),
      pairing_expires_(static_cast<std::uint64_t>(std::time(nullptr)) + kPairingSeconds),
      broker_due_(Clock::now()) {}

int Supervisor::run(int signals) {
    while (true) {
        start_broker_if_due();
        if (failures_ >= kFailedStarts && !announced_) return 1;
        std::vector<pollfd> fds = {{signals, POLLIN, 0},
                                   {broker_.channel.fd(), POLLIN, 0},
                                   {broker_.process.pidfd(), POLLIN, 0},
                                   {broker_.log.fd(), POLLIN, 0}};
        std::vector<std::string> names;
        for (auto& [name, cell] : cells_) {
            names.push_back(name);
            fds.push_back({cell.caged.channel.fd(), POLLIN, 0});
            fds.push_back({cell.caged.process.pidfd(), POLLIN, 0});
            fds.push_back({cell.caged.log.fd(), POLLIN, 0});
        }
        for (const auto& [address, removal] : removals_) fds.push_back({removal.child.pidfd(), POLLIN, 0});
        const int wait = broker_due_ || !removals_.empty() ? static_cast<int>(kRestartPause.count()) : -1;
        if (::poll(fds.data(), fds.size(), wait) < 0 && errno != EINTR) return 1;
        if (fds[kSignal].revents != 0) {  // SIGTERM or SIGINT: every child ends with this process
            end_cells();
            return 0;
        }
        if (fds[kBrokerLog].revents != 0) broker_.log.pass_on();
        if (fds[kBrokerChannel].revents != 0) serve_broker();
        if (fds[kBrokerProcess].revents != 0) broker_ended();
        for (std::size_t i = 0; i < names.size(); ++i) {
            const std::size_t first = kFirstCell + i * kFdsPerCell;
            const auto cell = cells_.find(names[i]);
            if (cell == cells_.end()) continue;
            if (fds[first + 2].revents != 0) cell->second.caged.log.pass_on();
            if (fds[first].revents != 0) serve_cell(names[i], cell->second);
            if (fds[first + 1].revents != 0) cell_ended(names[i], cell->second);
        }
        continue_removals();
    }
}

// --- the broker's life

void Supervisor::start_broker_if_due() {
    if (!broker_due_ || Clock::now() < *broker_due_) return;
    broker_due_.reset();
    broker_started_ = Clock::now();
    broker_greeted_ = false;
    auto started = start_broker(programs_, settings_.listeners, state_.broker_path(), settings_.landlock);
    if (started) {
        broker_ = std::move(*started);
        return;
    }
    log_error(started.error().text());
    ++failures_;
    broker_due_ = Clock::now() + kRestartPause;
}

void Supervisor::broker_ended() {
    const auto status = broker_.process.try_wait();
    if (!status) return;
    broker_.log.pass_on();
    audit_.record("broker-ended", describe(*status));
    log_error("the broker " + describe(*status) + "; it is started again");
    broker_ = CagedProcess{};
    failures_ = broker_greeted_ ? 0 : failures_ + 1;
    // At once, unless it has just been started: then a little later, so that a broker that cannot live does not spin.
    const auto now = Clock::now();
    broker_due_ = now - broker_started_ > kRestartPause ? now : now + kRestartPause;
    for (auto& [name, cell] : cells_) cell.wanted = false;
}

void Supervisor::end_broker(const std::string& rule) {
    audit_.record("broker-violation", rule);
    log_error("the broker broke a rule and is ended: " + rule);
    broker_.channel.close();
    broker_.process.kill(SIGKILL);
}

// --- what the broker asks

const Supervisor::Request Supervisor::kRequests[] = {
    {ipc::Type::kBrokerHello, &Supervisor::hello},
    {ipc::Type::kListSegments, &Supervisor::list_segments},
    {ipc::Type::kCreateSegment, &Supervisor::create_segment},
    {ipc::Type::kOpenCell, &Supervisor::open_cell},
    {ipc::Type::kListWorkspaces, &Supervisor::list_workspaces},
    {ipc::Type::kCreateWorkspace, &Supervisor::create_workspace},
    {ipc::Type::kRemoveWorkspace, &Supervisor::remove_workspace},
};

void Supervisor::serve_broker() {
    ipc::Packet packet;
    switch (broker_.channel.receive(packet)) {
        case ipc::Received::kNothing: return;
        case ipc::Received::kClosed: broker_.channel.close(); return broker_.process.kill(SIGKILL);
        case ipc::Received::kViolation: return end_broker(broker_.channel.violation());
        case ipc::Received::kPacket: break;
    }
    for (const Request& request : kRequests)
        if (request.type == packet.type) return (this->*request.serve)(packet);
    end_broker("a message that is no request");
}

void Supervisor::hello(const ipc::Packet& packet) {
    const auto hello = packet.as<ipc::BrokerHello>();
    if (!hello) return end_broker("a malformed BrokerHello");
    if (hello->version != ipc::kProtocolVersion) return end_broker("a broker of another build");
    broker_greeted_ = true;
    tell_broker(welcome());
    announce();
}

void Supervisor::list_segments(const ipc::Packet& packet) {
    if (!packet.as<ipc::ListSegments>()) return end_broker("a malformed ListSegments");
    if (auto found = rediscover(); !found) log_error("segments: " + found.error().text());
    constexpr std::size_t kBatchBytes = ipc::kLargestMessage / 2;
    ipc::SegmentList list{.segments = {}, .roots = {}, .last = false};
    std::size_t bytes = 0;
    for (const auto& segment : segments_.segments) {
        list.segments.push_back({segment.name, segment.path, static_cast<ipc::SegmentSource>(segment.source)});
        bytes += segment.name.size() + segment.path.size() + 16;
        if (bytes < kBatchBytes) continue;
        tell_broker(list);
        list.segments.clear();
        bytes = 0;
    }
    list.roots = segments_.roots;
    list.last = true;
    tell_broker(list);
}

Result<> Supervisor::rediscover() {
    TRY_ASSIGN(auto created, state_.created_segments());
    TRY_ASSIGN(segments_, discover_segments(settings_.config, created, state_.path(), settings_.home));
    return Ok{};
}

void Supervisor::create_segment(const ipc::Packet& packet) {
    const auto request = packet.as<ipc::CreateSegment>();
    if (!request) return end_broker("a malformed CreateSegment");
    ipc::SegmentCreated answer;
    const auto make = [&]() -> Result<> {
        TRY_ASSIGN(const auto path, create_segment_folder(segments_, request->root, request->name));
        TRY(state_.remember_segment(path));
        audit_.record("segment-created", path);
        TRY(rediscover());
        for (const auto& segment : segments_.segments)
            if (segment.path == path)
                answer.segment = {segment.name, segment.path, static_cast<ipc::SegmentSource>(segment.source)};
        if (answer.segment.path.empty()) return Error{EPERM, "'" + path + "' is outside approved_directories"};
        return Ok{};
    };
    if (auto made = make(); !made) {
        answer.code = made.error().code == 0 ? EINVAL : made.error().code;
        answer.error = made.error().text();
    }
    tell_broker(answer);
}

void Supervisor::open_cell(const ipc::Packet& packet) {
    const auto request = packet.as<ipc::OpenCell>();
    if (!request) return end_broker("a malformed OpenCell");
    const std::string name = request->segment;
    const auto workspace = split_workspace(name);
    if (find_exactly(segments_, name) == nullptr && !workspace)
        return end_broker("OpenCell of a segment that is not configured: " + name);
    if (find_exactly(segments_, name) == nullptr &&
        named_workspace(std::string(workspace->segment), std::string(workspace->workspace)) == nullptr)
        return;
    if (removals_.contains(name)) return refuse_cell(name, "it is being removed");
    if (auto old = cells_.find(name); old != cells_.end()) cell_ended(name, old->second);
    auto& cell = cells_[name];
    cell.wanted = true;
    if (cell.unfilled) {
        // The next one is made when this one has ended, and guards what git has put there.
        if (cell.caged.process.running()) return cell.caged.channel.close();
    }
    if (cell.ready) return attach(name, cell);
    if (cell.caged.process.running()) return;  // it answers when it stands
    start(name, cell);
}

Result<CellPlan> Supervisor::plan(const std::string& name) {
    const ProfileSources sources{settings_.config, segments_, settings_.home, state_.path()};
    if (const auto* segment = find_exactly(segments_, name)) return plan_cell(sources, *segment);
    const auto workspace = split_workspace(name);
    const auto* segment = workspace ? find_exactly(segments_, workspace->segment) : nullptr;
    if (segment == nullptr) return error("its segment is no longer there");
    TRY_ASSIGN(const auto folder,
               find_workspace(settings_.workspace_root, *segment, std::string(workspace->workspace)));
    return plan_workspace_cell(sources, *segment, folder);
}

void Supervisor::start(const std::string& name, Cell& cell) {
    auto started = [&]() -> Result<CagedProcess> {
        TRY_ASSIGN(const auto plan, this->plan(name));
        cell.unfilled = !plan.guards.common.empty() && plan.guards.worktree.empty();
        for (const auto& profile : plan.commands) cell.profiles.push_back(profile.name);
        if (settings_.cgroups) {
            TRY_ASSIGN(cell.group, settings_.cgroups->make_cell(plan.limits));
        }
        TRY_ASSIGN(const auto store, state_.checkpoints_of(plan.segment));
        return start_cell(programs_, plan, store, settings_.landlock, cell.group.fd());
    }();
    if (!started) {
        cells_.erase(name);
        return refuse_cell(name, started.error().text());
    }
    cell.caged = std::move(*started);
    audit_.record("cell-started", name);
}

// --- cells

void Supervisor::serve_cell(const std::string& name, Cell& cell) {
    ipc::Packet packet;
    if (cell.caged.channel.receive(packet) != ipc::Received::kPacket) {
        cell.caged.channel.close();
        return cell.caged.process.kill(SIGKILL);
    }
    if (const auto failed = packet.as<ipc::CellFailed>()) {
        cell.failure = failed->error;
        return;
    }
    const auto ready = packet.as<ipc::CellReady>();
    if (!ready || ready->version != ipc::kProtocolVersion) return cell.caged.process.kill(SIGKILL);
    cell.ready = true;
    if (cell.wanted) attach(name, cell);
}

void Supervisor::cell_ended(const std::string& name, Cell& cell) {
    const auto status = cell.caged.process.try_wait();
    if (!status) return;
    cell.caged.log.pass_on();
    audit_.record("cell-ended", name + ": " + describe(*status));
    const bool wanted = cell.wanted && !cell.ready, again = cell.wanted && cell.ready;
    const std::string why = cell.failure.empty() ? "its spawner " + describe(*status) : cell.failure;
    cells_.erase(name);
    if (again && !removals_.contains(name)) {
        cells_[name].wanted = true;
        return start(name, cells_[name]);
    }
    if (wanted) refuse_cell(name, why);
}

void Supervisor::attach(const std::string& name, Cell& cell) {
    cell.wanted = false;
    auto ends = ipc::socket_pair();
    if (!ends) return refuse_cell(name, ends.error().text());
    const int to_spawner[] = {ends->first.get()};
    if (auto sent = cell.caged.channel.send(ipc::AttachBroker{}, to_spawner); !sent) {
        // It is ending: another one is made when it has.
        cell.wanted = true;
        if (sent.error().code != EPIPE && sent.error().code != EBADF) cell.caged.process.kill(SIGKILL);
        return;
    }
    tell_broker(ipc::CellOpened{name, "", cell.profiles}, {ends->second.get()});
}

void Supervisor::refuse_cell(const std::string& name, const std::string& why) {
    log_error("no cell for segment '" + name + "': " + why);
    tell_broker(ipc::CellOpened{name, why.substr(0, 1024), {}}, {null_.get()});
}

// Each takes away what its guards held in the segment. One that does not in time is killed by its destructor.
void Supervisor::end_cells() {
    for (auto& [name, cell] : cells_) cell.caged.channel.close();
    const auto until = Clock::now() + kPartingTime;
    for (auto& [name, cell] : cells_) {
        while (cell.caged.process.running() && !cell.caged.process.try_wait()) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
            if (left <= 0) return;
            pollfd waiting[] = {{cell.caged.process.pidfd(), POLLIN, 0}, {cell.caged.log.fd(), POLLIN, 0}};
            ::poll(waiting, std::size(waiting), static_cast<int>(left));
            if (waiting[1].revents != 0) cell.caged.log.pass_on();
        }
    }
}

// --- answers

ipc::BrokerWelcome Supervisor::welcome() const {
    const Config& config = settings_.config;
    const auto& limits = config.limits;
    ipc::BrokerWelcome welcome;
    welcome.pairing_pin = settings_.pairing_pin;
    welcome.pairing_expires = pairing_expires_;
    welcome.pairing_uses = static_cast<std::uint32_t>(config.security.pairing_uses);
    welcome.listening_port = settings_.listeners.front().port;
    welcome.require_auth = config.security.require_auth;
    welcome.session_seconds = config.security.session_timeout;
    welcome.workspace_root = settings_.workspace_root;
    welcome.author_name = config.vcs.author_name;
    welcome.author_email = config.vcs.author_email;
    welcome.allowed_hosts = config.server.allowed_hosts;
    welcome.allowed_origins = config.server.allowed_origins;
    if (!settings_.landlock) welcome.degraded = {"landlock"};
    welcome.body_bytes = limits.body_bytes;
    welcome.message_bytes = limits.message_bytes;
    welcome.read_bytes = limits.read_bytes;
    welcome.diff_bytes = limits.diff_bytes;
    welcome.list_entries = limits.list_entries;
    welcome.connections = limits.connections;
    welcome.commands_per_segment = limits.commands_per_segment;
    welcome.commands_per_socket = limits.commands_per_socket;
    welcome.requests_per_socket = limits.requests_per_socket;
    welcome.cell_idle_seconds = limits.cell_idle_seconds;
    welcome.service_seconds = limits.service_seconds;
    welcome.processes_kept = limits.processes_kept;
    welcome.process_keep_seconds = limits.process_keep_seconds;
    welcome.spool_bytes = limits.spool_bytes;
    welcome.checkpoints_kept = limits.checkpoints_kept;
    welcome.checkpoint_bytes = limits.checkpoint_bytes;
    welcome.checkpoint_file_bytes = limits.checkpoint_file_bytes;
    welcome.checkpoint_seconds = limits.checkpoint_seconds;
    for (const auto& [name, cell] : cells_)
        if (cell.ready) welcome.live_cells.push_back(name);
    return welcome;
}

// Once, when the first broker is confined and ready: scripts wait for these two lines.
void Supervisor::announce() {
    if (announced_) return;
    announced_ = true;
    for (const auto& listener : settings_.listeners)
        std::printf("Listening on http://%s:%u\n", listener.host.c_str(), listener.port);
    std::printf("Pairing token: %s\n", settings_.pairing_pin.c_str());
    std::fflush(stdout);
}

}  // namespace toren::supervisor
