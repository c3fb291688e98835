#include "runner/request.h"

#include <algorithm>
#include <cstdlib>

#include "policy/canonical.h"
#include "policy/config_profiles.h"
#include "policy/landlock.h"
#include "policy/roles.h"
#include "policy/segments.h"

namespace toren::runner {
namespace {

Result<OperatorsPlaces> own_places(const Options& options) {
    TRY_ASSIGN(auto home, canonicalize_existing_part(options.home));
    TRY_ASSIGN(auto state, canonicalize_existing_part(options.state));
    return OperatorsPlaces{std::move(home), std::move(state)};
}

Result<std::string> resolve(const std::string& option, const std::string& written, const Options& options) {
    TRY_ASSIGN(const auto expanded, expand_path(written, options.here, options.home));
    auto place = canonicalize(expanded);
    if (!place) return Error{place.error().code, option + " " + place.error().what};
    return std::move(place->path);
}

Result<std::vector<std::string>> resolve_all(const std::string& option, const std::vector<std::string>& written,
                                             Use use, const Options& options, const OperatorsPlaces& own) {
    std::vector<std::string> paths;
    for (const auto& text : written) {
        TRY_ASSIGN(auto path, resolve(option, text, options));
        if (const auto why = refusal_of_place(path, own, use); !why.empty())
            return error(option + " '" + text + "': refused: '" + path + "' " + why);
        if (std::ranges::find(paths, path) == paths.end()) paths.push_back(std::move(path));
    }
    return paths;
}

// Where the configuration is looked for. One in the folder that the cage may write would let what ran there yesterday
// decide what it may do today, so without --segment only the operator's own is read.
Result<Config> configuration(const Options& options) {
    auto file = options.config;
    if (!file && options.segment) file = find_config_file(options.home);
    if (!file && !options.home.empty()) file = options.home + "/.config/toren/config.toml";
    if (!file) return error("no configuration found (--config FILE names one)");
    return load_config(*file);
}

// What only a configuration can say. Without --segment, --profile and --config none is read: it costs time, and the
// defaults are the same.
Result<> take_configuration(const Options& options, Config& config, Request& request) {
    const std::string profile = options.profile.value_or("workspace-write");
    const bool built_in = profile == "read-only" || profile == "workspace-write";
    SegmentSet segments;
    if (options.config || options.segment || !built_in) {
        TRY_ASSIGN(config, configuration(options));
        const auto& degraded = config.confinement.allow_degraded;
        request.landlock = std::ranges::find(degraded, "landlock") == degraded.end() || landlock_abi();
        TRY_ASSIGN(segments, discover_segments(config, {}, options.state, options.home));
    }
    const ProfileSources sources{config, segments, options.home, options.state};
    request.segment_limits.tmp_bytes = config.limits.tmp_bytes;
    if (options.segment) {
        const Segment* segment = find_segment_by_name(segments, *options.segment);
        if (segment == nullptr)
            return error("--segment '" + *options.segment + "': the configuration '" + config.file +
                         "' has no such segment");
        request.segment = segment->path;
        TRY_ASSIGN(request.profile, segment_profile(sources, *segment));
        if (!options.profile) return Ok{};
    }
    TRY_ASSIGN(auto named, find_profile(sources, profile));
    request.profile = options.segment ? narrow(request.profile, named) : std::move(named);
    // A built-in profile has an hour, for a client that went away; a script says --timeout.
    if (built_in && !options.segment) request.profile.limits.seconds = 0;
    return Ok{};
}

Result<> take_folders(const Options& options, Request& request) {
    TRY_ASSIGN(request.own, own_places(options));
    const OperatorsPlaces& own = request.own;
    auto written = options.writable;
    const bool here_is_it = !options.segment && written.empty() && options.read_only.empty();
    if (here_is_it) written.push_back(".");
    TRY_ASSIGN(auto writable,
               resolve_all(here_is_it ? "the current folder" : "--rw", written, Use::kWrite, options, own));
    TRY_ASSIGN(auto read_only, resolve_all("--ro", options.read_only, Use::kRead, options, own));
    auto& profile = request.profile;
    if (request.segment.empty()) {
        if (writable.empty()) profile.writes = false;
        auto& first = writable.empty() ? read_only : writable;
        request.segment = first.front();
        first.erase(first.begin());
    }
    profile.writable.insert(profile.writable.end(), writable.begin(), writable.end());
    profile.read_only.insert(profile.read_only.end(), read_only.begin(), read_only.end());
    for (const auto& hidden : options.hidden) {
        TRY_ASSIGN(auto path, resolve("--hide", hidden, options));
        profile.hidden.push_back(std::move(path));
    }
    return Ok{};
}

// The command starts where the caller stands, if the cage shows that, else in the segment.
Result<> take_working_folder(const Options& options, Request& request) {
    request.folder = request.segment;
    std::string wanted;
    if (options.folder) {
        TRY_ASSIGN(wanted, resolve("--cwd", *options.folder, options));
    } else if (auto here = canonicalize(options.here)) {
        wanted = std::move(here->path);
    }
    const std::string* deepest = nullptr;
    std::vector<std::string> shown = {request.segment};
    for (const auto* list : {&request.profile.writable, &request.profile.read_only})
        shown.insert(shown.end(), list->begin(), list->end());
    for (const auto& folder : shown)
        if (is_within(wanted, folder) && (deepest == nullptr || folder.size() > deepest->size())) deepest = &folder;
    if (deepest == nullptr) {
        if (options.folder) return error("--cwd '" + *options.folder + "': it lies in no folder that the cage shows");
        return Ok{};
    }
    request.folder = *deepest;
    request.beneath = wanted == *deepest ? "." : wanted.substr(deepest->size() + 1);
    return Ok{};
}

Result<> take_environment(const Options& options, Request& request) {
    std::vector<std::string> passed;
    const auto pass = [&](const std::string& name) {
        if (const char* value = std::getenv(name.c_str()); value != nullptr) passed.push_back(name + "=" + value);
    };
    for (const auto& name : request.profile.environment) pass(name);
    for (const auto& entry : options.environment) {
        if (entry.empty() || entry.front() == '=')
            return error("--env '" + entry + "': NAME or NAME=VALUE is expected");
        if (entry.find('=') == entry.npos) pass(entry);
        else passed.push_back(entry);
    }
    request.environment = command_environment(passed);
    return Ok{};
}

void take_limits(const Options& options, Request& request) {
    auto& limits = request.profile.limits;
    request.milliseconds = options.milliseconds.value != 0 ? options.milliseconds.value : limits.seconds * 1000;
    const auto take = [](const LimitOption& option, std::uint64_t& limit) {
        if (option.value != 0) limit = option.value;
    };
    take(options.memory, limits.memory_bytes);
    take(options.cpu_seconds, limits.cpu_seconds);
    take(options.processes, limits.processes);
    take(options.output, limits.output_bytes);
}

}  // namespace

Result<Request> make_request(const Options& options) {
    Request request;
    Config config;
    TRY(take_configuration(options, config, request));
    TRY(take_folders(options, request));
    request.guards =
        guard_spec(config, {options.segment.value_or(""), request.segment, Segment::kPath}, request.profile);
    TRY(take_working_folder(options, request));
    TRY(take_environment(options, request));
    take_limits(options, request);
    request.command = options.command;
    return request;
}

}  // namespace toren::runner
