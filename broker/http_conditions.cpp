#include "broker/http_conditions.h"

#include <charconv>
#include <ctime>
#include <optional>

#include "broker/json_text.h"
#include "broker/text.h"

namespace toren::broker {
namespace {

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
    return text;
}

std::optional<std::uint64_t> number_in(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

}  // namespace

std::string http_date(std::int64_t seconds) {
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto when = static_cast<std::time_t>(seconds);
    std::tm parts{};
    if (::gmtime_r(&when, &parts) == nullptr || parts.tm_year + 1900 < 0 || parts.tm_year + 1900 > 9999) return "";
    char text[32];
    const int length =
        std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[parts.tm_wday], parts.tm_mday,
                      kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
    return std::string(text, static_cast<std::size_t>(length));
}

bool names_tag(std::string_view list, std::string_view quoted_tag, bool weak) {
    list = trimmed(list);
    if (list == "*") return true;
    while (!list.empty()) {
        const bool is_weak = list.starts_with("W/");
        if (is_weak) list.remove_prefix(2);
        if (!list.starts_with('"')) return false;
        const auto end = list.find('"', 1);
        if (end == list.npos) return false;
        if ((weak || !is_weak) && list.substr(0, end + 1) == quoted_tag) return true;
        list = trimmed(list.substr(end + 1));
        if (list.empty()) return false;
        if (!list.starts_with(',')) return false;
        while (list.starts_with(',')) list = trimmed(list.substr(1));
    }
    return false;
}

ByteRange byte_range(std::string_view header, std::uint64_t size) {
    constexpr std::string_view kUnit = "bytes=";
    header = trimmed(header);
    if (!same_without_case(header.substr(0, kUnit.size()), kUnit)) return {};
    header = trimmed(header.substr(kUnit.size()));
    const auto dash = header.find('-');
    if (dash == header.npos || header.find(',') != header.npos) return {};
    const std::string_view from = trimmed(header.substr(0, dash)), to = trimmed(header.substr(dash + 1));
    if (from.empty()) {
        const auto suffix = number_in(to);
        if (!suffix) return {};
        const std::uint64_t length = std::min(*suffix, size);
        if (length == 0) return {ByteRange::kUnsatisfiable, 0, 0};
        return {ByteRange::kPart, size - length, length};
    }
    const auto first = number_in(from), last = to.empty() ? std::optional<std::uint64_t>(~0ULL) : number_in(to);
    if (!first || !last || *last < *first) return {};
    if (*first >= size) return {ByteRange::kUnsatisfiable, 0, 0};
    return {ByteRange::kPart, *first, std::min(*last, size - 1) - *first + 1};
}

std::string content_disposition(std::string_view name) {
    std::string text = "attachment; filename=\"";
    bool plain = true;
    for (const char c : name) {
        const bool safe = c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '%';
        plain = plain && safe;
        text += safe ? c : '_';
    }
    text += '"';
    if (plain || !is_utf8(name)) return text;
    text += "; filename*=UTF-8''";
    static constexpr char kHex[] = "0123456789ABCDEF";
    for (const char c : name) {
        const bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                          c == '-' || c == '_';
        if (safe) text += c;
        else ((text += '%') += kHex[static_cast<unsigned char>(c) >> 4]) += kHex[c & 15];
    }
    return text;
}

}  // namespace toren::broker
