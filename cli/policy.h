// toren policy: what the cage of a segment permits, and why. Reads the configuration and looks at the file system; no
// daemon is asked and nothing is changed.
#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace toren::cli {

class PolicyCommand {
public:
    // Adds `policy show` and `policy explain`; the object must outlive the parsing.
    explicit PolicyCommand(CLI::App& app);

    bool parsed() const;
    // Returns the exit status: 0 an answer was printed, whatever it says; 2 bad input.
    int run() const;

private:
    void add_common_options(CLI::App& command);

    CLI::App *policy_, *show_, *explain_;
    std::optional<std::string> config_, state_, profile_;
    std::string segment_, path_;
    bool json_ = false;
};

}  // namespace toren::cli
