// The names of our own making, beside what they are for. What a power cut leaves of them is harmless: never a client's
// only copy, hidden by its dot, and removed from a folder when something is next uploaded to it a day later.
#pragma once

#include <string>
#include <string_view>

namespace toren::workers {

inline constexpr std::string_view kWritePrefix = ".toren-write-";
inline constexpr std::string_view kUploadPrefix = ".toren-upload-";
inline constexpr std::string_view kRestorePrefix = ".toren-restore-";

// 16 hexadecimal digits.
std::string random_id();
bool is_id(std::string_view id);

// A name that a write in the making has.
std::string temporary_name();
// Whether it is such a name, or that of an upload, or of a file that a restore makes.
bool is_own_name(std::string_view name);
// Of a restore alone. There is one at a time in a segment, so that what another finds was left by one that was ended.
bool is_restore_name(std::string_view name);

}  // namespace toren::workers
