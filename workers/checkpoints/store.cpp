#include "workers/checkpoints/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>

#include "base/log.h"
#include "workers/tree/beneath.h"
#include "workers/tree/folder_reader.h"
#include "workers/tree/write_all.h"

namespace toren::checkpoints {
namespace {

constexpr std::uint64_t kLargestTree = std::uint64_t{256} << 20;
constexpr std::uint64_t kLargestSaved = std::uint64_t{4} << 30;
constexpr std::uint64_t kLargestCommit = 64 * 1024;
// git reads it like any repository's: for whoever looks into it, and for `git fsck`.
constexpr std::string_view kConfig =
    "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tobjectformat = sha256\n";
constexpr std::string_view kHead = "ref: refs/heads/none\n";
constexpr const char* kSavedNames[] = {"listing", "listing-ignored"};
constexpr const char* kReasons[] = {"request", "turn", "restore"};

Result<UniqueFd> make_folder(int above, const std::string& path) {
    for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
        const std::string part = path.substr(0, end);
        if (::mkdirat(above, part.c_str(), 0700) != 0 && errno != EEXIST)
            return errno_error("mkdir the store's '" + part + "'");
        if (end == std::string::npos) break;
    }
    return workers::open_without_links(above, path, O_RDONLY | O_DIRECTORY);
}

Error broken(const std::string& what) { return Error{EBADMSG, "the store's " + what}; }

std::optional<std::uint64_t> number_of(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failed != std::errc() || end != text.data() + text.size() || number == 0) return std::nullopt;
    return number;
}

// --- commits

// The lines of a commit's message that say what it is; each is one number, or several.
struct FactRow {
    const char* name;
    std::uint64_t ipc::CheckpointFacts::*value;
};
constexpr FactRow kFacts[] = {
    {"number ", &ipc::CheckpointFacts::number},         {"files ", &ipc::CheckpointFacts::files},
    {"bytes ", &ipc::CheckpointFacts::bytes},           {"unreadable ", &ipc::CheckpointFacts::unreadable},
    {"too-large ", &ipc::CheckpointFacts::too_large},   {"special ", &ipc::CheckpointFacts::special},
    {"long-paths ", &ipc::CheckpointFacts::long_paths}, {"unsettled ", &ipc::CheckpointFacts::unsettled}};

std::string commit_content(const ipc::CheckpointFacts& facts, const ObjectId& tree) {
    const std::string person =
        " Toren <toren@localhost> " + std::to_string(facts.created_ns / 1'000'000'000) + " +0000\n";
    std::string text = "tree " + tree.hex() + "\nauthor" + person + "committer" + person + "\nCheckpoint " +
                       std::to_string(facts.number) + "\n\n";
    for (const auto& [name, value] : kFacts) text += name + std::to_string(facts.*value) + '\n';
    text += "created-ns " + std::to_string(facts.created_ns) + "\nreason " + kReasons[static_cast<int>(facts.reason)] +
            "\nignored " + (facts.ignored ? "1" : "0") + "\n\n" + facts.label;
    return text;
}

// Takes `name`, a value and a newline off the text.
bool take_line(std::string_view& text, std::string_view name, std::string_view& value) {
    const auto end = text.find('\n');
    if (end == text.npos || !text.starts_with(name)) return false;
    value = text.substr(name.size(), end - name.size());
    text.remove_prefix(end + 1);
    return true;
}

template <typename T>
bool take_number(std::string_view& text, std::string_view name, T& number) {
    std::string_view value;
    if (!take_line(text, name, value)) return false;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), number);
    return failed == std::errc() && end == value.data() + value.size();
}

bool parse_commit(std::string_view text, ipc::CheckpointFacts& facts, ObjectId& tree) {
    std::string_view value;
    if (!take_line(text, "tree ", value)) return false;
    const auto id = ObjectId::from_hex(value);
    if (!id) return false;
    tree = *id;
    for (const char* line : {"author ", "committer ", "", "Checkpoint ", ""})
        if (!take_line(text, line, value)) return false;
    for (const auto& [name, field] : kFacts)
        if (!take_number(text, name, facts.*field)) return false;
    if (!take_number(text, "created-ns ", facts.created_ns) || !take_line(text, "reason ", value)) return false;
    const auto* reason = std::ranges::find(kReasons, value, [](const char* name) { return std::string_view(name); });
    if (reason == std::end(kReasons)) return false;
    facts.reason = static_cast<ipc::CheckpointReason>(reason - std::begin(kReasons));
    int ignored = 0;
    if (!take_number(text, "ignored ", ignored) || !take_line(text, "", value)) return false;
    facts.ignored = ignored != 0;
    facts.label = text;
    return true;
}

}  // namespace

// --- objects in the making

Additions::Additions(Store& store, std::uint64_t most) : store_(store), most_(most) {}

Result<> Additions::roll() {
    if (!writer_ || writer_->empty()) return Ok{};
    const std::uint64_t bytes = writer_->bytes();
    TRY_ASSIGN(const auto name, writer_->finish());
    writer_.reset();
    written_ += bytes;
    return store_.add_pack(name);
}

Result<> Additions::keep(ObjectType type, const ObjectId& id, std::string_view content) {
    if (store_.has(id)) return Ok{};
    if (writer_ && writer_->bytes() > store_.pack_bytes_) TRY(roll());
    if (!writer_) writer_.emplace(store_.packs_folder_.get(), most_ - std::min(most_, written_));
    return writer_->add(type, id, content);
}

Result<ObjectId> Additions::put(ObjectType type, std::string_view content) {
    const ObjectId id = id_of(type, content);
    TRY(keep(type, id, content));
    return id;
}

Result<> Additions::finish() { return roll(); }

// --- opening

Result<Store> Store::open(UniqueFd folder, std::uint64_t pack_bytes) {
    Store store;
    store.folder_ = std::move(folder);
    store.pack_bytes_ = pack_bytes;
    const int at = store.folder_.get();
    TRY_ASSIGN(store.lock_, workers::open_beneath(at, "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    while (::fcntl(store.lock_.get(), F_OFD_SETLKW, &whole) != 0)
        if (errno != EINTR) return errno_error("lock the store");
    TRY_ASSIGN(store.packs_folder_, make_folder(at, "objects/pack"));
    TRY_ASSIGN(store.refs_folder_, make_folder(at, "refs/checkpoints"));
    for (const auto& [name, content] : {std::pair{"config", kConfig}, {"HEAD", kHead}})
        if (const auto there = read_whole(at, name, 4096); !there || *there != content)
            TRY(store.put_file(at, name, content, true));
    TRY(store.load_packs());
    TRY(store.load_refs());
    return store;
}

Result<> Store::load_packs() {
    TRY_ASSIGN(const auto names, workers::SortedNames::read(packs_folder_.get()));
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string name(names.name(i));
        if (name.ends_with(".pack") && name.starts_with("pack-")) {
            const auto added = add_pack(name);
            if (added) continue;
            // One that a process was ended before it had its index, or that is no longer what it was.
            if (added.error().code != ENOENT) log_error("checkpoints: " + added.error().text());
            if (added.error().code != ENOENT) continue;
        } else if (!name.starts_with(kTemporaryPrefix)) {
            continue;
        }
        ::unlinkat(packs_folder_.get(), name.c_str(), 0);
    }
    return Ok{};
}

Result<> Store::add_pack(const std::string& name) {
    for (const Pack& pack : packs_)
        if (pack.name() == name) return Ok{};
    TRY_ASSIGN(auto pack, Pack::open(packs_folder_.get(), name));
    packs_.push_back(std::move(pack));
    return Ok{};
}

Result<Checkpoint> Store::load(const ObjectId& commit) const {
    Checkpoint checkpoint;
    checkpoint.commit = commit;
    TRY_ASSIGN(const auto object, read(commit, ObjectType::kCommit, kLargestCommit));
    if (!parse_commit(object.content, checkpoint.facts, checkpoint.tree)) return broken("commit " + commit.hex());
    TRY_ASSIGN(const auto roots, read(checkpoint.tree, ObjectType::kTree, kLargestTree));
    TRY_ASSIGN(const auto names, parse_tree(roots.content));
    bool has_files = false;
    for (const auto& one : names) {
        if (one.name == "files" && one.kind == Kind::kFolder) checkpoint.files = one.id, has_files = true;
        if (one.name == "modes" && one.kind == Kind::kFile) checkpoint.modes = one.id;
    }
    if (!has_files || !has(checkpoint.files)) return broken("commit " + commit.hex());
    return checkpoint;
}

Result<> Store::load_refs() {
    if (const auto next = read_whole(folder_.get(), "next", 64); next) least_next_ = number_of(*next).value_or(1);
    TRY_ASSIGN(const auto names, workers::SortedNames::read(refs_folder_.get()));
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string name(names.name(i));
        const auto number = number_of(name);
        if (number) least_next_ = std::max(least_next_, *number + 1);
        const auto loaded = [&]() -> Result<Checkpoint> {
            TRY_ASSIGN(const auto text, read_whole(refs_folder_.get(), name, 128));
            const auto id = ObjectId::from_hex(std::string_view(text).substr(0, text.find('\n')));
            if (!number || !id) return broken("ref '" + name + "'");
            TRY_ASSIGN(auto checkpoint, load(*id));
            if (checkpoint.facts.number != *number) return broken("ref '" + name + "'");
            return checkpoint;
        }();
        if (loaded) {
            checkpoints_.emplace(*number, *loaded);
            continue;
        }
        if (!name.starts_with(kTemporaryPrefix)) log_error("checkpoints: " + loaded.error().text());
        ::unlinkat(refs_folder_.get(), name.c_str(), 0);
    }
    return Ok{};
}

// Whole or not at all.
Result<> Store::put_file(int folder, const std::string& name, std::string_view bytes, bool sync) const {
    TRY_ASSIGN(const auto made, make_temporary(folder));
    const auto put = [&]() -> Result<> {
        TRY(workers::write_all(made.file.get(), bytes));
        if (sync && ::fsync(made.file.get()) != 0) return errno_error("fsync the store's '" + name + "'");
        if (::renameat(folder, made.name.c_str(), folder, name.c_str()) != 0)
            return errno_error("rename the store's '" + name + "'");
        return sync ? sync_names(folder) : Result<>(Ok{});
    }();
    if (!put) ::unlinkat(folder, made.name.c_str(), 0);
    return put;
}

// --- reading

Store::Found Store::find(const ObjectId& id) const {
    for (const Pack& pack : packs_)
        if (const PackedEntry* entry = pack.find(id)) return {&pack, entry};
    return {};
}

Result<Object> Store::read(const ObjectId& id, ObjectType type, std::uint64_t most) const {
    const Found found = find(id);
    if (found.pack == nullptr) return broken("object " + id.hex() + " is missing");
    TRY_ASSIGN(auto object, found.pack->read(*found.entry, most));
    if (object.type != type) return broken("object " + id.hex());
    return object;
}

Result<std::uint64_t> Store::size_of(const Entry& entry) const {
    const Found found = find(entry.id);
    if (found.pack == nullptr) return broken("object " + entry.id.hex() + " is missing");
    return found.pack->size(*found.entry);
}

Result<Listing> Store::listing(const Checkpoint& checkpoint) const {
    Listing listing;
    const auto fill = [&](const auto& self, const ObjectId& id, std::string name, std::size_t path) -> Result<> {
        const std::size_t place = listing.entries.size();
        listing.entries.push_back({.name = std::move(name), .kind = Kind::kFolder, .mode = 0755, .id = id});
        if (path > 2 * 4096) return broken("tree is too deep");
        TRY_ASSIGN(const auto object, read(id, ObjectType::kTree, kLargestTree));
        TRY_ASSIGN(const auto names, parse_tree(object.content));
        for (const auto& one : names) {
            if (one.kind == Kind::kFolder) {
                TRY(self(self, one.id, std::string(one.name), path + one.name.size() + 1));
                continue;
            }
            const auto end = static_cast<std::uint32_t>(listing.entries.size() + 1);
            const std::uint16_t mode = one.kind == Kind::kLink ? 0777 : one.executable ? 0755 : 0644;
            listing.entries.push_back({std::string(one.name), one.kind, mode, end, one.id});
        }
        listing.entries[place].end = static_cast<std::uint32_t>(listing.entries.size());
        return Ok{};
    };
    TRY(fill(fill, checkpoint.files, "", 0));
    if (!checkpoint.modes) return listing;
    TRY_ASSIGN(const auto modes, read(*checkpoint.modes, ObjectType::kBlob, kLargestTree));
    TRY(apply_modes(modes.content, listing));
    return listing;
}

// --- making

Result<Store::Roots> Store::put_roots(const Listing& listing, Additions& additions) const {
    Roots roots;
    roots.files = listing.entries.front().id;
    std::vector<TreeName> names = {{"files", Kind::kFolder, false, roots.files}};
    if (const std::string modes = modes_content(listing); !modes.empty()) {
        TRY_ASSIGN(roots.modes, additions.put(ObjectType::kBlob, modes));
        names.push_back({"modes", Kind::kFile, false, *roots.modes});
    }
    TRY_ASSIGN(roots.tree, additions.put(ObjectType::kTree, tree_content(std::move(names))));
    return roots;
}

std::uint64_t Store::next_number() const {
    return std::max(least_next_, checkpoints_.empty() ? 1 : checkpoints_.rbegin()->first + 1);
}

Result<const Checkpoint*> Store::commit(ipc::CheckpointFacts facts, const Roots& roots, Additions& additions) {
    facts.number = next_number();
    Checkpoint checkpoint{std::move(facts), {}, roots.tree, roots.files, roots.modes};
    TRY_ASSIGN(checkpoint.commit,
               additions.put(ObjectType::kCommit, commit_content(checkpoint.facts, checkpoint.tree)));
    TRY(additions.finish());
    const std::uint64_t number = checkpoint.facts.number;
    TRY(put_file(refs_folder_.get(), std::to_string(number), checkpoint.commit.hex() + "\n", true));
    return &checkpoints_.insert_or_assign(number, std::move(checkpoint)).first->second;
}

Result<> Store::remove(std::uint64_t number) {
    // Its number is given to no other one.
    if (!checkpoints_.empty() && number == checkpoints_.rbegin()->first)
        TRY(put_file(folder_.get(), "next", std::to_string(next_number()), true));
    least_next_ = std::max(least_next_, number + 1);
    if (::unlinkat(refs_folder_.get(), std::to_string(number).c_str(), 0) != 0 && errno != ENOENT)
        return errno_error("delete a checkpoint");
    checkpoints_.erase(number);
    ++dropped_;
    return sync_names(refs_folder_.get());
}

// --- the stat cache

const SavedListing* Store::saved(bool ignored) {
    auto& saved = saved_[ignored ? 1 : 0];
    if (!saved) {
        const auto bytes = read_whole(folder_.get(), kSavedNames[ignored ? 1 : 0], kLargestSaved);
        saved = bytes ? parse_saved(*bytes) : SavedListing{};
    }
    // Its objects may have gone with its checkpoint.
    const auto checkpoint = checkpoints_.find(saved->checkpoint);
    const Entry* root = saved->listing.root();
    if (checkpoint == checkpoints_.end() || root == nullptr || root->id != checkpoint->second.files) return nullptr;
    return &*saved;
}

void Store::save(bool ignored, SavedListing saved) {
    if (const auto put = put_file(folder_.get(), kSavedNames[ignored ? 1 : 0], saved_bytes(saved), false); !put)
        log_error("checkpoints: " + put.error().text());  // the next one reads every file
    saved_[ignored ? 1 : 0] = std::move(saved);
}

}  // namespace toren::checkpoints
