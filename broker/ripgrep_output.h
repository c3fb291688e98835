// What `rg --json` prints, as files.search tells it. A message is kept only up to a bound, for a line of a file can be
// the whole file: long strings are cut while they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace toren::broker {

class RipgrepOutput {
public:
    // At most so many matches; so many lines around each.
    RipgrepOutput(std::uint64_t limit, std::uint64_t context) : limit_(limit), context_(context) {}

    // More of its standard output. False once no more is wanted.
    bool feed(std::string_view bytes);
    // Whether it told its summary, as it does when it was not ended and understood its arguments.
    bool finished() const { return searched_.has_value(); }
    bool truncated() const { return enough_; }
    void set_truncated() { enough_ = true; }
    // {"matches", "truncated", "files_searched"?} as JSON text, by path.
    std::string to_json();

private:
    struct Line {
        std::uint64_t number;
        std::string json;
    };
    struct Match {
        std::string path;
        std::uint64_t last_line;
        std::string json, before, after;  // without the outermost brackets
    };
    void take(std::string_view message);
    void take_match(const nlohmann::json& data);
    void take_context(const nlohmann::json& data);
    void keep(char byte);

    std::uint64_t limit_, context_;
    std::string message_;  // as far as it has come
    bool in_string_ = false, escaped_ = false, dropping_ = false, overlong_ = false;
    int digits_ = 0;  // of an escape \uXXXX that are still to come
    std::size_t string_size_ = 0;

    std::vector<Match> matches_;
    std::deque<Line> recent_;  // lines of this file before the next match
    bool in_file_ = false;     // the last match was in this file
    std::size_t bytes_ = 0;    // of all the matches
    bool enough_ = false;
    std::optional<std::uint64_t> searched_;
};

}  // namespace toren::broker
