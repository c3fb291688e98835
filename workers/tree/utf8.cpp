#include "workers/tree/utf8.h"

namespace toren::workers {

std::optional<char32_t> take_character(std::string_view& text) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned char first = byte(0);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xC2 ? 0
                               : first < 0xE0 ? 2
                               : first < 0xF0 ? 3
                               : first < 0xF5 ? 4
                                              : 0;
    char32_t character = first;
    bool good = length > 0 && length <= text.size();
    if (good && length > 1) {
        character = first & (0xFFU >> (length + 1));
        for (std::size_t at = 1; at < length; ++at) {
            good = good && (byte(at) & 0xC0U) == 0x80;
            character = (character << 6U) | (byte(at) & 0x3FU);
        }
        // Longer than it need be, a half of a pair, or beyond the last.
        constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
        good =
            good && character >= kLeast[length] && (character < 0xD800 || character > 0xDFFF) && character <= 0x10FFFF;
    }
    text.remove_prefix(good ? length : 1);
    return good ? std::optional(character) : std::nullopt;
}

bool is_utf8(std::string_view text) {
    while (!text.empty())
        if (!take_character(text)) return false;
    return true;
}

}  // namespace toren::workers
