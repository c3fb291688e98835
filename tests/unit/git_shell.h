// Git in a shell, as the reference for what the vcs worker answers.
#pragma once

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

namespace toren::vcs {

// Git as the reference, with no configuration but the repository's own and nothing of this machine's.
inline constexpr const char* kShellSetup =
    "set -e; export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null LC_ALL=C GIT_PAGER=cat "
    "GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org;"
    "start() { git init -q -b main . && mkdir -p dir && seq 1 30 >a && seq 40 70 >b && seq 1 5 >dir/c && git add . && "
    "git commit -q -m first; };";

struct Shell {
    int code = 0;
    std::string output;
};

inline Shell git_shell(const std::string& folder, const std::string& script) {
    const std::string file = folder + ".sh";
    std::ofstream(file) << "cd '" << folder << "'\n" << kShellSetup << "\n" << script << "\n";
    Shell result;
    std::filesystem::current_path("/");  // watching goes from folder to folder, and the last one may have gone
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(("sh '" + file + "' 2>'" + file + ".err'").c_str(), "r"),
                                                     [](FILE*) { return 0; });
    char buffer[4096];
    for (std::size_t length = 0; (length = std::fread(buffer, 1, sizeof buffer, pipe.get())) > 0;)
        result.output.append(buffer, length);
    result.code = ::pclose(pipe.get());
    if (result.code != 0) {
        std::ifstream errors(file + ".err");
        result.output += std::string(std::istreambuf_iterator<char>(errors), {});
    }
    return result;
}

// Where libgit2's patch differs from git's and says the same: how it measures similarity, and an `index` line for a
// submodule whose commit did not change. (A third is a tab that git puts after a name with a space.)
inline std::string comparable_patch(const std::string& patch) {
    std::string result;
    for (std::size_t from = 0, end = 0; from < patch.size(); from = end) {
        end = std::min(patch.find('\n', from), patch.size() - 1) + 1;
        const std::string line = patch.substr(from, end - from);
        const auto dots = line.find("..");
        const bool same = line.starts_with("index ") && dots != std::string::npos &&
                          line.compare(6, dots - 6, line, dots + 2, dots - 6) == 0;
        if (!same && !line.starts_with("similarity index")) result += line;
    }
    return result;
}

}  // namespace toren::vcs
