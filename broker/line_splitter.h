// Output as v1 clients want it: lines without their end. A line that grows past the limit goes out in pieces, so that
// a stream without newlines costs no memory; a piece never ends inside a UTF-8 character.
#pragma once

#include <string>
#include <string_view>

#include "broker/json_text.h"

namespace toren::broker {

class LineSplitter {
public:
    static constexpr std::size_t kLongest = 64 * 1024;

    template <typename Take>
    void feed(std::string_view data, Take take) {
        while (!data.empty()) {
            const auto end = data.find('\n');
            const bool whole = end != data.npos;
            rest_ += data.substr(0, end);
            data.remove_prefix(whole ? end + 1 : data.size());
            if (whole && rest_.ends_with('\r')) rest_.pop_back();
            // A carriage return at the end may yet turn out to belong to the line's end.
            while (rest_.size() > kLongest + (!whole && rest_.ends_with('\r') ? 1 : 0)) {
                const auto cut = cut_at_character(rest_, kLongest);
                take(std::string_view(rest_).substr(0, cut));
                rest_.erase(0, cut);
            }
            if (!whole) return;
            take(std::string_view(rest_));
            rest_.clear();
        }
    }
    // What is left when the stream ends without a newline.
    template <typename Take>
    void finish(Take take) {
        if (!rest_.empty()) take(std::string_view(rest_));
        rest_.clear();
    }

private:
    std::string rest_;
};

}  // namespace toren::broker
