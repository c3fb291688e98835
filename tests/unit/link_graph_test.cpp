// The link graph is the privilege graph: what a program is linked to, and what a folder includes, is what a taken-over
// process has in its memory. Read from the programs as they were built and from the sources.
#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

namespace toren {
namespace {

using Names = std::set<std::string>;
namespace fs = std::filesystem;

const fs::path kSources = TOREN_SOURCE_DIR;
const fs::path kPrograms = fs::path(TOREN_BINARY_DIR) / "bin";
const char* const kProgramNames[] = {
    "toren", "toren-broker", "toren-spawner", "toren-files-worker", "toren-vcs-worker", "toren-checkpoint-worker"};

std::string content(const fs::path& path) {
    std::stringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

// --- the programs

template <typename T>
T at(const std::string& file, std::uint64_t offset) {
    T value{};
    if (offset + sizeof value > file.size()) throw std::out_of_range("an ELF file that ends early");
    std::memcpy(&value, file.data() + offset, sizeof value);
    return value;
}

// DT_NEEDED of a 64-bit ELF file, each library's name up to ".so": "libgit2".
Names needed_by(const fs::path& program) {
    const std::string file = content(program);
    const auto header = at<Elf64_Ehdr>(file, 0);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(header.e_ident), SELFMAG), ELFMAG) << program;
    std::vector<Elf64_Phdr> segments;
    for (int i = 0; i < header.e_phnum; ++i)
        segments.push_back(at<Elf64_Phdr>(file, header.e_phoff + i * sizeof(Elf64_Phdr)));
    const auto file_offset = [&](std::uint64_t address) -> std::uint64_t {
        for (const auto& segment : segments)
            if (segment.p_type == PT_LOAD && address >= segment.p_vaddr && address < segment.p_vaddr + segment.p_filesz)
                return address - segment.p_vaddr + segment.p_offset;
        return file.size();
    };
    std::uint64_t names = 0;
    std::vector<std::uint64_t> needed;
    for (const auto& segment : segments) {
        if (segment.p_type != PT_DYNAMIC) continue;
        for (std::uint64_t offset = segment.p_offset;; offset += sizeof(Elf64_Dyn)) {
            const auto entry = at<Elf64_Dyn>(file, offset);
            if (entry.d_tag == DT_NULL) break;
            if (entry.d_tag == DT_STRTAB) names = file_offset(entry.d_un.d_ptr);
            if (entry.d_tag == DT_NEEDED) needed.push_back(entry.d_un.d_val);
        }
    }
    Names libraries;
    for (const auto name : needed) {
        const std::string library = file.c_str() + names + name;
        libraries.insert(library.substr(0, library.find(".so")));
    }
    return libraries;
}

class LinkedPrograms : public ::testing::Test {
protected:
    void SetUp() override {
        for (const char* name : kProgramNames) {
            if (!fs::exists(kPrograms / name)) GTEST_SKIP() << kPrograms / name << " is not built";
            needed_[name] = needed_by(kPrograms / name);
        }
    }
    Names users_of(const std::string& library) {
        Names users;
        for (const auto& [program, libraries] : needed_)
            if (libraries.contains(library)) users.insert(program);
        return users;
    }
    std::map<std::string, Names> needed_;
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
const Names kStatic = {};
#else
// Started once a command or a cell: loading libraries took longer than making a cage.
const Names kStatic = {"toren", "toren-spawner", "toren-files-worker", "toren-checkpoint-worker"};
#endif

TEST_F(LinkedPrograms, TheStaticOnesNeedNothingAndTheOthersTheCLibrary) {
    // The control for the tests below: what is read is what is there.
    Names others;
    for (const char* program : kProgramNames)
        if (kStatic.contains(program)) EXPECT_EQ(needed_[program], Names{}) << program;
        else others.insert(program);
    EXPECT_EQ(users_of("libc"), others);
}

TEST_F(LinkedPrograms, AStaticOneHoldsNoLibraryThatIsForOthers) {
    const std::map<std::string, Names> kUsersOf = {{"seccomp_init", {}},
                                                   {"git_libgit2_init", {"toren-vcs-worker"}},
                                                   {"sqlite3_open", {"toren-broker"}},
                                                   {"ZSTD_compressStream2", {"toren-files-worker"}},
                                                   {"SHA256_Update", {"toren-checkpoint-worker"}},
                                                   {"EVP_DigestInit_ex", {}}};
    for (const auto& [function, users] : kUsersOf)
        for (const char* program : kProgramNames) {
            const bool found = content(kPrograms / program).find(function) != std::string::npos;
            if (kStatic.contains(program) || users.contains(program)) {
                EXPECT_EQ(found, users.contains(program)) << function << " in " << program;
            }
        }
}

TEST_F(LinkedPrograms, NobodyLinksLibseccompForFiltersAreCompiledWithTheProgram) {
    EXPECT_EQ(users_of("libseccomp"), Names{});
}

TEST_F(LinkedPrograms, OnlyTheVcsWorkerLinksLibgit2) { EXPECT_EQ(users_of("libgit2"), Names{"toren-vcs-worker"}); }

TEST_F(LinkedPrograms, OnlyTheBrokerLinksTheDatabaseAndTheCryptography) {
    EXPECT_EQ(users_of("libsqlite3"), Names{"toren-broker"});
    EXPECT_EQ(users_of("libcrypto"), Names{"toren-broker"});
    EXPECT_EQ(users_of("libssl"), Names{});
}

TEST_F(LinkedPrograms, TheSpawnerAndTheFilesWorkerLinkTheLanguageAndItsCapabilitiesOnly) {
    Names allowed = {"libc", "libstdc++", "libgcc_s", "libm", "libcap", "ld-linux-x86-64", "ld-linux-aarch64"};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    allowed.merge(Names{"libasan", "libubsan", "libtsan"});
#endif
    for (const char* program : {"toren-spawner", "toren-files-worker"})
        for (const auto& library : needed_[program])
            EXPECT_TRUE(allowed.contains(library)) << program << " links " << library;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(LinkedProbe, TheProbeLinksNothingForTheDaemonWaitsForItToStart) {
    if (!fs::exists(kPrograms / "toren-probe")) GTEST_SKIP() << "toren-probe is not built";
    EXPECT_EQ(needed_by(kPrograms / "toren-probe"), Names{});
}
#endif

TEST_F(LinkedPrograms, NoProgramLinksWhatNobodyHasNamedHere) {
    Names known = {"libc",    "libstdc++",  "libgcc_s", "libm", "libcap", "ld-linux-x86-64", "ld-linux-aarch64",
                   "libgit2", "libsqlite3", "libcrypto"};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    known.merge(Names{"libasan", "libubsan", "libtsan"});
#endif
    for (const auto& [program, libraries] : needed_)
        for (const auto& library : libraries) EXPECT_TRUE(known.contains(library)) << program << " links " << library;
}

// --- the sources

struct Include {
    std::string file;    // "broker/store.cpp"
    std::string header;  // "base/result.h", "sqlite3.h"
    bool ours;           // in quotes
};

const char* const kFolders[] = {"base", "ipc", "policy", "supervisor", "broker", "workers", "runner", "cli"};

std::vector<Include> read_includes() {
    std::vector<Include> includes;
    for (const char* folder : kFolders)
        for (const auto& entry : fs::recursive_directory_iterator(kSources / folder)) {
            const std::string extension = entry.path().extension();
            if (extension != ".h" && extension != ".cpp" && extension != ".in") continue;
            std::ifstream lines(entry.path());
            for (std::string line; std::getline(lines, line);) {
                const auto open = line.find_first_of("\"<"), close = line.find_first_of("\">", open + 1);
                if (!line.starts_with("#include") || open == line.npos || close == line.npos) continue;
                includes.push_back(
                    {fs::relative(entry.path(), kSources), line.substr(open + 1, close - open - 1), line[open] == '"'});
            }
        }
    return includes;
}

const std::vector<Include>& includes() {
    static const auto all = read_includes();
    return all;
}

bool is_header(const std::string& file) { return file.ends_with(".h"); }

// The longest of `prefixes` that the path begins with.
std::optional<std::string> part_of(const std::string& path, const std::map<std::string, Names>& parts) {
    std::optional<std::string> found;
    for (const auto& [part, allowed] : parts)
        if (path.starts_with(part) && (!found || part.size() > found->size())) found = part;
    return found;
}

TEST(IncludeGraph, TheSourcesAreRead) {
    EXPECT_GT(includes().size(), 300U);
    EXPECT_TRUE(std::any_of(includes().begin(), includes().end(), [](const Include& include) {
        return include.file == "broker/store.cpp" && include.header == "sqlite3.h" && !include.ours;
    }));
}

TEST(IncludeGraph, APartIncludesOnlyThePartsThatItsProcessMayHave) {
    const std::map<std::string, Names> kMayInclude = {
        {"base/", {"base/"}},
        {"ipc/", {"base/", "ipc/"}},
        {"policy/", {"base/", "policy/"}},
        {"supervisor/", {"base/", "ipc/", "policy/", "supervisor/"}},
        {"broker/", {"base/", "ipc/", "policy/", "broker/"}},
        {"workers/service_channel.", {"base/", "ipc/", "policy/", "workers/service_channel."}},
        {"workers/tree/", {"base/", "workers/tree/"}},
        {"workers/files/", {"base/", "ipc/", "policy/", "workers/service_channel.", "workers/tree/", "workers/files/"}},
        {"workers/checkpoints/",
         {"base/", "ipc/", "policy/", "workers/service_channel.", "workers/tree/", "workers/checkpoints/"}},
        {"workers/vcs/", {"base/", "ipc/", "policy/", "workers/service_channel.", "workers/tree/", "workers/vcs/"}},
        {"workers/spawner/", {"base/", "ipc/", "policy/", "workers/spawner/"}},
        {"workers/probe/", {"base/", "ipc/", "workers/probe/"}},
        {"runner/", {"base/", "policy/", "runner/"}},
        {"cli/", {"base/", "policy/", "supervisor/", "runner/", "cli/"}},
    };
    for (const auto& [file, header, ours] : includes()) {
        if (!ours) continue;
        const auto from = part_of(file, kMayInclude), to = part_of(header, kMayInclude);
        ASSERT_TRUE(from) << file << " belongs to no part that this test knows";
        ASSERT_TRUE(to) << file << " includes " << header << ", which belongs to no part (paths start at the root)";
        EXPECT_TRUE(kMayInclude.at(*from).contains(*to)) << file << " includes " << header;
    }
}

TEST(IncludeGraph, ALibraryIsIncludedOnlyByThePartThatItIsFor) {
    const std::map<std::string, Names> kMayBeIncludedBy = {
        {"boost/", {"broker/"}},
        {"nlohmann/", {"broker/", "cli/"}},
        {"sqlite3.h", {"broker/store.cpp"}},
        {"openssl/", {"broker/auth.cpp", "broker/digest.cpp", "workers/checkpoints/object_id.cpp"}},
        {"git2", {"workers/vcs/"}},
        {"seccomp.h", {"policy/filter_table.cpp"}},
        {"toml++/", {"policy/config.cpp"}},
        {"CLI/", {"cli/"}},
    };
    Names seen;
    for (const auto& [file, header, ours] : includes()) {
        const auto library = part_of(header, kMayBeIncludedBy);
        if (ours || !library) continue;
        seen.insert(*library);
        bool allowed = false;
        for (const auto& part : kMayBeIncludedBy.at(*library)) allowed = allowed || file.starts_with(part);
        EXPECT_TRUE(allowed) << file << " includes " << header;
    }
    EXPECT_EQ(seen.size(), kMayBeIncludedBy.size()) << "a library that nobody includes any more: take its row out";
}

TEST(IncludeGraph, HeavyLibrariesStayOutOfHeaders) {
    // An operation's fields and its reply are JSON values, held by value.
    const std::map<std::string, Names> kInHeaders = {
        {"boost/", {"broker/loop_asio.h", "broker/client_stream.h", "broker/ordered_stream.h", "broker/websocket.h"}},
        {"nlohmann/", {"broker/operation.h", "broker/problem.h", "broker/file_fields.h"}}};
    for (const auto& [file, header, ours] : includes()) {
        const auto library = part_of(header, kInHeaders);
        if (!is_header(file) || !library || header == "nlohmann/json_fwd.hpp") continue;
        EXPECT_TRUE(kInHeaders.at(*library).contains(file)) << file << " includes " << header;
    }
    // Nor by the back door: those headers are for sources, and for each other.
    for (const auto& [file, header, ours] : includes())
        EXPECT_TRUE(!is_header(file) || !kInHeaders.at("boost/").contains(header) ||
                    kInHeaders.at("boost/").contains(file))
            << file << " includes " << header;
}

// --- the main files

TEST(ProcessHeaders, TheMainFileOfEveryProcessOpensWithWhatAReviewerMustKnow) {
    std::vector<std::string> mains = {"supervisor/serve.cpp", "broker/main.cpp", "runner/run.cpp"};
    for (const auto& entry : fs::directory_iterator(kSources / "workers"))
        if (fs::exists(entry.path() / "main.cpp")) mains.push_back(fs::relative(entry.path() / "main.cpp", kSources));
    EXPECT_EQ(mains.size(), 8U);
    for (const auto& main : mains) {
        std::istringstream lines(content(kSources / main));
        std::vector<std::string> fields;
        std::string line;
        for (int number = 0; std::getline(lines, line) && line.starts_with("//"); ++number) {
            EXPECT_TRUE(number != 0 || line.starts_with("// toren")) << main << " opens with its program's name";
            for (const char* field : {"PROCESS", "PRIVILEGE", "DISTRUSTS", "IF OWNED"})
                if (line.starts_with(std::string("// ") + field + " ")) fields.push_back(field);
        }
        EXPECT_THAT(fields, ::testing::ElementsAre("PROCESS", "PRIVILEGE", "DISTRUSTS", "IF OWNED")) << main;
    }
}

TEST(ProcessHeaders, EveryHeaderOpensWithWhatItIsFor) {
    for (const char* folder : kFolders)
        for (const auto& entry : fs::recursive_directory_iterator(kSources / folder))
            EXPECT_TRUE(entry.path().extension() != ".h" || content(entry.path()).starts_with("// "))
                << fs::relative(entry.path(), kSources) << " says nothing of itself";
}

}  // namespace
}  // namespace toren
