// Edits: texts that are replaced exactly, or a unified diff. All of it or nothing, and only of the file that was read:
// where somebody changes it meanwhile, the edits are tried again on what is there then.
#include <fcntl.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "workers/files/atomic_write.h"
#include "workers/files/condition.h"
#include "workers/files/facts.h"
#include "workers/files/operations.h"
#include "workers/files/patch.h"
#include "workers/files/search.h"
#include "workers/tree/diff.h"

namespace toren::workers {
namespace {

using ipc::Failure;
using Kind = ipc::Condition::Kind;

constexpr int kTries = 8;
constexpr std::size_t kRoomForEdits = 1 << 20;

struct Before {
    std::string text;
    std::string version;  // empty: there is no file
};

Refusal mismatch(Failure failure, std::size_t number, std::uint64_t matches) {
    const std::string which = "edit " + std::to_string(number);
    return {failure,
            failure == Failure::kNoMatch ? which + ": the text is not in the file"
                                         : which + ": the text is in the file " + std::to_string(matches) + " times",
            encoded(ipc::EditMismatch{static_cast<std::uint32_t>(number), matches})};
}

// Overlapping places count: each is one that could have been meant.
std::uint64_t count_matches(const std::string& text, const std::string& what) {
    if (what.empty()) return 1;  // of an empty text
    std::uint64_t count = 0;
    each_match(text, 0, what, [&](std::size_t) { return ++count > 0; });
    return count;
}

std::optional<Refusal> replace(std::string& text, const ipc::Edit& edit, std::size_t number, std::uint64_t max_bytes) {
    if (edit.from.empty() && !text.empty())
        return Refusal{Failure::kMalformed, "edit " + std::to_string(number) + ": an empty text is everywhere"};
    const auto matches = count_matches(text, edit.from);
    if (matches == 0) return mismatch(Failure::kNoMatch, number, 0);
    if (matches > 1 && !edit.all) return mismatch(Failure::kAmbiguous, number, matches);
    std::string out;
    std::size_t at = 0;
    const auto put = [&](std::size_t found) {
        if (found < at) return true;  // within the one before
        out.append(text, at, found - at);
        out += edit.to;
        at = found + edit.from.size();
        return out.size() <= max_bytes;
    };
    if (edit.from.empty()) put(0);
    else each_match(text, 0, edit.from, put);
    out.append(text, at);
    if (out.size() > max_bytes)
        return Refusal{Failure::kTooLarge, "the file would be larger than " + std::to_string(max_bytes) + " bytes"};
    text = std::move(out);
    return std::nullopt;
}

class Editing {
public:
    Editing(const ipc::EditFile& request, std::string what) : request_(request), what_(std::move(what)) {}

    // Reads the edits; a chunk holds whole ones, but a long one may take several.
    bool parse() {
        if (request_.is_diff) return true;
        for (ipc::Reader reader(what_); !reader.at_end();)
            if (!reader.read(edits_.emplace_back())) return false;
        return true;
    }

    // What the edits make of a text.
    std::variant<std::string, Refusal> apply(const Before& before) const {
        if (request_.is_diff) {
            auto patched = apply_patch(before.text, what_);
            if (auto* failed = std::get_if<PatchFailure>(&patched))
                return Refusal{failed->failure, std::move(failed->error),
                               failed->failure == Failure::kMalformed ? "" : encoded(failed->mismatch)};
            auto& text = std::get<Patched>(patched).text;
            if (text.size() > request_.max_bytes)
                return Refusal{Failure::kTooLarge,
                               "the file would be larger than " + std::to_string(request_.max_bytes) + " bytes"};
            return std::move(text);
        }
        std::string text = before.text;
        for (std::size_t i = 0; i < edits_.size(); ++i)
            if (auto refused = replace(text, edits_[i], i, request_.max_bytes)) return std::move(*refused);
        return text;
    }
    bool makes() const { return request_.is_diff && makes_file(what_); }

private:
    const ipc::EditFile& request_;
    std::string what_;
    std::vector<ipc::Edit> edits_;
};

// The file at the place; a missing one is empty where the edit makes it.
std::variant<Before, Refusal> read_before(const Place& place, const ipc::EditFile& request, bool makes) {
    auto file = open_beneath(place.folder.get(), place.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (!file && file.error().code == ENOENT && makes) return Before{};
    if (!file) return refusal(file.error());
    struct stat about {};
    if (::fstat(file->get(), &about) != 0) return refusal(errno_error("fstat '" + request.path + "'"));
    if (S_ISDIR(about.st_mode)) return Refusal{Failure::kIsFolder, "'" + request.path + "' is a folder"};
    if (!S_ISREG(about.st_mode)) return Refusal{Failure::kNotRegular, "'" + request.path + "' is no regular file"};
    const Refusal too_large{Failure::kTooLarge,
                            "'" + request.path + "' is larger than " + std::to_string(request.max_bytes) + " bytes"};
    if (static_cast<std::uint64_t>(about.st_size) > request.max_bytes) return too_large;
    Before before{{}, version_of(about)};
    before.text.reserve(static_cast<std::size_t>(about.st_size) + 1);
    char buffer[64 * 1024];
    while (true) {
        const ssize_t length = ::read(file->get(), buffer, sizeof buffer);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return refusal(errno_error("read '" + request.path + "'"));
        if (length == 0) return before;
        before.text.append(buffer, static_cast<std::size_t>(length));
        if (before.text.size() > request.max_bytes) return too_large;
    }
}

Answer edit(Call& call, const ipc::EditFile& request, const Editing& editing) {
    for (int tries = 0;; ++tries) {
        SERVE_ASSIGN(auto place, place_beneath(call.segment, request.path, false));
        SERVE_ASSIGN(const bool wanted, holds(place.folder.get(), place.name, request.condition));
        if (!wanted) return changed(place.folder.get(), place.name, request.path);
        auto read = read_before(place, request, editing.makes());
        if (const auto* refused = std::get_if<Refusal>(&read)) return *refused;
        const auto& before = std::get<Before>(read);
        auto applied = editing.apply(before);
        if (const auto* refused = std::get_if<Refusal>(&applied)) return *refused;
        const auto& after = std::get<std::string>(applied);
        if (after == before.text && !before.version.empty()) {
            SERVE_ASSIGN(const auto facts, facts_at(place.folder.get(), place.name));
            return reply(facts);
        }
        SERVE_ASSIGN(auto write, AtomicWrite::begin(std::move(place), request.path));
        SERVE_TRY(write.write(after));
        const ipc::Condition seen{before.version.empty() ? Kind::kAbsent : Kind::kVersion, before.version};
        SERVE_ASSIGN(const bool held, write.commit(seen));
        if (!held && request.condition.kind == Kind::kNone && tries < kTries) continue;
        if (!held) return changed(write.place().folder.get(), write.place().name, request.path);
        call.channel.write(unified_diff(before.text, after, request.path, before.version.empty()));
        SERVE_ASSIGN(const auto facts, facts_of_open(write.file()));
        return reply(facts);
    }
}

}  // namespace

Answer edit_file(Call& call, const ipc::EditFile& request) {
    std::string what;
    bool too_large = false;
    const bool whole = take_content(call, [&](std::string_view bytes) {
        too_large = too_large || what.size() + bytes.size() > 2 * request.max_bytes + kRoomForEdits;
        if (!too_large) what += bytes;
    });
    if (!whole) return Refusal{Failure::kOther, "the broker has gone"};
    if (too_large) return Refusal{Failure::kTooLarge, "the edits are larger than any file that may be edited"};
    Editing editing(request, std::move(what));
    if (!editing.parse()) malformed_request();
    return edit(call, request, editing);
}

}  // namespace toren::workers
