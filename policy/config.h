// Config: the operator's configuration file as plain data.
// Invariant: a Config that load_config returned has every value inside its documented range; what is absent has
// the default written here. The keys, their ranges and their meaning are the table in config_keys.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace toren {

struct Config {
    std::string file;      // as the operator named it; messages begin with it
    std::string base_dir;  // absolute: relative paths of the configuration start here

    struct Server {
        std::string host = "127.0.0.1";
        std::uint64_t port = 8787;  // 0 takes a free one
        std::vector<std::string> allowed_hosts;
        std::vector<std::string> allowed_origins;
    } server;

    // Paths are kept as written; expand_path says what they mean.
    struct Segments {
        std::vector<std::string> globs, roots, paths;
    } segments;
    std::optional<std::vector<std::string>> approved_directories;  // absent: the segments only

    struct AutoApprove {
        bool non_vcs_commands = true;
        bool vcs_commands = false;
        bool file_operations = false;
    } auto_approve;

    struct Ancillary {
        std::uint64_t max_concurrent = 5;
        std::string default_model = "claude-sonnet-4-5-20250929";
        std::string workspace_root;  // empty: no workspaces
        std::string task_prompt_template;
    } ancillary;

    // Who commits where a repository's own configuration does not say; empty: nobody.
    struct Vcs {
        std::string author_name, author_email;
    } vcs;

    struct Security {
        bool require_auth = true;
        std::uint64_t session_timeout = 0;  // seconds, 0 = none
        std::uint64_t pairing_uses = 1;
    } security;

    struct Confinement {
        std::vector<std::string> allow_degraded;
        std::string profile = "workspace-write";  // of every segment that names none
        std::vector<std::string> secrets = {".env",
                                            ".env.*",
                                            "!.env.example",
                                            "!.env.sample",
                                            "!.env.template",
                                            "!.env.dist",
                                            "*.pem",
                                            "*.key",
                                            "*.p12",
                                            "*.pfx",
                                            "*.jks",
                                            "*.keystore",
                                            "*.kdbx",
                                            "*.ppk",
                                            "id_rsa*",
                                            "id_dsa*",
                                            "id_ecdsa*",
                                            "id_ed25519*",
                                            "!id_*.pub",
                                            ".ssh",
                                            ".gnupg",
                                            ".aws",
                                            ".azure",
                                            ".kube",
                                            ".netrc",
                                            "_netrc",
                                            ".pgpass",
                                            ".my.cnf",
                                            ".git-credentials",
                                            ".pypirc",
                                            ".dockercfg",
                                            ".vault-token",
                                            ".docker/config.json",
                                            ".config/gh",
                                            ".config/gcloud",
                                            ".cargo/credentials*",
                                            ".htpasswd",
                                            ".password-store"};
        std::vector<std::string> protect = {
            ".vscode", ".idea",         ".zed",        ".devcontainer", ".envrc",        ".mcp.json", ".claude",
            ".cursor", ".windsurf",     ".gemini",     ".codex",        ".husky",        ".toren",    "toren.toml",
            ".bashrc", ".bash_profile", ".bash_login", ".bash_logout",  ".bash_aliases", ".profile",  ".zshrc",
            ".zshenv", ".zprofile",     ".zlogin",     ".zlogout",      ".gitconfig",    ".inputrc",  ".vimrc",
            ".exrc",   ".gdbinit",      ".lldbinit"};
        bool protect_repositories = true;
    } confinement;

    // [profiles.NAME]: what config_profiles.h makes a Profile of. Limits that are absent are those of [limits].
    struct Profile {
        std::string name;
        std::string base = "workspace-write";
        std::vector<std::string> read_only, writable, hidden, environment;
        std::optional<std::uint64_t> memory_bytes, seconds, cpu_seconds, processes, output_bytes, file_bytes,
            open_files;
    };
    std::vector<Profile> profiles;

    // [segment.NAME]: what differs in one segment. What is absent is as in [confinement].
    struct SegmentRules {
        std::string name;
        std::size_t line = 0;  // where it begins in the file
        std::string profile;   // empty: confinement.profile
        std::optional<std::vector<std::string>> secrets, protect;
        std::optional<bool> protect_repositories;
    };
    std::vector<SegmentRules> segment_rules;

    struct Limits {
        std::uint64_t body_bytes = 2 << 20;
        std::uint64_t message_bytes = 2 << 20;
        std::uint64_t read_bytes = 16 << 20;
        std::uint64_t diff_bytes = 16 << 20;
        std::uint64_t list_entries = 100'000;
        std::uint64_t connections = 256;
        std::uint64_t commands_per_segment = 64;
        std::uint64_t commands_per_socket = 16;
        std::uint64_t requests_per_socket = 1024;
        std::uint64_t command_seconds = 3600;    // 0 = none
        std::uint64_t memory_bytes = 0;          // 0 = half of the machine's (config_limits.h)
        std::uint64_t segment_memory_bytes = 0;  // 0 = three quarters of it
        std::uint64_t swap_bytes = 0;            // 0: none may be used
        std::uint64_t cpu_seconds = 0;           // 0 = none
        std::uint64_t output_bytes = 0;          // 0 = none
        std::uint64_t processes_kept = 64;
        std::uint64_t process_keep_seconds = 3600;
        std::uint64_t spool_bytes = 4ULL << 30;
        std::uint64_t checkpoints_kept = 200;
        std::uint64_t checkpoint_bytes = 2ULL << 30;
        std::uint64_t checkpoint_file_bytes = 64 << 20;
        std::uint64_t checkpoint_seconds = 600;
        std::uint64_t cell_idle_seconds = 600;
        std::uint64_t output_ring_bytes = 1 << 20;
        std::uint64_t service_seconds = 30;
        std::uint64_t open_files = 65'536;
        std::uint64_t processes = 4096;
        std::uint64_t segment_processes = 8192;
        std::uint64_t cpu_percent = 0;  // 0 = none
        std::uint64_t cpu_weight = 100;
        std::uint64_t io_weight = 100;
        std::uint64_t tmp_bytes = 1 << 30;
        std::uint64_t file_bytes = 0;  // 0 = none
    } limits;

    std::vector<std::string> warnings;  // in the order of their lines, each `FILE:LINE: …`
};

// ./toren.toml, ./.toren/config.toml, ~/.config/toren/config.toml: the first that is there, readable or not.
// One that cannot be read is an error when it is loaded, never a reason to fall back to another one.
std::optional<std::string> find_config_file(const std::string& home);

Result<Config> load_config(const std::string& path);
// The one that the command line named, else the one that is found; an error where there is none.
Result<Config> load_config(const std::optional<std::string>& named, const std::string& home);
Result<Config> parse_config(const std::string& text, const std::string& file_name, const std::string& base_dir);

// Every key, commented out with its default, range and meaning; the file itself is a valid configuration.
std::string example_config();

// HOME, else what the account says.
Result<std::string> home_folder();

// `~` and `~/…` start at the home folder, a relative path at the configuration's folder; nothing is resolved.
Result<std::string> expand_path(const std::string& text, const std::string& base_dir, const std::string& home);

// Whether only this machine can reach a listener on `host`.
bool is_loopback(const std::string& host);

// What no single key shows: without authentication only this machine may reach the listener. Ask again after
// the command line has changed the host.
Result<> check_exposure(const Config& config);

}  // namespace toren
