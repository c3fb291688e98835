// `toren run`: its options. What happens then is the runner's (runner/run.cpp). Parsed by hand: everything after the
// first word that is no option belongs to the command, and a command that is run often should not wait for a parser.
#pragma once

#include <string>
#include <vector>

namespace toren::cli {

// `arguments`: those after "run". Returns the exit status of this process.
int run(const std::vector<std::string>& arguments);

}  // namespace toren::cli
