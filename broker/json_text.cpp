#include "broker/json_text.h"

#include <cstdint>

namespace toren::broker {
namespace {

// The sequence at the start of `rest` by Unicode's table 3-7: its length, or 0 with `bad` the length of the maximal
// part that is to be replaced.
std::size_t sequence(std::string_view rest, std::size_t& bad) {
    const auto byte = [&](std::size_t i) {
        return i < rest.size() ? static_cast<std::uint8_t>(rest[i]) : std::uint8_t{0};
    };
    const std::uint8_t first = byte(0);
    std::size_t length = 0;
    std::uint8_t low = 0x80, high = 0xBF;  // of the second byte
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) length = 2;
    else if (first >= 0xE0 && first <= 0xEF) length = 3;
    else if (first >= 0xF0 && first <= 0xF4) length = 4;
    else return bad = 1, 0;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
    for (std::size_t i = 1; i < length; ++i) {
        if (byte(i) < low || byte(i) > high) return bad = i, 0;
        low = 0x80;
        high = 0xBF;
    }
    return length;
}

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
        const std::size_t good = sequence(bytes, bad);
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
        const std::size_t good = sequence(bytes, bad);
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

}  // namespace toren::broker
