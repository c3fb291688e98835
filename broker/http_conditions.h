// What HTTP says of a part of a file and of conditions (RFC 9110, 13 and 14).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace toren::broker {

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date(std::int64_t seconds);

// Whether a list of entity tags, or "*", names this one. `weak`: W/ makes no difference; else such a tag never matches.
bool names_tag(std::string_view list, std::string_view quoted_tag, bool weak);

struct ByteRange {
    enum Kind { kWhole, kPart, kUnsatisfiable } kind = kWhole;
    std::uint64_t first = 0;
    std::uint64_t length = 0;
};
// One range of bytes. What is no such thing, or several, is as if it were not there.
ByteRange byte_range(std::string_view header, std::uint64_t size);

// attachment, with the name as every client understands it.
std::string content_disposition(std::string_view name);

}  // namespace toren::broker
