// Repositories of a test, asked through the vcs worker's own code and through git.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <variant>
#include <vector>

#include "tests/unit/git_shell.h"
#include "tests/unit/temp_folder.h"
#include "workers/vcs/answers.h"

namespace toren::vcs {

using Strings = std::vector<std::string>;
using ipc::Failure;
using ipc::VcsKind;

// Git's two letters.
inline std::string letters_of(const ipc::VcsChange& change) {
    static constexpr const char* kPairs[] = {"", "DD", "AU", "UD", "UA", "DU", "AA", "UU"};
    static constexpr char kLetters[] = " MADRCT?!";
    if (change.conflict != ipc::VcsConflict::kNone) return kPairs[static_cast<int>(change.conflict)];
    const char work_tree = kLetters[static_cast<int>(change.work_tree)];
    const bool unknown = work_tree == '?' || work_tree == '!';
    return {unknown ? work_tree : kLetters[static_cast<int>(change.index)], work_tree};
}

struct Status {
    VcsKind kind = VcsKind::kNone;
    std::string branch;
    ipc::VcsRepository about;
    Strings files;  // " M a", "R  old -> new"; sorted
    Failure failure = Failure::kNone;
    std::string error;
};

struct Diff {
    std::string text;
    std::vector<ipc::VcsFileDiff> files;
    ipc::VcsDiffEnd end;
    Failure failure = Failure::kNone;
    std::string error;
};

class VcsTest : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        const auto ready = prepare_libgit2();
        ASSERT_TRUE(ready) << ready.error().text();
    }
    VcsTest() : segment_(temp_.folder("segment")), repositories_(open_segment(), segment_) {}

    UniqueFd open_segment() const { return UniqueFd(::open(segment_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)); }

    std::string run(const std::string& script) {
        const auto result = git_shell(segment_, script);
        EXPECT_EQ(result.code, 0) << script << "\n" << result.output;
        return result.output;
    }

    template <typename Record>
    static Record record_of(const Answer& answer) {
        Record record;
        const auto* reply = std::get_if<workers::Reply>(&answer);
        EXPECT_TRUE(reply != nullptr && ipc::Reader(reply->result).read(record));
        return record;
    }
    template <typename Result>
    static bool is_refused(const Answer& answer, Result& result) {
        const auto* refused = std::get_if<Refusal>(&answer);
        if (refused == nullptr) return false;
        result.failure = refused->failure;
        result.error = refused->error;
        return true;
    }

    Status status(const std::string& path = "", ipc::VcsStatus request = {}) {
        Status result;
        request.path = path;
        request.max_changes = 1'000'000;
        request.counts = true;
        const auto answer = answer_status(repositories_, request, [&](const ipc::VcsChange& change) {
            const std::string old = change.old_path.empty() ? "" : change.old_path + " -> ";
            result.files.push_back(letters_of(change) + " " + old + change.path);
        });
        if (!is_refused(answer, result)) {
            result.about = record_of<ipc::VcsRepository>(answer);
            result.kind = result.about.kind;
            result.branch = result.about.branch;
        }
        std::sort(result.files.begin(), result.files.end());
        return result;
    }

    Diff diff(const std::string& path = "", ipc::VcsDiff request = {}) {
        Diff result;
        request.path = path;
        if (request.max_bytes == 0) request.max_bytes = request.max_file_bytes = 1 << 20;
        const auto answer = answer_diff(repositories_, request, [&](const ipc::VcsFileDiff& file) {
            result.text += file.patch;
            result.files.push_back(file);
        });
        if (!is_refused(answer, result)) result.end = record_of<ipc::VcsDiffEnd>(answer);
        return result;
    }

    // What git itself lists, in the same words.
    Strings git_status(const std::string& folder = ".", const std::string& options = "") {
        const std::string output = run("git --no-optional-locks -C " + folder + " status --porcelain=v1 -z " + options);
        Strings fields, files;
        for (std::size_t from = 0, end = 0; (end = output.find('\0', from)) != std::string::npos; from = end + 1)
            fields.push_back(output.substr(from, end - from));
        for (std::size_t i = 0; i < fields.size(); ++i) {
            const std::string letters = fields[i].substr(0, 2), path = fields[i].substr(3);
            const std::string old = letters[0] == 'R' ? fields[++i] + " -> " : "";
            files.push_back(letters + " " + old + path);
        }
        std::sort(files.begin(), files.end());
        return files;
    }

    std::string read(const std::string& relative) {
        std::ifstream file(segment_ + "/" + relative, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    TempFolder temp_;
    std::string segment_;
    Repositories repositories_;
};

}  // namespace toren::vcs
