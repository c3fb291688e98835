// canonicalize: realpath(3) that also tells which symbolic links it went through.
// Why: a link that stands where a cage can write is a link that the cage can point elsewhere before the next start.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace toren {

struct Canonical {
    std::string path;                // absolute, without links, `.`, `..` or doubled slashes
    std::vector<std::string> links;  // where each link on the way stands (its folder canonical, its own name last)
};

// `path` is absolute and must exist; the error says which path and why.
Result<Canonical> canonicalize(const std::string& path);

// The same as far as the path exists; the rest is taken as text. For folders that are made later.
Result<std::string> canonicalize_existing_part(const std::string& path);

}  // namespace toren
