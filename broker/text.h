// Protocol words are compared without regard to the case of ASCII letters, and of no others.
#pragma once

#include <string>
#include <string_view>

namespace toren::broker {

inline std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    return out;
}

inline bool same_without_case(std::string_view a, std::string_view b) { return lower(a) == lower(b); }

}  // namespace toren::broker
