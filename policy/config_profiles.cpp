#include "policy/config_profiles.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "policy/canonical.h"
#include "policy/config_keys.h"
#include "policy/config_limits.h"
#include "policy/forbidden_places.h"

namespace toren {
namespace {

const Config::Profile* configured(const Config& config, std::string_view name) {
    const auto found = std::ranges::find(config.profiles, name, &Config::Profile::name);
    return found == config.profiles.end() ? nullptr : &*found;
}

const Config::SegmentRules* rules_of(const Config& config, const Segment& segment) {
    const auto found = std::ranges::find(config.segment_rules, segment.name, &Config::SegmentRules::name);
    return found == config.segment_rules.end() ? nullptr : &*found;
}

Profile built_in(std::string_view name, const CommandLimits& limits) {
    return name == "read-only" ? read_only_profile(limits) : workspace_write_profile(limits);
}

bool is_built_in(std::string_view name) {
    return std::ranges::find(kBuiltInProfiles, name) != std::end(kBuiltInProfiles);
}

CommandLimits limits_of(const Config& config, const Config::Profile& profile) {
    CommandLimits limits = limits_of_commands(config);
    if (const auto bytes = profile.memory_bytes)
        limits.memory_bytes =
            std::min(*bytes == 0 ? default_command_memory() : *bytes, segment_limits(config).memory_bytes);
    limits.processes = profile.processes.value_or(limits.processes);
    limits.cpu_seconds = profile.cpu_seconds.value_or(limits.cpu_seconds);
    limits.seconds = profile.seconds.value_or(limits.seconds);
    limits.output_bytes = profile.output_bytes.value_or(limits.output_bytes);
    limits.file_bytes = profile.file_bytes.value_or(limits.file_bytes);
    limits.open_files = profile.open_files.value_or(limits.open_files);
    return limits;
}

class PathReader {
public:
    static Result<PathReader> make(const ProfileSources& sources, const std::string& profile) {
        TRY_ASSIGN(auto home, canonicalize_existing_part(sources.home));
        TRY_ASSIGN(auto state, canonicalize_existing_part(sources.state));
        return PathReader(sources, "profiles." + profile, {std::move(home), std::move(state)});
    }

    // Folders and files that the cage shows besides the segment.
    Result<std::vector<std::string>> shown(const char* key, const std::vector<std::string>& written, Use use) const {
        std::vector<std::string> paths;
        for (const auto& text : written) {
            TRY_ASSIGN(auto place, found(key, text));
            const auto& path = place.path;
            if (const auto why = refusal_of_place(path, places_, use); !why.empty())
                return error(label(key, text) + (path == text ? "" : " leads to '" + path + '\'') + ": refused: it " +
                             why);
            TRY(no_movable_link(label(key, text), place));
            if (std::ranges::find(paths, path) == paths.end()) paths.push_back(path);
        }
        return paths;
    }

    // What is hidden need not be there. A relative path starts at whichever segment the profile is used in.
    Result<std::vector<std::string>> hidden(const std::vector<std::string>& written) const {
        std::vector<std::string> paths;
        for (const auto& text : written) {
            if (!text.starts_with('/') && !text.starts_with('~')) {
                paths.push_back(without_dots(text));
                continue;
            }
            TRY_ASSIGN(const auto expanded, expand(label("hidden", text), text));
            auto path = canonicalize_existing_part(expanded);
            if (!path) return Error{path.error().code, label("hidden", text)};
            paths.push_back(std::move(*path));
        }
        return paths;
    }

private:
    PathReader(const ProfileSources& sources, std::string prefix, OperatorsPlaces places)
        : sources_(sources), prefix_(std::move(prefix)), places_(std::move(places)) {}

    std::string label(const char* key, const std::string& text) const {
        return prefix_ + '.' + key + " '" + escape_controls(text) + '\'';
    }

    Result<std::string> expand(const std::string& what, const std::string& text) const {
        auto expanded = expand_path(text, sources_.config.base_dir, sources_.home);
        if (!expanded) return error(what + ": " + expanded.error().text());
        return expanded;
    }

    Result<Canonical> found(const char* key, const std::string& text) const {
        TRY_ASSIGN(const auto expanded, expand(label(key, text), text));
        auto place = canonicalize(expanded);
        if (!place) return Error{place.error().code, label(key, text)};
        struct stat info {};
        if (::stat(place->path.c_str(), &info) != 0) return errno_error(label(key, text));
        if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode))
            return error(label(key, text) + ": neither a folder nor a file");
        return place;
    }

    // A link that stands in a segment can be pointed at ~/.ssh by what runs there, and the next cell would show it.
    Result<> no_movable_link(const std::string& what, const Canonical& place) const {
        for (const auto& link : place.links)
            for (const auto& segment : sources_.segments.segments)
                if (is_within(link, segment.path))
                    return error(what + ": refused: what runs in segment '" + segment.name +
                                 "' can move the symbolic link '" + link + "'; name '" + place.path + "' itself");
        return Ok{};
    }

    // "./a//b/" becomes "a/b"; ".." was refused when the configuration was read.
    static std::string without_dots(const std::string& text) {
        std::string out;
        for (std::size_t start = 0; start <= text.size();) {
            const auto end = std::min(text.find('/', start), text.size());
            const auto part = text.substr(start, end - start);
            if (!part.empty() && part != ".") out += (out.empty() ? "" : "/") + part;
            start = end + 1;
        }
        return out;
    }

    const ProfileSources& sources_;
    std::string prefix_;
    OperatorsPlaces places_;
};

bool is_folder(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

Result<Profile> unknown_profile(std::string_view name) {
    return error("there is no profile '" + escape_controls(name) + '\'');
}

}  // namespace

Result<Profile> find_profile(const ProfileSources& sources, std::string_view name) {
    if (is_built_in(name)) return built_in(name, limits_of_commands(sources.config));
    const Config::Profile* written = configured(sources.config, name);
    if (written == nullptr) return unknown_profile(name);
    TRY_ASSIGN(const auto reader, PathReader::make(sources, written->name));
    Profile profile = built_in(written->base, limits_of(sources.config, *written));
    profile.name = written->name;
    profile.environment = written->environment;
    TRY_ASSIGN(profile.read_only, reader.shown("read_only", written->read_only, Use::kRead));
    TRY_ASSIGN(profile.writable, reader.shown("writable", written->writable, Use::kWrite));
    TRY_ASSIGN(profile.hidden, reader.hidden(written->hidden));
    return profile;
}

Result<Profile> segment_profile(const ProfileSources& sources, const Segment& segment) {
    const auto* rules = rules_of(sources.config, segment);
    const bool own = rules != nullptr && !rules->profile.empty();
    return find_profile(sources, own ? rules->profile : sources.config.confinement.profile);
}

Result<std::vector<Profile>> command_profiles(const ProfileSources& sources, const Profile& own) {
    std::vector<Profile> profiles = {own};
    const auto add = [&](const Profile& profile) {
        if (profile.name != own.name) profiles.push_back(narrow(own, profile));
    };
    for (const char* name : kBuiltInProfiles) add(built_in(name, limits_of_commands(sources.config)));
    for (const auto& written : sources.config.profiles) {
        // A command's profile shows nothing further, so its folders need not be there.
        TRY_ASSIGN(const auto reader, PathReader::make(sources, written.name));
        Profile profile = built_in(written.base, limits_of(sources.config, written));
        profile.name = written.name;
        TRY_ASSIGN(profile.hidden, reader.hidden(written.hidden));
        add(profile);
    }
    return profiles;
}

GuardSpec guard_spec(const Config& config, const Segment& segment, const Profile& own) {
    const auto* rules = rules_of(config, segment);
    const auto& general = config.confinement;
    GuardSpec spec{.trees = {segment.path},
                   .secrets = rules != nullptr ? rules->secrets.value_or(general.secrets) : general.secrets,
                   .protect = rules != nullptr ? rules->protect.value_or(general.protect) : general.protect,
                   .git = rules != nullptr ? rules->protect_repositories.value_or(general.protect_repositories)
                                           : general.protect_repositories};
    for (const auto& path : own.hidden) spec.hidden.push_back(path.starts_with('/') ? path : segment.path + '/' + path);
    // A single file that the operator named is meant to be seen.
    for (const auto* further : {&own.writable, &own.read_only})
        for (const auto& path : *further)
            if (is_folder(path) && std::ranges::find(spec.trees, path) == spec.trees.end()) spec.trees.push_back(path);
    return spec;
}

std::vector<std::string> passed_environment(const Profile& profile) {
    std::vector<std::string> passed;
    for (const auto& name : profile.environment)
        if (const char* value = std::getenv(name.c_str()); value != nullptr) passed.push_back(name + '=' + value);
    return passed;
}

Result<std::vector<std::string>> check_profiles(const ProfileSources& sources) {
    for (const auto& written : sources.config.profiles) TRY(find_profile(sources, written.name));
    std::vector<std::string> warnings;
    for (const auto& rules : sources.config.segment_rules)
        if (std::ranges::find(sources.segments.segments, rules.name, &Segment::name) == sources.segments.segments.end())
            warnings.push_back(sources.config.file + ':' + std::to_string(rules.line) + ": [segment." +
                               escape_controls(rules.name) + "]: there is no segment of that name");
    return warnings;
}

}  // namespace toren
