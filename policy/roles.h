// What each role may do, as sandbox specs. Pure: a role's spec is a function of paths and limits, nothing is opened.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/limits.h"
#include "policy/profile.h"
#include "policy/sandbox_spec.h"

namespace toren {

// The system's programs and libraries of this host, read-only: its merged-usr symlinks as they are.
// `libraries_only`: what ld.so needs to load a program that was opened before, and no more.
std::vector<Mount> system_mounts(bool libraries_only);

// The broker sees libraries and its own state folder, at /state.
RootSpec broker_root(const std::string& state_dir);
LandlockSpec broker_landlock();

// A cell sees the system read-only, its segment at the path it has outside, and what the profile adds.
RootSpec cell_root(const std::string& segment_path, const Profile& profile, const SegmentLimits& limits, unsigned user,
                   unsigned group);
// A command in a cell: reads what the root shows, executes programs, writes its private folders, and, where its profile
// writes, the segment and the profile's writable folders.
LandlockSpec command_landlock(const std::string& segment_path, const Profile& profile);
std::vector<ResourceLimit> command_limits(const CommandLimits& limits);
// Of the user namespace of a cell, or of the broker.
std::vector<ObjectLimit> object_limits();
// A command's environment, whole: nothing of the operator's is in it but what `passed` names ("NAME=value").
std::vector<std::string> command_environment(const std::vector<std::string>& passed = {});
// Puts "NAME=value" in the place of an entry with the same name, or at the end.
void set_variable(std::vector<std::string>& environment, const std::string& entry);
// The files worker: the segment, without execute, and read-only where the profile is. The vcs worker only reads it.
LandlockSpec files_landlock(const std::string& segment_path, const Profile& profile);
// `common`: the repository's folder of a workspace, which the vcs worker reads as well; or nothing.
LandlockSpec vcs_landlock(const std::string& segment_path, const std::string& common = {});
// The checkpoint worker: as the files worker. Its store has no path; grant_folder() adds it to the ruleset.
LandlockSpec checkpoints_landlock(const std::string& segment_path, const Profile& profile);

// Where things are in a cell.
inline constexpr const char* kCellHome = "/home/toren";
inline constexpr const char* kBrokerState = "/state";

}  // namespace toren
