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
using ConfigField = std::variant<bool& (*)(Config&), std::uint64_t& (*)(Config&), std::string& (*)(Config&),
                                 StringList& (*)(Config&), std::optional<StringList>& (*)(Config&)>;

struct ConfigKey {
    const char* name;  // dotted
    ConfigField field;
    std::uint64_t min, max;  // of an integer; of the bytes of a string; of the entries of an array
    const char* meaning;
    const char* example = nullptr;                  // shown instead of the default
    std::string (*check)(const Config&) = nullptr;  // what else is wrong with the value that was just stored
    const char* belongs = nullptr;                  // a misplaced key is accepted, with a warning that names this one
};

std::span<const ConfigKey> config_keys();
const ConfigKey* find_config_key(std::string_view name);

// "server" for "server.port" and the like; "" is the top level.
bool is_config_table(std::string_view name);

// The known key or table that was probably meant, or "".
std::string nearest_config_key(std::string_view unknown);

// "64 KiB" where the key counts bytes and the number divides, else the plain number.
std::string readable_number(const ConfigKey& key, std::uint64_t value);

}  // namespace toren
