#include "broker/json_text.h"

#include <nlohmann/json.hpp>

#include <cstdint>

#include "base/utf8.h"

namespace toren::broker {
namespace {

void append_escaped(std::string& out, char c) {
    static constexpr char kHex[] = "0123456789abcdef";
    switch (c) {
        case '"': out += "\\\""; return;
        case '\\': out += "\\\\"; return;
        case '\n': out += "\\n"; return;
        case '\r': out += "\\r"; return;
        case '\t': out += "\\t"; return;
        default: (out += "\\u00") += kHex[(c >> 4) & 15], out += kHex[c & 15];
    }
}

bool is_plain(char c) {
    return static_cast<std::uint8_t>(c) >= 0x20 && static_cast<std::uint8_t>(c) < 0x80 && c != '"' && c != '\\';
}

}  // namespace

void append_json_string(std::string& out, std::string_view bytes) {
    out += '"';
    while (!bytes.empty()) {
        std::size_t plain = 0;
        while (plain < bytes.size() && is_plain(bytes[plain])) ++plain;
        out.append(bytes.substr(0, plain));
        bytes.remove_prefix(plain);
        if (bytes.empty()) break;
        std::size_t bad = 0;
        const std::size_t good = utf8_sequence(bytes, bad);
        if (good == 1) append_escaped(out, bytes[0]);
        else if (good != 0) out.append(bytes.substr(0, good));
        else out += "\xEF\xBF\xBD";
        bytes.remove_prefix(good != 0 ? good : bad);
    }
    out += '"';
}

bool is_utf8(std::string_view bytes) {
    std::size_t bad = 0;
    while (!bytes.empty()) {
        const std::size_t good = utf8_sequence(bytes, bad);
        if (good == 0) return false;
        bytes.remove_prefix(good);
    }
    return true;
}

bool nests_at_most(std::string_view json, int depth) {
    int open = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (quoted) {
            if (c == '\\') ++i;
            else if (c == '"') quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (++open > depth) return false;
        } else if (c == ']' || c == '}') {
            --open;
        }
    }
    return true;
}

std::size_t cut_at_character(std::string_view text, std::size_t limit) {
    if (text.size() <= limit) return text.size();
    std::size_t cut = limit;
    // Back over at most three continuation bytes; what is no UTF-8 anyway is cut where the limit is.
    while (cut > 0 && limit - cut < 3 && (static_cast<std::uint8_t>(text[cut]) & 0xC0) == 0x80) --cut;
    return (static_cast<std::uint8_t>(text[cut]) & 0xC0) == 0x80 || cut == 0 ? limit : cut;
}

std::string printable(const std::string& bytes) {
    if (is_utf8(bytes)) return bytes;
    std::string quoted;
    append_json_string(quoted, bytes);
    return nlohmann::json::parse(quoted).get<std::string>();
}

}  // namespace toren::broker
