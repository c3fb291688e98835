#include "policy/config.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>

#include "base/log.h"
#include "base/unique_fd.h"
#include "policy/config_keys.h"

// The only place that sees toml++: it costs seconds of compile time for each file that includes it.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace toren {
namespace {

constexpr std::size_t kLargestFile = 256 << 10;
// toml++ bounds nested values, but builds and frees the tables of a dotted key by recursion.
constexpr std::size_t kMostDotsInALine = 4096;
constexpr std::size_t kLongestEntry = PATH_MAX - 1;

const char* type_name(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table: return "a table";
        case toml::node_type::array: return "an array";
        case toml::node_type::string: return "a string";
        case toml::node_type::integer: return "an integer";
        case toml::node_type::floating_point: return "a float";
        case toml::node_type::boolean: return "a boolean";
        case toml::node_type::date: return "a date";
        case toml::node_type::time: return "a time";
        case toml::node_type::date_time: return "a date and time";
        case toml::node_type::none: break;
    }
    return "nothing";
}

// One line of what is wrong or odd; the lines are put in order before anybody sees them.
struct Remark {
    toml::source_index line;
    std::string text;
};

constexpr std::size_t kMostProfiles = 64;  // a cell makes a Landlock ruleset for each
constexpr std::size_t kMostSegmentRules = 1000;

// A key's value as it goes to its place: what is wrong with it is told by the key's whole name.
struct Place {
    std::string name;
    std::uint64_t min, max;
};

class Reader {
public:
    Reader(Config& config, const toml::table& root) : config_(config), root_(root) {}

    // Recursion ends at the depth of the table of keys: below a name that is not in it, nothing is visited.
    void read_table(const toml::table& table, const std::string& prefix) {
        for (const auto& [key, node] : table) {
            const std::string name = prefix.empty() ? std::string(key.str()) : prefix + '.' + std::string(key.str());
            // A quoted key may hold a dot, and "server.port" = 1 is not server.port.
            const bool quoted_dot = key.str().find('.') != std::string_view::npos;
            const auto line = key.source().begin.line;
            if (name == "profiles") read_profiles(node);
            else if (name == "segment") read_segment_rules(node);
            else if (const ConfigKey* known = find_config_key(name); known != nullptr && !quoted_dot)
                read_key(*known, node, line);
            else if (!name.empty() && is_config_table(name) && !quoted_dot) read_subtable(name, node);
            else warn_unknown(name, line, nearest_config_key(name));
        }
    }

    Result<> finish() {
        check_profile_names();
        for (auto* remarks : {&errors_, &warnings_}) std::ranges::stable_sort(*remarks, {}, &Remark::line);
        const auto located = [&](const Remark& remark) {
            return config_.file + ':' + std::to_string(remark.line) + ": " + remark.text;
        };
        if (!errors_.empty()) return error(located(errors_.front()));
        for (const auto& warning : warnings_) config_.warnings.push_back(located(warning));
        return Ok{};
    }

private:
    void fail(const std::string& name, const toml::node& node, const std::string& text) {
        errors_.push_back({node.source().begin.line, name + ": " + text});
    }
    void fail_type(const std::string& name, const toml::node& node, const char* expected) {
        fail(name, node, std::string("expected ") + expected + ", found " + type_name(node));
    }

    void read_subtable(const std::string& name, const toml::node& node) {
        if (const auto* table = node.as_table()) read_table(*table, name);
        else fail_type(name, node, "a table");
    }

    void warn_unknown(const std::string& name, toml::source_index line, const std::string& nearest) {
        std::string text = "unknown key '" + escape_controls(std::string_view(name).substr(0, 100)) + '\'';
        if (!nearest.empty()) text += " (did you mean '" + nearest + "'?)";
        warnings_.push_back({line, text});
    }

    // --- tables whose names are the operator's

    void read_profiles(const toml::node& node) {
        const auto read = [&](const std::string& shown, const std::string& name, const toml::table& table) {
            if (const auto problem = profile_name_problem(name); !problem.empty()) return fail(shown, table, problem);
            read_section(profile_keys(), table, shown, config_.profiles.emplace_back()).name = name;
        };
        read_named_tables("profiles", node, kMostProfiles, read);
    }

    void read_segment_rules(const toml::node& node) {
        const auto read = [&](const std::string& shown, const std::string& name, const toml::table& table) {
            auto& rules = read_section(segment_keys(), table, shown, config_.segment_rules.emplace_back());
            rules.name = name;
            rules.line = table.source().begin.line;
        };
        read_named_tables("segment", node, kMostSegmentRules, read);
    }

    template <typename Read>
    void read_named_tables(const std::string& family, const toml::node& node, std::size_t most, Read read) {
        const auto* tables = node.as_table();
        if (tables == nullptr) return fail_type(family, node, "a table");
        if (tables->size() > most)
            return fail(family, node, std::to_string(tables->size()) + " tables; at most " + std::to_string(most));
        for (const auto& [key, child] : *tables) {
            const std::string name(key.str());
            const std::string shown = family + '.' + escape_controls(std::string_view(name).substr(0, 100));
            if (const auto* table = child.as_table()) read(shown, name, *table);
            else fail(shown, child, std::string("expected a table, found ") + type_name(child) + meant_by(shown));
        }
    }

    // [segment] is a family of tables and [segments] is one table: whoever mixes them up is told.
    static std::string meant_by(const std::string& name) {
        const auto nearest = nearest_config_key(name);
        return nearest.find('.') == nearest.npos ? "" : " (did you mean '" + nearest + "'?)";
    }

    template <typename Section>
    Section& read_section(std::span<const KeyOf<Section>> keys, const toml::table& table, const std::string& shown,
                          Section& section) {
        for (const auto& [key, node] : table) {
            const auto known =
                std::ranges::find_if(keys, [name = key.str()](const auto& row) { return name == row.name; });
            if (known != keys.end()) {
                store(*known, shown + '.' + known->name, node, section);
                continue;
            }
            std::vector<std::string> names;
            for (const auto& row : keys) names.emplace_back(row.name);
            const auto nearest = nearest_name(key.str(), names);
            warn_unknown(shown + '.' + std::string(key.str()), key.source().begin.line,
                         nearest.empty() ? "" : shown + '.' + nearest);
        }
        return section;
    }

    void check_profile_names() {
        if (const auto* node = root_.at_path("confinement.profile").node(); node != nullptr)
            check_profile_name("confinement.profile", *node, config_.confinement.profile);
        const auto* tables = root_["segment"].as_table();
        if (tables == nullptr) return;
        for (const auto& rules : config_.segment_rules)
            if (const auto* table = (*tables)[rules.name].as_table(); table != nullptr && !rules.profile.empty())
                check_profile_name("segment." + rules.name + ".profile", *table->get("profile"), rules.profile);
    }

    void check_profile_name(const std::string& key, const toml::node& node, const std::string& profile) {
        std::vector<std::string> names(std::begin(kBuiltInProfiles), std::end(kBuiltInProfiles));
        for (const auto& known : config_.profiles) names.push_back(known.name);
        if (std::ranges::find(names, profile) != names.end()) return;
        const auto nearest = nearest_name(profile, names);
        fail(escape_controls(key), node,
             "there is no profile '" + escape_controls(profile) + '\'' +
                 (nearest.empty() ? "" : " (did you mean '" + nearest + "'?)"));
    }

    // --- values

    void read_key(const ConfigKey& key, const toml::node& node, toml::source_index line) {
        if (key.belongs != nullptr) {
            const std::string place =
                std::string("'") + key.name + "' belongs above the first table, as '" + key.belongs + '\'';
            if (root_.contains(key.belongs)) {
                warnings_.push_back({line, place + "; ignored, since that is given too"});
                return;
            }
            warnings_.push_back({line, place});
        }
        store(key, key.name, node, config_);
    }

    template <typename Section>
    void store(const KeyOf<Section>& key, const std::string& name, const toml::node& node, Section& section) {
        const auto before = errors_.size();
        const Place place{name, key.min, key.max};
        std::visit([&](auto field) { read_value(place, node, field(section)); }, key.field);
        if (key.check != nullptr && errors_.size() == before)
            if (const auto complaint = key.check(section); !complaint.empty()) fail(name, node, complaint);
    }

    void read_value(const Place& place, const toml::node& node, bool& target) {
        if (const auto* value = node.as_boolean()) target = value->get();
        else fail_type(place.name, node, "a boolean");
    }

    void read_value(const Place& place, const toml::node& node, std::uint64_t& target) {
        const auto* value = node.as_integer();
        if (value == nullptr) return fail_type(place.name, node, "an integer");
        const std::int64_t number = value->get();
        const auto magnitude = static_cast<std::uint64_t>(number);
        if (number < 0 || magnitude < place.min || magnitude > place.max)
            return fail(place.name, node,
                        std::to_string(number) + " is out of range (" + readable_number(place.name, place.min) +
                            " to " + readable_number(place.name, place.max) + ')');
        target = magnitude;
    }

    void read_value(const Place& place, const toml::node& node, std::string& target) {
        read_string(place, node, target);
    }

    void read_value(const Place& place, const toml::node& node, StringList& target) {
        const auto* array = node.as_array();
        if (array == nullptr) return fail_type(place.name, node, "an array of strings");
        if (array->size() > place.max)
            return fail(place.name, node,
                        std::to_string(array->size()) + " entries; at most " + std::to_string(place.max));
        const Place entry_place{place.name, 1, kLongestEntry};
        StringList list;
        for (const auto& entry : *array) read_string(entry_place, entry, list.emplace_back());
        target = std::move(list);
    }

    template <typename T>
    void read_value(const Place& place, const toml::node& node, std::optional<T>& target) {
        read_value(place, node, target.emplace());
    }

    void read_string(const Place& place, const toml::node& node, std::string& target) {
        const auto* value = node.as_string();
        if (value == nullptr) return fail_type(place.name, node, "a string");
        const std::string& text = value->get();
        // The kernel would read "/etc\0/harmless" as "/etc".
        if (text.find('\0') != std::string::npos)
            return fail(place.name, node, "a string must not hold a NUL character");
        if (text.size() < place.min) return fail(place.name, node, "must not be empty");
        if (text.size() > place.max)
            return fail(place.name, node, std::to_string(text.size()) + " bytes; at most " + std::to_string(place.max));
        target = text;
    }

    Config& config_;
    const toml::table& root_;
    std::vector<Remark> errors_, warnings_;
};

// The first line whose dots could nest tables too deep, or 0.
std::size_t line_with_too_many_dots(const std::string& text) {
    std::size_t line = 1, dots = 0;
    for (const char c : text) {
        if (c == '\n') ++line, dots = 0;
        else if (c == '.' && ++dots > kMostDotsInALine) return line;
    }
    return 0;
}

Result<std::string> read_whole(int fd, const std::string& path) {
    std::string text(kLargestFile + 1, '\0');
    std::size_t length = 0;
    while (length < text.size()) {
        const ssize_t got = ::read(fd, text.data() + length, text.size() - length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno_error("read configuration '" + path + '\'');
        if (got == 0) break;
        length += static_cast<std::size_t>(got);
    }
    if (length > kLargestFile)
        return error("configuration '" + path + "': larger than " + std::to_string(kLargestFile) + " bytes");
    text.resize(length);
    return text;
}

}  // namespace

Result<Config> parse_config(const std::string& text, const std::string& file_name, const std::string& base_dir) {
    if (const auto line = line_with_too_many_dots(text); line != 0)
        return error(file_name + ':' + std::to_string(line) + ": too many dots in one line");
    const toml::parse_result parsed = toml::parse(text);
    if (!parsed) {
        const toml::parse_error& failure = parsed.error();
        return error(file_name + ':' + std::to_string(failure.source().begin.line) + ": " +
                     std::string(failure.description()));
    }
    Config config;
    config.file = file_name;
    config.base_dir = base_dir;
    Reader reader(config, parsed.table());
    reader.read_table(parsed.table(), "");
    TRY(reader.finish());
    return config;
}

Result<Config> load_config(const std::string& path) {
    // Not blocking: a FIFO put in the file's place must not hold the start.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (!fd) return errno_error("open configuration '" + path + '\'');
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return errno_error("stat configuration '" + path + '\'');
    if (!S_ISREG(info.st_mode)) return error("configuration '" + path + "': not a regular file");
    TRY_ASSIGN(const std::string text, read_whole(fd.get(), path));

    const auto slash = path.rfind('/');
    const std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
    char* const absolute = ::realpath(folder.c_str(), nullptr);
    if (absolute == nullptr) return errno_error("resolve the folder of configuration '" + path + '\'');
    const std::string base_dir = absolute;
    std::free(absolute);

    TRY_ASSIGN(Config config, parse_config(text, path, base_dir));
    // Whoever writes this file decides what every cage permits. Shared checkouts and mounts without owners are
    // too common for more than a warning.
    if (info.st_uid != ::geteuid() && info.st_uid != 0)
        config.warnings.push_back(path + ": belongs to user " + std::to_string(info.st_uid) +
                                  ", who thereby decides what every cage permits");
    if ((info.st_mode & S_IWOTH) != 0)
        config.warnings.push_back(path + ": every user of this machine may write it (chmod o-w)");
    return config;
}

Result<Config> load_config(const std::optional<std::string>& named, const std::string& home) {
    const auto file = named ? named : find_config_file(home);
    if (file) return load_config(*file);
    return error(
        "no configuration: looked for ./toren.toml, ./.toren/config.toml and ~/.config/toren/config.toml (`toren "
        "config example` prints one)");
}

Result<std::string> home_folder() {
    if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') return std::string(home);
    return error("HOME names no folder: it has to be set, for Toren asks no other service who the user is");
}

std::optional<std::string> find_config_file(const std::string& home) {
    StringList candidates = {"./toren.toml", "./.toren/config.toml"};
    if (!home.empty()) candidates.push_back(home + "/.config/toren/config.toml");
    for (const auto& path : candidates) {
        struct stat info {};
        // A folder of that name is no configuration: a cell holds the names that confinement.protect lists with empty
        // ones.
        if (::lstat(path.c_str(), &info) == 0 ? !S_ISDIR(info.st_mode) : errno != ENOENT && errno != ENOTDIR)
            return path;
    }
    return std::nullopt;
}

Result<std::string> expand_path(const std::string& text, const std::string& base_dir, const std::string& home) {
    if (text.starts_with('/')) return text;
    if (text == "~" || text.starts_with("~/")) {
        if (home.empty()) return error("'" + text + "': the home folder is not known");
        return home + text.substr(1);
    }
    if (text.starts_with('~')) return error("'" + text + "': only ~ and ~/ are expanded (write ./~… for a folder)");
    return base_dir + '/' + text;
}

bool is_loopback(const std::string& host) {
    // Only spelled-out addresses: a name that begins with 127. may resolve to anything.
    return host == "localhost" || host == "::1" || host == "[::1]" ||
           (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

Result<> check_exposure(const Config& config) {
    const std::string& host = config.server.host;
    if (config.security.require_auth || is_loopback(host)) return Ok{};
    return error("security.require_auth = false is for loopback only, and server.host is '" + host +
                 "': listen on 127.0.0.1, or ask for tokens");
}

}  // namespace toren
