// The unified diff of two texts, by Myers' algorithm on lines. Its work is bounded: texts that differ too much get one
// coarse hunk, which is as true and only longer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace toren::workers {

// With the line's end; the last line of a text may have none.
std::vector<std::string_view> split_lines(std::string_view text);

// "" where the texts are equal. `path` as git writes it: "a/…" and "b/…". `made`: there was no file before;
// `removed`: there is none after.
std::string unified_diff(std::string_view before, std::string_view after, const std::string& path, bool made,
                         bool removed = false);

}  // namespace toren::workers
