// Places that no configuration gives to a cage, whatever symbolic links led there: their loss would undo it.
#pragma once

#include <cstdint>
#include <string>

namespace toren {

enum class Use : std::uint8_t {
    kWrite,  // a segment, or a profile's writable folder
    kRead,   // a profile's read-only folder or file: the system's own files may be shown
};

struct OperatorsPlaces {
    std::string home, state;  // canonical
};

// Why a cage may not have `path`, which is canonical ("is the home folder"); "" where nothing speaks against it.
std::string refusal_of_place(const std::string& path, const OperatorsPlaces& places, Use use);

}  // namespace toren
