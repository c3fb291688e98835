// Every place where a sequence is in another one, overlapping ones too (Knuth, Morris, Pratt): in a time that no text
// can make quadratic, for the texts are anybody's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace toren::workers {

// Calls found(place) for each, in order, until it says false. `what` is not empty.
template <typename Sequence, typename Found>
void each_match(const Sequence& in, std::size_t from, const Sequence& what, Found found) {
    // How much of `what` still fits where the character behind so much of it does not.
    std::vector<std::uint32_t> shorter(what.size() + 1, 0);
    for (std::size_t at = 1, length = 0; at < what.size(); ++at) {
        while (length > 0 && !(what[at] == what[length])) length = shorter[length];
        if (what[at] == what[length]) ++length;
        shorter[at + 1] = static_cast<std::uint32_t>(length);
    }
    for (std::size_t at = from, length = 0; at < in.size(); ++at) {
        while (length > 0 && (length == what.size() || !(in[at] == what[length]))) length = shorter[length];
        if (in[at] == what[length]) ++length;
        if (length == what.size() && !found(at + 1 - length)) return;
    }
}

}  // namespace toren::workers
