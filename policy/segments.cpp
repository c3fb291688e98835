#include "policy/segments.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "policy/canonical.h"
#include "policy/forbidden_places.h"

namespace toren {
namespace {

struct Candidate {
    Segment::Source source;
    std::string label;  // how messages name it: "segments.paths '~/work'"
    Canonical place;
};

std::string leaf_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }
std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

bool is_folder(const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::string glob_escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (std::string_view("*?[]\\").find(c) != std::string_view::npos) out += '\\';
        out += c;
    }
    return out;
}

class Finder {
public:
    Finder(const Config& config, std::string home, std::string home_canonical, std::string state)
        : config_(config),
          home_(std::move(home)),
          home_canonical_(std::move(home_canonical)),
          state_(std::move(state)) {}

    Result<> find_all(const std::vector<std::string>& created) {
        TRY(find_globs());
        TRY(find_listed("segments.paths", config_.segments.paths, Segment::kPath, segments_));
        TRY(find_listed("segments.roots", config_.segments.roots, Segment::kRoot, roots_));
        find_created(created);
        if (config_.approved_directories)
            TRY(find_listed("approved_directories", *config_.approved_directories, Segment::kApproved, approved_));
        return Ok{};
    }

    SegmentSet settle() {
        leave_out_movable_links();
        if (config_.approved_directories) leave_out_unapproved();
        for (const auto& root : roots_)
            if (std::ranges::find(set_.roots, root.place.path) == set_.roots.end())
                set_.roots.push_back(root.place.path);
        std::set<std::string> taken;
        append(segments_, taken);
        append(approved_, taken);
        give_names();
        warn_of_overlaps();
        return std::move(set_);
    }

private:
    void warn(std::string text) { set_.warnings.push_back(std::move(text)); }

    // Why nobody may work in `path`, which is canonical; "" where nothing speaks against it.
    std::string refusal(const std::string& path) const {
        return refusal_of_place(path, {home_canonical_, state_}, Use::kWrite);
    }

    static std::string refused_text(const Candidate& candidate, const std::string& why) {
        const std::string& path = candidate.place.path;
        const bool direct = candidate.label.ends_with('\'' + path + '\'');
        return candidate.label + (direct ? "" : " leads to '" + path + '\'') + ": refused: it " + why;
    }

    Result<> find_globs() {
        for (const auto& pattern : config_.segments.globs) {
            const std::string label = "segments.globs '" + pattern + '\'';
            auto expanded = expand_path(pattern, glob_escaped(config_.base_dir), glob_escaped(home_));
            if (!expanded) return error("segments.globs: " + expanded.error().text());
            if (pattern.find("**") != pattern.npos) warn(label + ": '**' matches one level only, as '*' does");
            std::size_t found = 0;
            for (const auto& match : matches_of(*expanded)) found += add_match(match, label) ? 1 : 0;
            if (found == 0) warn(label + ": matches no folder that can be a segment");
        }
        return Ok{};
    }

    static std::vector<std::string> matches_of(const std::string& pattern) {
        glob_t matches{};
        std::vector<std::string> out;
        if (::glob(pattern.c_str(), 0, nullptr, &matches) == 0)
            out.assign(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
        ::globfree(&matches);
        return out;
    }

    bool add_match(std::string match, const std::string& label) {
        while (match.size() > 1 && match.ends_with('/')) match.pop_back();
        auto place = canonicalize(match);
        if (!place || !is_folder(place->path)) return false;
        if (leaf_of(match).starts_with('.') || leaf_of(place->path).starts_with('.')) return false;
        Candidate candidate{Segment::kGlob, label + " match '" + match + '\'', std::move(*place)};
        if (const auto why = refusal(candidate.place.path); !why.empty()) {
            warn(refused_text(candidate, why) + "; left out");
            return false;
        }
        segments_.push_back(std::move(candidate));
        return true;
    }

    // Folders that the operator named one by one: a missing one is a warning, a refused one stops the start.
    Result<> find_listed(const std::string& key, const std::vector<std::string>& list, Segment::Source source,
                         std::vector<Candidate>& target) {
        for (const auto& written : list) {
            const std::string label = key + " '" + written + '\'';
            auto expanded = expand_path(written, config_.base_dir, home_);
            if (!expanded) return error(key + ": " + expanded.error().text());
            auto place = canonicalize(*expanded);
            if (!place) {
                warn(label + ": " + std::strerror(place.error().code) + "; left out");
                continue;
            }
            Candidate candidate{source, label, std::move(*place)};
            if (const auto why = refusal(candidate.place.path); !why.empty())
                return error(refused_text(candidate, why));
            if (is_folder(candidate.place.path)) target.push_back(std::move(candidate));
            else warn(label + ": not a folder; left out");
        }
        return Ok{};
    }

    void find_created(const std::vector<std::string>& created) {
        for (const auto& path : created) {
            // What was created is a plain folder in a root. Anything else at its place was put there since.
            auto place = canonicalize(path);
            if (!place || !place->links.empty() || place->path != path || !is_folder(path)) continue;
            const bool in_root =
                std::ranges::any_of(roots_, [&](const Candidate& root) { return root.place.path == parent_of(path); });
            Candidate candidate{Segment::kRoot, "created segment '" + path + '\'', std::move(*place)};
            if (!in_root) continue;
            if (const auto why = refusal(path); !why.empty()) warn(refused_text(candidate, why) + "; left out");
            else segments_.push_back(std::move(candidate));
        }
    }

    // A link that stands in a segment can be pointed at ~/.ssh by what runs there, and the next start would serve it.
    void leave_out_movable_links() {
        std::vector<std::string> writable;
        for (const auto* list : {&segments_, &approved_})
            for (const auto& candidate : *list) writable.push_back(candidate.place.path);
        const auto movable_link = [&](const Candidate& candidate) -> std::string {
            for (const auto& link : candidate.place.links)
                for (const auto& folder : writable)
                    if (is_within(link, folder)) return link;
            return {};
        };
        for (auto* list : {&segments_, &approved_, &roots_})
            std::erase_if(*list, [&](const Candidate& candidate) {
                const std::string link = movable_link(candidate);
                if (!link.empty())
                    warn(candidate.label + ": left out: what runs in a segment can move the symbolic link '" + link +
                         "'; name '" + candidate.place.path + "' itself");
                return !link.empty();
            });
    }

    void leave_out_unapproved() {
        std::erase_if(segments_, [&](const Candidate& segment) {
            const bool approved = std::ranges::any_of(
                approved_, [&](const Candidate& folder) { return is_within(segment.place.path, folder.place.path); });
            if (!approved)
                warn("segment '" + segment.place.path + "': left out: it lies beneath no approved directory");
            return !approved;
        });
    }

    // Duplicates go, the first wins; then in the order of their paths.
    void append(const std::vector<Candidate>& list, std::set<std::string>& taken) {
        const auto start = static_cast<std::ptrdiff_t>(set_.segments.size());
        for (const auto& candidate : list)
            if (taken.insert(candidate.place.path).second)
                set_.segments.push_back({leaf_of(candidate.place.path), candidate.place.path, candidate.source});
        std::sort(set_.segments.begin() + start, set_.segments.end(),
                  [](const Segment& a, const Segment& b) { return a.path < b.path; });
    }

    // A folder that is really called "app-2" keeps its name, so no number collides with one.
    void give_names() {
        std::set<std::string> reserved, used;
        for (const auto& segment : set_.segments) reserved.insert(segment.name);
        for (auto& segment : set_.segments) {
            if (used.insert(segment.name).second) continue;
            std::string name;
            for (std::size_t n = 2; name.empty() || reserved.contains(name); ++n)
                name = segment.name + '-' + std::to_string(n);
            if (segment.source != Segment::kApproved)
                warn("segment '" + segment.path + "': named '" + name + "', since '" + segment.name + "' is taken");
            segment.name = name;
            reserved.insert(name);
            used.insert(name);
        }
    }

    void warn_of_overlaps() {
        std::string last;  // of nested segments, only the outermost pair is worth a line
        for (const auto& inner : set_.segments)
            for (const auto& outer : set_.segments)
                if (inner.source != Segment::kApproved && outer.source != Segment::kApproved && &inner != &outer &&
                    is_within(inner.path, outer.path) && last != inner.path) {
                    warn("segment '" + inner.path + "' lies in segment '" + outer.path +
                         "': what runs there can change it");
                    last = inner.path;
                }
        if (config_.file.empty()) return;
        const auto file = canonicalize(config_.base_dir + '/' + leaf_of(config_.file));
        if (!file) return;
        std::vector<std::string> ways = file->links;
        ways.push_back(file->path);
        for (const auto& way : ways)
            if (const auto inside = locate(set_, way)) {
                warn("the configuration '" + way + "' lies in segment '" + inside->segment->path +
                     "': a command there that can write it decides what the next start permits");
                break;
            }
    }

    const Config& config_;
    const std::string home_, home_canonical_, state_;
    std::vector<Candidate> segments_, roots_, approved_;
    SegmentSet set_;
};

}  // namespace

Result<SegmentSet> discover_segments(const Config& config, const std::vector<std::string>& created,
                                     const std::string& state_dir, const std::string& home) {
    // Without these two, what must be refused is not known.
    auto home_canonical = canonicalize_existing_part(home);
    if (!home_canonical) return Error{home_canonical.error().code, "home folder " + home_canonical.error().what};
    auto state = canonicalize_existing_part(state_dir);
    if (!state) return Error{state.error().code, "state folder " + state.error().what};
    Finder finder(config, home, std::move(*home_canonical), std::move(*state));
    TRY(finder.find_all(created));
    return finder.settle();
}

}  // namespace toren
