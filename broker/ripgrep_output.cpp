#include "broker/ripgrep_output.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "broker/base64.h"
#include "broker/file_fields.h"
#include "broker/json_text.h"

namespace toren::broker {

using nlohmann::json;

namespace {

constexpr std::size_t kLongestText = 4096;  // of a line, in an answer
// Of a string as JSON has it: six characters can stand for one byte, and four of base64 for three.
constexpr std::size_t kLongestString = 6 * kLongestText + 8;
constexpr std::size_t kLongestMessage = 1 << 20;
constexpr std::size_t kLargestAnswer = 8 << 20;
constexpr std::string_view kSpans = "\"submatches\":[";

// {"text": …} or {"bytes": base64}.
std::optional<std::string> bytes_of(const json& data, const char* name) {
    const auto found = data.find(name);
    if (found == data.end() || !found->is_object()) return std::nullopt;
    if (const auto text = found->find("text"); text != found->end() && text->is_string())
        return text->get<std::string>();
    if (const auto bytes = found->find("bytes"); bytes != found->end() && bytes->is_string())
        return from_base64(bytes->get_ref<const std::string&>());
    return std::nullopt;
}

std::optional<std::uint64_t> number_in(const json& data, const char* name) {
    const auto found = data.find(name);
    if (found == data.end() || !found->is_number_unsigned()) return std::nullopt;
    return found->get<std::uint64_t>();
}

// Appends "text":… or "text_bytes":…, and "cut":true; returns how much of the text that is.
std::size_t append_text(std::string& out, std::string_view text) {
    const bool cut = text.size() > kLongestText;
    // Cut in the midst of a character, text would look as if it were none.
    if (cut && is_utf8(text.substr(0, cut_at_character(text, kLongestText))))
        text = text.substr(0, cut_at_character(text, kLongestText));
    else text = text.substr(0, kLongestText);
    if (is_utf8(text)) append_json_string(out += "\"text\":", text);
    else ((out += "\"text_bytes\":\"") += to_base64(text)) += '"';
    if (cut) out += ",\"cut\":true";
    return text.size();
}

void append_spans(std::string& out, const json& data, std::size_t size) {
    out += ",\"spans\":[";
    const auto found = data.find("submatches");
    bool first = true;
    if (found != data.end() && found->is_array())
        for (const json& one : *found) {
            if (!one.is_object()) continue;
            const auto from = number_in(one, "start"), to = number_in(one, "end");
            if (!from || !to || *from > *to || *from > size) continue;
            if (!std::exchange(first, false)) out += ',';
            ((((out += '[') += std::to_string(*from)) += ',') += std::to_string(std::min<std::uint64_t>(*to, size))) +=
                ']';
        }
    out += ']';
}

}  // namespace

bool RipgrepOutput::feed(std::string_view bytes) {
    for (const char byte : bytes) {
        if (enough_) return false;
        if (!in_string_) {
            if (byte == '\n') {
                take(message_);
                message_.clear();
                overlong_ = false;
                continue;
            }
            in_string_ = byte == '"';
            dropping_ = false;
            string_size_ = 0;
            keep(byte);
            continue;
        }
        if (digits_ > 0) {
            --digits_;
        } else if (escaped_) {
            escaped_ = false;
            if (byte == 'u') digits_ = 4;
        } else if (byte == '"') {
            in_string_ = dropping_ = false;
        } else {
            // Never in the midst of an escape or of a character.
            if (string_size_ >= kLongestString && (static_cast<unsigned char>(byte) & 0xc0) != 0x80) dropping_ = true;
            escaped_ = byte == '\\';
        }
        if (dropping_) continue;
        keep(byte);
        ++string_size_;
    }
    return !enough_;
}

void RipgrepOutput::keep(char byte) {
    if (message_.size() < kLongestMessage) message_ += byte;
    else overlong_ = true;
}

void RipgrepOutput::take(std::string_view message) {
    std::string shortened;
    if (overlong_) {
        // What makes it so long is its list of places in the line. Quotes within strings are escaped: this is no text.
        const auto spans = message.find(kSpans);
        if (spans == message.npos) return;
        message = shortened = std::string(message.substr(0, spans + kSpans.size())) + "]}}";
    }
    const json all = json::parse(message, nullptr, false);
    if (!all.is_object() || !all.contains("data") || !all["data"].is_object()) return;
    const json& data = all["data"];
    const auto told = all.find("type");
    if (told == all.end() || !told->is_string()) return;
    const auto& type = told->get_ref<const std::string&>();
    if (type == "begin") {
        recent_.clear();
        in_file_ = false;
    } else if (type == "match") {
        take_match(data);
    } else if (type == "context") {
        take_context(data);
    } else if (type == "summary") {
        const auto stats = data.find("stats");
        searched_ = stats != data.end() && stats->is_object() ? number_in(*stats, "searches").value_or(0) : 0;
    }
}

void RipgrepOutput::take_match(const json& data) {
    const auto path = bytes_of(data, "path"), text = bytes_of(data, "lines");
    const auto line = number_in(data, "line_number"), offset = number_in(data, "absolute_offset");
    if (!path || !text || !line || !offset) return;
    if (matches_.size() == limit_ || bytes_ > kLargestAnswer) {
        enough_ = true;
        return;
    }
    Match match;
    match.path = *path;
    while (match.path.starts_with("./")) match.path.erase(0, 2);  // of the folder as it was named
    const auto breaks = static_cast<std::uint64_t>(std::ranges::count(*text, '\n'));
    match.last_line = *line + breaks - (text->ends_with('\n') ? 1 : 0);
    append_bytes_field(match.json, "path", match.path);
    ((((match.json += ",\"line\":") += std::to_string(*line)) += ",\"offset\":") += std::to_string(*offset)) += ',';
    const std::size_t size = append_text(match.json, *text);
    append_spans(match.json, data, size);
    for (const Line& one : recent_)
        if (one.number < *line && *line - one.number <= context_)
            (match.before += match.before.empty() ? "" : ",") += one.json;
    recent_.clear();
    in_file_ = true;
    bytes_ += match.json.size() + match.before.size();
    matches_.push_back(std::move(match));
}

void RipgrepOutput::take_context(const json& data) {
    const auto text = bytes_of(data, "lines");
    const auto line = number_in(data, "line_number");
    if (!text || !line) return;
    if (bytes_ > kLargestAnswer) {
        enough_ = true;
        return;
    }
    Line one{*line, "{\"line\":" + std::to_string(*line) + ","};
    append_text(one.json, *text);
    one.json += '}';
    bytes_ += one.json.size();
    if (in_file_ && *line > matches_.back().last_line && *line - matches_.back().last_line <= context_)
        (matches_.back().after += matches_.back().after.empty() ? "" : ",") += one.json;
    recent_.push_back(std::move(one));
    if (recent_.size() > context_) recent_.pop_front();
}

std::string RipgrepOutput::to_json() {
    // Its threads tell of files in any order.
    std::ranges::stable_sort(matches_, {}, &Match::path);
    std::string out = "{\"matches\":[";
    for (const Match& match : matches_) {
        if (&match != &matches_.front()) out += ',';
        (out += '{') += match.json;
        if (context_ > 0) ((((out += ",\"before\":[") += match.before) += "],\"after\":[") += match.after) += ']';
        out += '}';
    }
    out += enough_ ? "],\"truncated\":true" : "],\"truncated\":false";
    if (searched_) (out += ",\"files_searched\":") += std::to_string(*searched_);
    return out + "}";
}

}  // namespace toren::broker
