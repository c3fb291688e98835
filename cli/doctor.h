// toren doctor: what this machine can enforce, for people as a table and for programs as JSON.
#pragma once

namespace toren::cli {

// Returns the exit status: 0 all is there, 1 something that is required is missing, 3 something is degraded only.
int doctor(bool json);

}  // namespace toren::cli
