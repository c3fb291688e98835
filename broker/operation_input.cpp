#include "broker/operation_input.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "broker/base64.h"
#include "broker/json_text.h"

namespace toren::broker {
namespace {

using nlohmann::json;

constexpr std::string_view kInSegment = "/v2/segments/{segment}";
constexpr std::string_view kBytes = "_bytes";
constexpr std::size_t kLongestPath = 4096;

Problem invalid(const std::string& name, const char* expected) {
    return problem("invalid_field", name + ": " + expected + " is expected");
}

const char* expected_of(FieldType type) {
    switch (type) {
        case FieldType::kText:
        case FieldType::kPath: return "a string";
        case FieldType::kNumber: return "a whole number without sign";
        case FieldType::kInteger: return "a whole number";
        case FieldType::kBoolean: return "true or false";
        case FieldType::kTexts:
        case FieldType::kPaths: return "a list of strings";
        case FieldType::kObject: return "an object";
        case FieldType::kObjects: return "a list of objects";
    }
    return "something else";
}

bool is_list_of(const json& value, bool (json::*test)() const noexcept) {
    if (!value.is_array()) return false;
    for (const json& item : value)
        if (!(item.*test)()) return false;
    return true;
}

bool has_type(const json& value, FieldType type) {
    switch (type) {
        case FieldType::kText:
        case FieldType::kPath: return value.is_string();
        case FieldType::kNumber: return value.is_number_unsigned();
        case FieldType::kInteger: return value.is_number_integer();
        case FieldType::kBoolean: return value.is_boolean();
        case FieldType::kTexts:
        case FieldType::kPaths: return is_list_of(value, &json::is_string);
        case FieldType::kObject: return value.is_object();
        case FieldType::kObjects: return is_list_of(value, &json::is_object);
    }
    return false;
}

bool is_path(FieldType type) { return type == FieldType::kPath || type == FieldType::kPaths; }

// The row of a field, and whether it was named as NAME_bytes.
const FieldRow* find_field(const Operation& operation, std::string_view name, bool& as_bytes) {
    for (const FieldRow& row : operation.fields) {
        const std::string_view own = row.name;
        as_bytes = is_path(row.type) && name.size() == own.size() + kBytes.size() && name.starts_with(own) &&
                   name.ends_with(kBytes);
        if (as_bytes || name == own) return &row;
    }
    return nullptr;
}

std::optional<Problem> check_path(const std::string& name, const std::string& path) {
    if (path.empty()) return invalid(name, "a path that is not empty");
    if (path.find('\0') != path.npos) return problem("invalid_field", name + ": holds a NUL byte");
    if (path.size() > kLongestPath) return problem("name_too_long", name + ": longer than 4096 bytes");
    return std::nullopt;
}

Problem unknown_field(const Operation& operation, const std::string& name) {
    return problem("unknown_field", operation.name + std::string(" has no field '") + name.substr(0, 64) + "'");
}

}  // namespace

Outcome<json> read_fields(const Operation& operation, const json& given) {
    json fields = json::object();
    for (const auto& [name, value] : given.items()) {
        bool as_bytes = false;
        const FieldRow* row = find_field(operation, name, as_bytes);
        if (row == nullptr) return unknown_field(operation, name);
        if (!has_type(value, row->type)) return invalid(name, expected_of(row->type));
        if (fields.contains(row->name)) return problem("invalid_field", name + ": given twice");
        json& field = fields[row->name];
        field = value;
        if (!is_path(row->type)) continue;
        const std::size_t paths = row->type == FieldType::kPaths ? field.size() : 1;
        for (std::size_t i = 0; i < paths; ++i) {
            json& path = row->type == FieldType::kPaths ? field[i] : field;
            if (as_bytes) {
                auto bytes = from_base64(path.get_ref<const std::string&>());
                if (!bytes) return invalid(name, "base64");
                path = std::move(*bytes);
            }
            if (auto refused = check_path(name, path.get_ref<const std::string&>())) return std::move(*refused);
        }
    }
    for (const FieldRow& row : operation.fields)
        if (row.required && !fields.contains(row.name)) return invalid(row.name, expected_of(row.type));
    return fields;
}

bool percent_decode(std::string_view text, bool plus_is_space, std::string& bytes) {
    bytes.clear();
    bytes.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '+' && plus_is_space) c = ' ';
        if (c == '%') {
            unsigned char byte = 0;
            if (i + 3 > text.size()) return false;
            const auto [end, failed] = std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
            if (failed != std::errc() || end != text.data() + i + 3) return false;
            c = static_cast<char>(byte);
            i += 2;
        }
        if (c == '\0') return false;
        bytes += c;
    }
    return true;
}

namespace {

// A parameter's text as a value of its field's type; a text of another form stays one and is refused as such later.
template <typename Number>
json number_of(const std::string& text) {
    Number number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || failed != std::errc() || end != text.data() + text.size()) return text;
    return number;
}

json value_of(const std::string& text, FieldType type) {
    switch (type) {
        case FieldType::kNumber: return number_of<std::uint64_t>(text);
        case FieldType::kInteger: return number_of<std::int64_t>(text);
        case FieldType::kBoolean: return text == "true" ? json(true) : text == "false" ? json(false) : json(text);
        default: return text;
    }
}

}  // namespace

Outcome<json> read_query(const Operation& operation, std::string_view query) {
    json given = json::object();
    std::string name, text;
    while (!query.empty()) {
        const std::string_view one = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), one.size() + 1));
        if (one.empty()) continue;
        const auto equals = std::min(one.find('='), one.size());
        if (!percent_decode(one.substr(0, equals), true, name) ||
            !percent_decode(one.substr(std::min(one.size(), equals + 1)), true, text))
            return problem("invalid_field", "the query is not percent-encoded, or holds a NUL byte");
        bool as_bytes = false;
        const FieldRow* row = find_field(operation, name, as_bytes);
        if (row == nullptr) return unknown_field(operation, name);
        if (!is_path(row->type) && !is_utf8(text)) return invalid(name, "UTF-8");
        if (row->type == FieldType::kTexts || row->type == FieldType::kPaths) {
            given[name].push_back(text);
            continue;
        }
        if (given.contains(name)) return problem("invalid_field", name + ": given twice");
        given[name] = value_of(text, row->type);
    }
    return given;
}

// --- paths

namespace {

std::string_view next_part(std::string_view& path) {
    path.remove_prefix(1);  // '/'
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    return part;
}

// Whether `path` has the pattern's form; "{name}" stands for one part that is not empty.
bool has_form(std::string_view pattern, std::string_view path) {
    while (pattern.starts_with('/') && path.starts_with('/')) {
        const std::string_view wanted = next_part(pattern), part = next_part(path);
        if (wanted.starts_with('{') ? part.empty() : wanted != part) return false;
    }
    return pattern.empty() && path.empty();
}

FieldType type_of(const Operation& operation, std::string_view name) {
    for (const FieldRow& row : operation.fields)
        if (name == row.name) return row.type;
    return FieldType::kText;
}

// Takes the named parts; false where one cannot be decoded.
bool take_parts(std::string_view pattern, std::string_view path, OperationMatch& match) {
    std::string bytes;
    while (pattern.starts_with('/')) {
        const std::string_view wanted = next_part(pattern), part = next_part(path);
        if (!wanted.starts_with('{')) continue;
        if (!percent_decode(part, false, bytes) || !is_utf8(bytes)) return false;
        const std::string name(wanted.substr(1, wanted.size() - 2));
        if (name == "segment") match.segment = bytes;
        else match.fields[name] = value_of(bytes, type_of(*match.operation, name));
    }
    return true;
}

bool serves(std::string_view methods, std::string_view method) {
    return methods == method || (methods == "GET, HEAD" && (method == "GET" || method == "HEAD"));
}

}  // namespace

OperationMatch match_operation(std::string_view method, std::string_view path) {
    OperationMatch match;
    for (const Operation& operation : operations()) {
        if (operation.path == nullptr || !has_form(operation.path, path)) continue;
        match.allow += (match.allow.empty() ? "" : ", ") + std::string(operation.method);
        if (!serves(operation.method, method)) continue;
        match.operation = &operation;
        match.malformed = !take_parts(operation.path, path, match);
        break;
    }
    return match;
}

const Operation* find_operation(std::string_view name) {
    for (const Operation& operation : operations())
        if (name == operation.name) return &operation;
    return nullptr;
}

bool has_segment(const Operation& operation) {
    return operation.path == nullptr || std::string_view(operation.path).starts_with(kInSegment);
}

}  // namespace toren::broker
