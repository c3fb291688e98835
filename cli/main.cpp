// toren: the command line. `toren serve` becomes the supervisor (supervisor/serve.cpp) in this process.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string_view>

#include "cli/doctor.h"
#include "cli/policy.h"
#include "cli/run.h"
#include "policy/config.h"
#include "supervisor/serve.h"

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "run") return toren::cli::run({argv + 2, argv + argc});
    CLI::App app{"Toren: people and agents work on this machine's projects, everything they run stays in a cage."};
    app.require_subcommand(1);
    app.set_version_flag("--version", TOREN_VERSION);

    toren::supervisor::ServeOptions options;
    CLI::App* serve = app.add_subcommand("serve", "run the daemon in the foreground");
    serve->add_option("--config", options.config,
                      "configuration file (default: ./toren.toml, ./.toren/config.toml, "
                      "~/.config/toren/config.toml)");
    serve->add_option("--listen", options.listen, "HOST:PORT over the configuration's; port 0 takes a free one");
    serve->add_option("--state", options.state, "state folder (default: ~/.local/state/toren)");

    app.add_subcommand("run", "run one command in a cage, without a daemon (toren run --help)");

    CLI::App* config = app.add_subcommand("config", "the configuration file");
    config->require_subcommand(1);
    CLI::App* example = config->add_subcommand("example", "print every key with its default and meaning");

    const toren::cli::PolicyCommand policy(app);
    bool doctor_json = false;
    CLI::App* doctor = app.add_subcommand("doctor", "what this machine can enforce, layer by layer");
    doctor->add_flag("--json", doctor_json, "for programs");

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& problem) {
        return app.exit(problem) == 0 ? 0 : 2;  // --help is such an error as well
    }
    if (serve->parsed()) return toren::supervisor::serve(options);
    if (doctor->parsed()) return toren::cli::doctor(doctor_json);
    if (policy.parsed()) return policy.run();
    if (example->parsed()) std::fputs(toren::example_config().c_str(), stdout);
    return 0;
}
