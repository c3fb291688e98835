// Places that nobody may work in: whose loss would undo the cage, or the machine. Text alone: paths are canonical.
#pragma once

#include <cstdint>
#include <string>

namespace toren {

struct OwnPlaces {
    std::string home, state;  // the operator's home folder and Toren's state folder; canonical as far as they exist
};

// Why `path` may not be written by what runs in a cage; "" where nothing speaks against it.
std::string refusal_to_write(const std::string& path, const OwnPlaces& own);

// Why it may not be shown read-only either. Single folders of the system's configuration and programs may be shown.
std::string refusal_to_show(const std::string& path, const OwnPlaces& own);

}  // namespace toren
