#include "base/limits.h"

namespace toren {

const char* limit_name(EndedBy limit) {
    static constexpr const char* kNames[] = {"", "time", "cpu", "memory", "output", "file_size"};
    return kNames[static_cast<int>(limit)];
}

}  // namespace toren
