// The table of configuration keys: parsing, warnings about unknown keys and the example file all read it, so a
// key exists, is documented and is range-checked, or it is not there at all.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "policy/config.h"

namespace toren {

using StringList = std::vector<std::string>;

// Where the value goes; which alternative it is says what type the file must have.
template <typename Section>
using FieldOf = std::variant<bool& (*)(Section&), std::uint64_t& (*)(Section&), std::string& (*)(Section&),
                             StringList& (*)(Section&), std::optional<StringList>& (*)(Section&),
                             std::optional<std::uint64_t>& (*)(Section&), std::optional<bool>& (*)(Section&)>;

template <typename Section>
struct KeyOf {
    const char* name;  // dotted; of a section with a free name, what follows that name
    FieldOf<Section> field;
    std::uint64_t min, max;  // of an integer; of the bytes of a string; of the entries of an array
    const char* meaning;
    const char* example = nullptr;                   // shown instead of the default
    std::string (*check)(const Section&) = nullptr;  // what else is wrong with the value that was just stored
    const char* belongs = nullptr;                   // a misplaced key is accepted, with a warning that names this one
};

using ConfigKey = KeyOf<Config>;
using ProfileKey = KeyOf<Config::Profile>;
using SegmentKey = KeyOf<Config::SegmentRules>;

std::span<const ProfileKey> profile_keys();  // of [profiles.NAME]
std::span<const SegmentKey> segment_keys();  // of [segment.NAME]

// Why no profile can be called so, or "".
std::string profile_name_problem(std::string_view name);
inline constexpr const char* kBuiltInProfiles[] = {"read-only", "workspace-write"};

std::span<const ConfigKey> config_keys();
const ConfigKey* find_config_key(std::string_view name);

// "server" for "server.port" and the like; "" is the top level.
bool is_config_table(std::string_view name);

// The known key or table that was probably meant, or "".
std::string nearest_config_key(std::string_view unknown);
// Of a few names the one that was probably meant, or "".
std::string nearest_name(std::string_view unknown, std::span<const std::string> known);

// "64 KiB" where the key counts bytes and the number divides, else the plain number.
std::string readable_number(std::string_view key, std::uint64_t value);

}  // namespace toren
