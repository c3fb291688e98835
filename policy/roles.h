// What each role may do, as sandbox specs. Pure: a role's spec is a function of paths and limits, nothing is opened.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/sandbox_spec.h"

namespace toren {

struct CellLimits {
    std::uint64_t tmp_bytes = 1ULL << 30;  // each private tmpfs
    std::uint64_t open_files = 65536;
    std::uint64_t processes = 4096;
    std::uint64_t file_bytes = 0;  // 0: none
};

// The system's programs and libraries of this host, read-only: its merged-usr symlinks as they are.
// `libraries_only`: what ld.so needs to load a program that was opened before, and no more.
std::vector<Mount> system_mounts(bool libraries_only);

// The broker sees libraries and its own state folder, at /state.
RootSpec broker_root(const std::string& state_dir);
LandlockSpec broker_landlock();

// A cell sees the system read-only and its segment, at the path it has outside.
RootSpec cell_root(const std::string& segment_path, const CellLimits& limits, unsigned user, unsigned group);
// A command in a cell: reads what the root shows, executes programs, writes the segment and its private folders.
LandlockSpec command_landlock(const std::string& segment_path);
std::vector<ResourceLimit> command_limits(const CellLimits& limits);
// A command's environment, whole: nothing of the operator's is in it.
std::vector<std::string> command_environment();
// The files worker: the segment, without execute. The vcs worker only reads it.
LandlockSpec files_landlock(const std::string& segment_path);
LandlockSpec vcs_landlock(const std::string& segment_path);

// Where things are in a cell.
inline constexpr const char* kCellHome = "/home/toren";
inline constexpr const char* kBrokerState = "/state";

}  // namespace toren
