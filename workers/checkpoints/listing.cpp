#include "workers/checkpoints/listing.h"

#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>

namespace toren::checkpoints {
namespace {

constexpr std::string_view kSavedMagic = "toren-listing-1\n";

bool executable(const Entry& entry) { return (entry.mode & 0100) != 0; }

std::uint16_t usual_mode(const Entry& entry) { return entry.kind == Kind::kFolder || executable(entry) ? 0755 : 0644; }

// As it lies on disk: read and written by one machine.
struct SavedEntry {
    Stat stat;
    std::array<unsigned char, kIdBytes> id;
    std::uint32_t end;
    std::uint16_t mode, name_bytes;
    std::uint8_t kind, settled;
};

}  // namespace

std::uint64_t Listing::files() const {
    return static_cast<std::uint64_t>(
        std::ranges::count_if(entries, [](const Entry& entry) { return entry.kind != Kind::kFolder; }));
}

Children::Children(const Listing* listing, std::size_t folder) : listing_(listing) {
    if (listing->entries[folder].kind != Kind::kFolder) return;
    at_ = folder + 1;
    end_ = listing->entries[folder].end;
}

const Entry* Children::seek(std::string_view name) {
    while (const Entry* entry = peek()) {
        if (entry->name == name) return entry;
        if (entry->name > name) return nullptr;
        pass();
    }
    return nullptr;
}

// --- trees

std::string tree_content(std::vector<TreeName> names) {
    // Folders as if their names ended with '/'.
    std::ranges::sort(names, [](const TreeName& a, const TreeName& b) {
        const std::size_t shared = std::min(a.name.size(), b.name.size());
        if (const int order = a.name.substr(0, shared).compare(b.name.substr(0, shared)); order != 0) return order < 0;
        const auto next = [&](const TreeName& one) -> unsigned char {
            if (one.name.size() > shared) return static_cast<unsigned char>(one.name[shared]);
            return one.kind == Kind::kFolder ? '/' : 0;
        };
        return next(a) < next(b);
    });
    std::string content;
    for (const TreeName& one : names) {
        content += one.kind == Kind::kFolder ? "40000 "
                   : one.kind == Kind::kLink ? "120000 "
                   : one.executable          ? "100755 "
                                             : "100644 ";
        content += one.name;
        content += '\0';
        content += one.id.raw();
    }
    return content;
}

Result<std::vector<TreeName>> parse_tree(std::string_view content) {
    struct Row {
        std::string_view mode;
        Kind kind;
        bool executable;
    };
    static constexpr Row kRows[] = {{"40000", Kind::kFolder, false},
                                    {"100644", Kind::kFile, false},
                                    {"100755", Kind::kFile, true},
                                    {"120000", Kind::kLink, false}};
    const Error broken{EBADMSG, "a tree of the store"};
    std::vector<TreeName> names;
    while (!content.empty()) {
        const auto space = content.find(' '), zero = content.find('\0');
        if (space == content.npos || zero == content.npos || zero < space || content.size() - zero - 1 < kIdBytes)
            return broken;
        const auto* row = std::ranges::find(kRows, content.substr(0, space), &Row::mode);
        const auto name = content.substr(space + 1, zero - space - 1);
        if (row == std::end(kRows) || name.empty() || name == "." || name == ".." || name.find('/') != name.npos)
            return broken;
        names.push_back({name, row->kind, row->executable, ObjectId::from_raw(content.substr(zero + 1, kIdBytes))});
        content.remove_prefix(zero + 1 + kIdBytes);
    }
    std::ranges::sort(names, {}, &TreeName::name);
    for (std::size_t i = 1; i < names.size(); ++i)
        if (names[i - 1].name == names[i].name) return broken;
    return names;
}

// --- modes

namespace {

// Every entry but the tree's own folder, with its path.
template <typename Take>
void each_path(const Listing& listing, Take take) {
    std::string path;
    std::vector<std::pair<std::size_t, std::size_t>> above;  // where a folder ends, and how long the path was before it
    for (std::size_t i = 1; i < listing.entries.size(); ++i) {
        while (!above.empty() && i >= above.back().first) {
            path.resize(above.back().second);
            above.pop_back();
        }
        const Entry& entry = listing.entries[i];
        const std::size_t length = path.size();
        path += entry.name;
        take(i, path);
        if (entry.kind == Kind::kFolder) {
            above.emplace_back(entry.end, length);
            path += '/';
        } else {
            path.resize(length);
        }
    }
}

}  // namespace

std::string modes_content(const Listing& listing) {
    std::string content;
    each_path(listing, [&](std::size_t i, const std::string& path) {
        const Entry& entry = listing.entries[i];
        if (entry.kind == Kind::kLink || entry.mode == usual_mode(entry)) return;
        char mode[8];
        std::snprintf(mode, sizeof mode, "%04o ", entry.mode & 07777U);
        content += mode;
        content += path;
        content += '\0';
    });
    return content;
}

Result<> apply_modes(std::string_view content, Listing& listing) {
    // Both are in the order of a listing.
    bool whole = true;
    each_path(listing, [&](std::size_t i, const std::string& path) {
        if (content.size() < 6 || content.compare(5, path.size(), path) != 0 || content.size() <= 5 + path.size() ||
            content[5 + path.size()] != '\0')
            return;
        unsigned mode = 0;
        const auto [end, failed] = std::from_chars(content.data(), content.data() + 4, mode, 8);
        whole = whole && failed == std::errc() && end == content.data() + 4 && mode <= 0777;
        listing.entries[i].mode = static_cast<std::uint16_t>(mode & 0777);
        content.remove_prefix(6 + path.size());
    });
    if (!whole || !content.empty()) return Error{EBADMSG, "the modes of a checkpoint"};
    return Ok{};
}

// --- comparing

namespace {

class Comparison {
public:
    Comparison(const Listing& before, const Listing& after, const ChangeSink& sink)
        : before_(before), after_(after), sink_(sink) {}

    void folder(const Entry* old_folder, const Entry* new_folder, std::string& path) {
        Children olds(&before_, old_folder), news(&after_, new_folder);
        while (olds.peek() != nullptr || news.peek() != nullptr) {
            const Entry *was = olds.peek(), *is = news.peek();
            if (was != nullptr && is != nullptr && was->name != is->name) (was->name < is->name ? is : was) = nullptr;
            const std::size_t length = path.size();
            path += was != nullptr ? was->name : is->name;
            name(was, is, path);
            path.resize(length);
            if (was != nullptr) olds.pass();
            if (is != nullptr) news.pass();
        }
    }

private:
    static bool is_folder(const Entry* entry) { return entry != nullptr && entry->kind == Kind::kFolder; }
    bool empty(const Listing& listing, const Entry& folder) const {
        return folder.end == static_cast<std::size_t>(&folder - listing.entries.data()) + 1;
    }

    void name(const Entry* was, const Entry* is, std::string& path) {
        if (was != nullptr && is != nullptr && was->kind != is->kind) {
            sink_(Change::kTypeChanged, path, was, is);
        } else if (was == nullptr) {
            if (!is_folder(is) || empty(after_, *is)) sink_(Change::kAdded, path, was, is);
        } else if (is == nullptr) {
            if (!is_folder(was) || empty(before_, *was)) sink_(Change::kDeleted, path, was, is);
        } else if (!is_folder(is) && was->id != is->id) {
            sink_(Change::kModified, path, was, is);
        } else if (is->kind != Kind::kLink && was->mode != is->mode) {
            sink_(Change::kModeChanged, path, was, is);
        }
        if (!is_folder(was) && !is_folder(is)) return;
        path += '/';
        folder(is_folder(was) ? was : nullptr, is_folder(is) ? is : nullptr, path);
    }

    const Listing &before_, &after_;
    const ChangeSink& sink_;
};

}  // namespace

void compare(const Listing& before, const Listing& after, const ChangeSink& sink) {
    std::string path;
    Comparison(before, after, sink).folder(before.root(), after.root(), path);
}

// --- on disk

std::string saved_bytes(const SavedListing& saved) {
    std::string bytes(kSavedMagic);
    const std::uint64_t head[] = {saved.checkpoint, saved.listing.entries.size()};
    bytes.append(reinterpret_cast<const char*>(head), sizeof head);
    bytes.reserve(bytes.size() + saved.listing.entries.size() * (sizeof(SavedEntry) + 16) + 4);
    for (const Entry& entry : saved.listing.entries) {
        SavedEntry one{};
        one.stat = entry.stat;
        one.id = entry.id.bytes;
        one.end = entry.end;
        one.mode = entry.mode;
        one.name_bytes = static_cast<std::uint16_t>(entry.name.size());
        one.kind = static_cast<std::uint8_t>(entry.kind);
        one.settled = entry.settled ? 1 : 0;
        bytes.append(reinterpret_cast<const char*>(&one), sizeof one);
        bytes += entry.name;
    }
    const auto sum =
        static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
    bytes.append(reinterpret_cast<const char*>(&sum), sizeof sum);
    return bytes;
}

SavedListing parse_saved(std::string_view bytes) {
    SavedListing saved;
    std::uint64_t head[2] = {};
    std::uint32_t sum = 0;
    if (!bytes.starts_with(kSavedMagic) || bytes.size() < kSavedMagic.size() + sizeof head + sizeof sum) return {};
    std::memcpy(&sum, bytes.data() + bytes.size() - sizeof sum, sizeof sum);
    bytes.remove_suffix(sizeof sum);
    if (::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()) != sum) return {};
    bytes.remove_prefix(kSavedMagic.size());
    std::memcpy(head, bytes.data(), sizeof head);
    bytes.remove_prefix(sizeof head);
    if (head[1] > bytes.size() / sizeof(SavedEntry)) return {};
    saved.checkpoint = head[0];
    saved.listing.entries.resize(head[1]);
    for (std::size_t i = 0; i < head[1]; ++i) {
        SavedEntry one{};
        if (bytes.size() < sizeof one) return {};
        std::memcpy(&one, bytes.data(), sizeof one);
        bytes.remove_prefix(sizeof one);
        if (bytes.size() < one.name_bytes || one.end <= i || one.end > head[1] || one.kind > 2) return {};
        saved.listing.entries[i] = {std::string(bytes.substr(0, one.name_bytes)),
                                    static_cast<Kind>(one.kind),
                                    one.mode,
                                    one.end,
                                    {one.id},
                                    one.stat,
                                    one.settled != 0};
        bytes.remove_prefix(one.name_bytes);
    }
    return saved;
}

}  // namespace toren::checkpoints
