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
// What is absent has no default to show: the table of keys gives an example.
template <typename T>
std::string toml_of(const std::optional<T>& value) {
    return value ? toml_of(*value) : "";
}

// A list that would run over the line goes on below; each of its lines waits to be taken.
std::string folded(const std::string& assignment) {
    if (assignment.size() < kLineWidth) return '#' + assignment + '\n';
    std::istringstream words(assignment);
    std::string out, line, word;
    while (words >> word) {
        if (1 + line.size() + 1 + word.size() > kLineWidth) {
            out += '#' + line + '\n';
            line.clear();
        }
        line += (line.empty() ? "" : " ") + word;
    }
    return out + '#' + line + '\n';
}

template <typename Section>
std::string key_text(const KeyOf<Section>& key, std::string_view name) {
    Section defaults;
    std::string prose = key.meaning;
    if (std::holds_alternative<std::uint64_t& (*)(Section&)>(key.field))
        prose += " (" + readable_number(key.name, key.min) + " to " + readable_number(key.name, key.max) + ")";
    const std::string value = key.example != nullptr
                                  ? key.example
                                  : std::visit([&](auto field) { return toml_of(field(defaults)); }, key.field);
    return wrapped(prose) + folded(std::string(name) + " = " + value);
}

template <typename Section>
std::string section_text(const char* about, const char* heading, std::span<const KeyOf<Section>> keys) {
    std::string out = '\n' + wrapped(about) + '#' + heading + '\n';
    for (const auto& key : keys) out += key_text(key, key.name);
    return out;
}

}  // namespace

std::string example_config() {
    std::string out = wrapped(
        "Toren's configuration: every key with its default (or an example, where the default is nothing). Looked for "
        "as ./toren.toml, ./.toren/config.toml, ~/.config/toren/config.toml. Written by `toren config example`.");
    std::string table;
    for (const ConfigKey& key : config_keys()) {
        if (key.belongs != nullptr) continue;
        const std::string_view name = key.name;
        const auto dot = name.find('.');
        if (dot != name.npos && name.substr(0, dot) != table) {
            table = name.substr(0, dot);
            out += "\n[" + table + "]\n";
        } else if (dot == name.npos) {
            out += '\n';
        }
        out += key_text(key, dot == name.npos ? name : name.substr(dot + 1));
    }
    out += section_text(
        "A profile of your own, by any name but a built-in one. As confinement.profile or a segment's it "
        "says what the segment's cage holds; asked for by a command, it only takes away.",
        "[profiles.strict]", profile_keys());
    out += section_text("What differs in one segment, by its name.", "[segment.website]", segment_keys());
    return out;
}

}  // namespace toren
