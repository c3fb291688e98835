// The example configuration, written from the table of keys. Prose is "# text", a key that waits to be taken
// is "#key = value", so that uncommenting is mechanical and a test can do it.
#include <sstream>

#include "policy/config_keys.h"

namespace toren {
namespace {

constexpr std::size_t kLineWidth = 100;

std::string wrapped(const std::string& prose) {
    std::istringstream words(prose);
    std::string out, line = "#", word;
    while (words >> word) {
        if (line.size() + 1 + word.size() > kLineWidth) {
            out += line + '\n';
            line = "#";
        }
        line += ' ' + word;
    }
    return out + line + '\n';
}

// Defaults in the table's types are plain words and numbers: none needs an escape.
std::string toml_of(const StringList& list) {
    std::string out;
    for (const auto& entry : list) out += (out.empty() ? "\"" : ", \"") + entry + '"';
    return '[' + out + ']';
}
std::string toml_of(const std::optional<StringList>& list) { return toml_of(list.value_or(StringList{})); }
std::string toml_of(const std::string& text) { return '"' + text + '"'; }
std::string toml_of(bool value) { return value ? "true" : "false"; }
std::string toml_of(std::uint64_t value) { return std::to_string(value); }

}  // namespace

std::string example_config() {
    std::string out = wrapped(
        "Toren's configuration: every key with its default (or an example, where the default is nothing). Looked for "
        "as ./toren.toml, ./.toren/config.toml, ~/.config/toren/config.toml. Written by `toren config example`.");
    Config defaults;
    std::string table;
    for (const ConfigKey& key : config_keys()) {
        if (key.belongs != nullptr) continue;
        const std::string name = key.name;
        const auto dot = name.find('.');
        if (dot != name.npos && name.substr(0, dot) != table) {
            table = name.substr(0, dot);
            out += "\n[" + table + "]\n";
        } else if (dot == name.npos) {
            out += '\n';
        }
        std::string prose = key.meaning;
        if (std::holds_alternative<std::uint64_t& (*)(Config&)>(key.field))
            prose += " (" + readable_number(key, key.min) + " to " + readable_number(key, key.max) + ")";
        const std::string value = key.example != nullptr
                                      ? key.example
                                      : std::visit([&](auto field) { return toml_of(field(defaults)); }, key.field);
        out += wrapped(prose) + '#' + (dot == name.npos ? name : name.substr(dot + 1)) + " = " + value + '\n';
    }
    return out;
}

}  // namespace toren
