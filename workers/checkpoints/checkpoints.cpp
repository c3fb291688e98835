#include "workers/checkpoints/checkpoints.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <ctime>

#include "base/log.h"
#include "workers/checkpoints/restore.h"
#include "workers/checkpoints/walk.h"
#include "workers/tree/beneath.h"
#include "workers/tree/diff.h"

namespace toren::checkpoints {

using ipc::Failure;
using workers::Answer;
using workers::Refusal;
using workers::ServiceChannel;

namespace {

constexpr std::uint64_t kAnyTree = std::uint64_t{256} << 20;
constexpr std::uint64_t kAnyFile = ~std::uint32_t{0};

[[noreturn]] void malformed() {
    log_error("the broker sent a malformed request");
    ::_exit(1);
}

std::int64_t now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

Refusal no_checkpoint(std::uint64_t number) {
    return {Failure::kNoCheckpoint, "there is no checkpoint " + std::to_string(number)};
}

ipc::FileKind kind_of(Kind kind) {
    switch (kind) {
        case Kind::kFile: return ipc::FileKind::kFile;
        case Kind::kLink: return ipc::FileKind::kSymlink;
        case Kind::kFolder: return ipc::FileKind::kFolder;
    }
    return ipc::FileKind::kOther;
}

// "./a//b/" as "a/b"; "." as "".
std::string plain_path(std::string_view path) {
    std::string plain;
    while (!path.empty()) {
        const auto name = path.substr(0, path.find('/'));
        path.remove_prefix(std::min(path.size(), name.size() + 1));
        if (name.empty() || name == ".") continue;
        if (!plain.empty()) plain += '/';
        plain += name;
    }
    return plain;
}

std::vector<std::string> plain_paths(const std::vector<std::string>& paths) {
    std::vector<std::string> plain;
    for (const auto& path : paths) {
        plain.push_back(plain_path(path));
        if (plain.back().empty()) return {};  // everything
    }
    return plain;
}

// Names by their bytes, what is in a folder right behind it.
bool comes_before(std::string_view one, std::string_view other) {
    return std::ranges::lexicographical_compare(one, other, [](char a, char b) {
        const auto order = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c) + 1; };
        return order(a) < order(b);
    });
}

bool has_path(const Listing& listing, std::string_view path) {
    const Entry* at = listing.root();
    while (at != nullptr && !path.empty()) {
        const auto name = path.substr(0, path.find('/'));
        path.remove_prefix(std::min(path.size(), name.size() + 1));
        Children names(&listing, at);
        at = names.seek(name);
    }
    return at != nullptr;
}

}  // namespace

// --- the table

template <typename Request, Checkpoints::Serve<Request> serve>
Answer Checkpoints::decode(ServiceChannel& channel, const ipc::Packet& packet) {
    const auto request = packet.as<Request>();
    if (!request) malformed();
    return (this->*serve)(channel, *request);
}

const Checkpoints::Row Checkpoints::kRows[] = {
    {ipc::Type::kMakeCheckpoint, &Checkpoints::decode<ipc::MakeCheckpoint, &Checkpoints::make>},
    {ipc::Type::kListCheckpoints, &Checkpoints::decode<ipc::ListCheckpoints, &Checkpoints::list>},
    {ipc::Type::kCompareCheckpoint, &Checkpoints::decode<ipc::CompareCheckpoint, &Checkpoints::compare_with>},
    {ipc::Type::kReadCheckpoint, &Checkpoints::decode<ipc::ReadCheckpoint, &Checkpoints::read>},
    {ipc::Type::kDiffCheckpoint, &Checkpoints::decode<ipc::DiffCheckpoint, &Checkpoints::diff>},
    {ipc::Type::kRestoreCheckpoint, &Checkpoints::decode<ipc::RestoreCheckpoint, &Checkpoints::restore_to>},
    {ipc::Type::kDeleteCheckpoint, &Checkpoints::decode<ipc::DeleteCheckpoint, &Checkpoints::remove>},
};

Answer Checkpoints::serve(ServiceChannel& channel, const ipc::Packet& request) {
    for (const Row& row : kRows)
        if (row.type == request.type) return (this->*row.serve)(channel, request);
    malformed();
}

void Checkpoints::tidy() {
    if (!tidy_to_) return;
    if (const auto tidied = store_.tidy(*tidy_to_); !tidied) log_error("checkpoints: " + tidied.error().text());
    tidy_to_.reset();
}

const Checkpoint* Checkpoints::find(std::uint64_t number) const {
    const auto found = store_.checkpoints().find(number);
    return found == store_.checkpoints().end() ? nullptr : &found->second;
}

// --- making

Result<Checkpoints::Made> Checkpoints::record(const ipc::MakeCheckpoint& request, const Listing* also) {
    const SavedListing* saved = store_.saved(request.ignored);
    const Listing none;
    const Listing& known = saved == nullptr ? none : saved->listing;
    Additions additions(store_, request.limits.bytes);
    TRY_ASSIGN(auto walked, walk({.segment = segment_.get(),
                                  .ignored = request.ignored,
                                  .file_bytes = request.limits.file_bytes,
                                  .known = saved == nullptr ? nullptr : &known,
                                  .also = also,
                                  .keep = [&](ObjectType type, const ObjectId& id, std::string_view content) {
                                      return additions.keep(type, id, content);
                                  }}));
    Made made;
    compare(known, walked.listing, [&](Change change, const std::string&, const Entry* before, const Entry* after) {
        const bool was = before != nullptr && before->kind != Kind::kFolder;
        const bool is = after != nullptr && after->kind != Kind::kFolder;
        static_cast<void>(change);
        ++(was && is ? made.told.modified : is ? made.told.added : made.told.deleted);
        if (!was && !is) --made.told.deleted;  // folders are not counted
    });
    TRY_ASSIGN(const auto roots, store_.put_roots(walked.listing, additions));
    const auto& all = store_.checkpoints();
    const Checkpoint* last = all.empty() ? nullptr : &all.rbegin()->second;
    made.told.made =
        request.always || last == nullptr || last->tree != roots.tree || last->facts.ignored != request.ignored;
    if (made.told.made) {
        ipc::CheckpointFacts facts{.created_ns = now_ns(),
                                   .reason = request.reason,
                                   .ignored = request.ignored,
                                   .files = walked.files,
                                   .bytes = walked.bytes,
                                   .unreadable = walked.left_out[static_cast<int>(ipc::LeftOut::kUnreadable)],
                                   .too_large = walked.left_out[static_cast<int>(ipc::LeftOut::kTooLarge)],
                                   .special = walked.left_out[static_cast<int>(ipc::LeftOut::kSpecial)],
                                   .long_paths = walked.left_out[static_cast<int>(ipc::LeftOut::kLongPath)],
                                   .unsettled = walked.left_out[static_cast<int>(ipc::LeftOut::kUnsettled)],
                                   .label = request.label};
        TRY_ASSIGN(last, store_.commit(std::move(facts), roots, additions));
        made.told.written = additions.written();
    }
    made.told.facts = last->facts;
    made.left_out = std::move(walked.told);
    if (also != nullptr) made.listing = walked.listing;
    if (saved == nullptr || saved->checkpoint != last->facts.number || saved->listing.entries != walked.listing.entries)
        store_.save(request.ignored, {last->facts.number, std::move(walked.listing)});
    tidy_to_ = request.limits;
    return made;
}

Answer Checkpoints::make(ServiceChannel& channel, const ipc::MakeCheckpoint& request) {
    auto made = record(request, nullptr);
    if (!made) return workers::refusal(made.error());
    for (const auto& one : made->left_out) channel.write_record(one);
    return workers::reply(made->told);
}

// --- looking

Answer Checkpoints::list(ServiceChannel& channel, const ipc::ListCheckpoints& request) {
    const auto& all = store_.checkpoints();
    ipc::ListEnd end;
    std::uint64_t told = 0;
    auto from = request.before == 0 ? all.end() : all.lower_bound(request.before);
    while (from != all.begin()) {
        if (told++ == request.max_entries) {
            end.more = true;
            break;
        }
        channel.write_record((--from)->second.facts);
    }
    return workers::reply(end);
}

Answer Checkpoints::compare_with(ServiceChannel& channel, const ipc::CompareCheckpoint& request) {
    const Checkpoint* from = find(request.checkpoint);
    const Checkpoint* to = request.to == 0 ? nullptr : find(request.to);
    if (from == nullptr) return no_checkpoint(request.checkpoint);
    if (request.to != 0 && to == nullptr) return no_checkpoint(request.to);
    auto before = store_.listing(*from);
    if (!before) return workers::refusal(before.error());
    Listing after;
    if (to != nullptr) {
        auto listing = store_.listing(*to);
        if (!listing) return workers::refusal(listing.error());
        after = std::move(*listing);
    } else {
        const SavedListing* saved = store_.saved(from->facts.ignored);
        auto walked = walk({.segment = segment_.get(),
                            .ignored = from->facts.ignored,
                            .file_bytes = request.file_bytes,
                            .known = saved == nullptr ? nullptr : &saved->listing,
                            .also = &*before});
        if (!walked) return workers::refusal(walked.error());
        after = std::move(walked->listing);
    }
    const auto paths = plain_paths(request.paths);
    const auto facts_of = [&](const Entry* entry, bool stored) {
        ipc::TreeFacts facts;
        if (entry == nullptr) return facts;
        facts = {kind_of(entry->kind), entry->stat.size, entry->mode};
        if (!stored || entry->kind == Kind::kFolder) return facts;
        if (const auto size = store_.size_of(*entry)) facts.size = *size;
        return facts;
    };
    ipc::ListEnd end;
    std::uint64_t told = 0;
    compare(*before, after, [&](Change change, const std::string& path, const Entry* was, const Entry* is) {
        if (end.more || !is_selected(paths, path)) return;
        if (!request.after.empty() && !comes_before(request.after, path)) return;
        if (told == request.max_entries) {
            end.more = true;
            return;
        }
        ++told;
        channel.write_record(ipc::CheckpointChange{static_cast<ipc::ChangeKind>(change), path, facts_of(was, true),
                                                   facts_of(is, to != nullptr)});
    });
    return workers::reply(end);
}

Result<Checkpoints::Side> Checkpoints::side(const Checkpoint* checkpoint, const std::string& path,
                                            std::uint64_t most) const {
    Side side;
    if (checkpoint == nullptr) {
        auto place = workers::place_of_name(segment_.get(), path);
        if (!place && (place.error().code == ENOENT || place.error().code == ENOTDIR)) return side;
        if (!place) return std::move(place.error());
        struct stat about {};
        if (::fstatat(place->folder.get(), place->name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) return side;
            return errno_error("stat '" + path + "'");
        }
        side.facts = {ipc::FileKind::kOther, static_cast<std::uint64_t>(about.st_size), about.st_mode & 0777};
        if (S_ISDIR(about.st_mode)) {
            side.facts.kind = ipc::FileKind::kFolder;
        } else if (S_ISLNK(about.st_mode)) {
            side.facts.kind = ipc::FileKind::kSymlink;
            char target[PATH_MAX];
            const ssize_t length = ::readlinkat(place->folder.get(), place->name.c_str(), target, sizeof target);
            if (length < 0) return errno_error("readlink '" + path + "'");
            side.content.assign(target, static_cast<std::size_t>(length));
        } else if (S_ISREG(about.st_mode)) {
            side.facts.kind = ipc::FileKind::kFile;
            auto content = read_content(place->folder.get(), place->name, most);
            if (content.state == FileContent::State::kTooLarge) return Error{EFBIG, "'" + path + "'"};
            if (content.state != FileContent::State::kRead) return Error{EACCES, "'" + path + "'"};
            side.content = std::move(content.bytes);
        }
        return side;
    }
    // Down from the top, a tree for each folder.
    ObjectId id = checkpoint->files;
    Kind kind = Kind::kFolder;
    bool executable = false;
    for (std::string_view rest = path; !rest.empty();) {
        const auto name = rest.substr(0, rest.find('/'));
        rest.remove_prefix(std::min(rest.size(), name.size() + 1));
        if (kind != Kind::kFolder) return side;
        TRY_ASSIGN(const auto object, store_.read(id, ObjectType::kTree, kAnyTree));
        TRY_ASSIGN(const auto names, parse_tree(object.content));
        const auto found = std::ranges::lower_bound(names, name, {}, &TreeName::name);
        if (found == names.end() || found->name != name) return side;
        id = found->id;
        kind = found->kind;
        executable = found->executable;
    }
    side.facts.kind = kind_of(kind);
    side.facts.mode = executable || kind == Kind::kFolder ? 0755 : 0644;
    if (kind == Kind::kFolder) return side;
    TRY_ASSIGN(auto object, store_.read(id, ObjectType::kBlob, most));
    side.facts.size = object.content.size();
    side.content = std::move(object.content);
    return side;
}

Answer Checkpoints::read(ServiceChannel& channel, const ipc::ReadCheckpoint& request) {
    const Checkpoint* checkpoint = find(request.checkpoint);
    if (checkpoint == nullptr) return no_checkpoint(request.checkpoint);
    const auto found = side(checkpoint, plain_path(request.path), kAnyFile);
    if (!found) return workers::refusal(found.error());
    if (found->facts.kind == ipc::FileKind::kOther)
        return Refusal{Failure::kNotFound,
                       "'" + request.path + "' is not in checkpoint " + std::to_string(request.checkpoint)};
    if (found->facts.kind == ipc::FileKind::kFolder)
        return Refusal{Failure::kIsFolder, "'" + request.path + "' is a folder"};
    const std::string_view content = found->content;
    channel.write(content.substr(std::min<std::uint64_t>(request.offset, content.size()), request.max_bytes));
    return workers::reply(ipc::CheckpointFile{found->facts});
}

Answer Checkpoints::diff(ServiceChannel& channel, const ipc::DiffCheckpoint& request) {
    const Checkpoint* from = find(request.checkpoint);
    const Checkpoint* to = request.to == 0 ? nullptr : find(request.to);
    if (from == nullptr) return no_checkpoint(request.checkpoint);
    if (request.to != 0 && to == nullptr) return no_checkpoint(request.to);
    const std::string path = plain_path(request.path);
    const auto before = side(from, path, request.max_bytes);
    if (!before) return workers::refusal(before.error());
    const auto after = side(to, path, request.max_bytes);
    if (!after) return workers::refusal(after.error());
    const auto is_text = [](const Side& side) {
        return side.facts.kind == ipc::FileKind::kFile || side.facts.kind == ipc::FileKind::kSymlink;
    };
    const bool was = is_text(*before), is = is_text(*after);
    if (!was && !is) return Refusal{Failure::kNotFound, "'" + request.path + "' is a file in neither of them"};
    ipc::CheckpointDiff end{before->facts, after->facts};
    end.binary = before->content.find('\0') != std::string::npos || after->content.find('\0') != std::string::npos;
    if (!end.binary) channel.write(workers::unified_diff(before->content, after->content, path, !was, !is));
    return workers::reply(end);
}

// --- changing

Answer Checkpoints::restore_to(ServiceChannel& channel, const ipc::RestoreCheckpoint& request) {
    const Checkpoint* checkpoint = find(request.checkpoint);
    if (checkpoint == nullptr) return no_checkpoint(request.checkpoint);
    const auto wanted = store_.listing(*checkpoint);
    if (!wanted) return workers::refusal(wanted.error());
    const ipc::MakeCheckpoint before{.reason = ipc::CheckpointReason::kRestore,
                                     .ignored = checkpoint->facts.ignored,
                                     .always = false,
                                     .label = "before the restore of checkpoint " + std::to_string(request.checkpoint),
                                     .limits = request.limits};
    const auto now = record(before, &*wanted);
    if (!now) return workers::refusal(now.error());
    const auto paths = plain_paths(request.paths);
    for (const auto& path : paths)
        if (!has_path(*wanted, path) && !has_path(now->listing, path))
            return Refusal{Failure::kNotFound, "'" + path + "' is neither in checkpoint " +
                                                   std::to_string(request.checkpoint) + " nor in the segment"};
    auto restored = restore({.segment = segment_.get(),
                             .store = store_,
                             .now = now->listing,
                             .wanted = *wanted,
                             .paths = paths,
                             .tell = [&](const ipc::NotRestored& one) { channel.write_record(one); }});
    if (!restored) return workers::refusal(restored.error());
    restored->undo = now->told.facts.number;
    return workers::reply(*restored);
}

Answer Checkpoints::remove(ServiceChannel&, const ipc::DeleteCheckpoint& request) {
    if (find(request.checkpoint) == nullptr) return no_checkpoint(request.checkpoint);
    if (const auto removed = store_.remove(request.checkpoint); !removed) return workers::refusal(removed.error());
    return Ok{};
}

}  // namespace toren::checkpoints
