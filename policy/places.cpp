#include "policy/places.h"

#include "policy/segment_names.h"

namespace toren {
namespace {

enum class Beneath : std::uint8_t { kNothing, kWriting, kShowing };  // what is refused in it

struct Forbidden {
    const char* path;
    Beneath beneath;
    const char* why;
};

// Where /bin and /lib are links into /usr, the canonical path falls under /usr.
constexpr Forbidden kForbidden[] = {
    {"/bin", Beneath::kWriting, "holds the system's programs"},
    {"/boot", Beneath::kWriting, "holds what starts the system"},
    {"/dev", Beneath::kShowing, "holds devices"},
    {"/etc", Beneath::kWriting, "holds the system's configuration"},
    {"/home", Beneath::kNothing, "holds every user's home folder"},
    {"/lib", Beneath::kWriting, "holds the system's libraries"},
    {"/lib32", Beneath::kWriting, "holds the system's libraries"},
    {"/lib64", Beneath::kWriting, "holds the system's libraries"},
    {"/libx32", Beneath::kWriting, "holds the system's libraries"},
    {"/proc", Beneath::kShowing, "shows the host's processes"},
    {"/root", Beneath::kNothing, "is a home folder"},
    {"/run", Beneath::kShowing, "holds the sockets of the host's services"},
    {"/sbin", Beneath::kWriting, "holds the system's programs"},
    {"/sys", Beneath::kShowing, "controls the kernel"},
    {"/tmp", Beneath::kNothing, "holds the sockets and files of every program"},
    {"/usr", Beneath::kWriting, "holds the system's programs"},
    {"/var", Beneath::kNothing, "holds the state of the host's services"},
    {"/var/tmp", Beneath::kNothing, "holds the files of every program"},
};

std::string refusal(const std::string& path, const OwnPlaces& own, Beneath least) {
    if (path == "/") return "is the whole file system";
    if (is_within(own.home, path)) return path == own.home ? "is the home folder" : "holds the home folder";
    if (is_within(own.state, path)) return path == own.state ? "is Toren's state folder" : "holds Toren's state folder";
    if (is_within(path, own.state)) return "lies in Toren's state folder";
    for (const Forbidden& row : kForbidden)
        if (path == row.path || (row.beneath >= least && is_within(path, row.path)))
            return path == row.path ? row.why : std::string("lies in ") + row.path + ", which " + row.why;
    if (!is_printable_utf8(path)) return "has a name that is not printable UTF-8";
    return {};
}

}  // namespace

std::string refusal_to_write(const std::string& path, const OwnPlaces& own) {
    return refusal(path, own, Beneath::kWriting);
}

std::string refusal_to_show(const std::string& path, const OwnPlaces& own) {
    return refusal(path, own, Beneath::kShowing);
}

}  // namespace toren
