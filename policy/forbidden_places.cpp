#include "policy/forbidden_places.h"

#include "policy/segment_names.h"

namespace toren {
namespace {

enum class Beneath : std::uint8_t { kAllowed, kReadable, kRefused };

struct Forbidden {
    const char* path;
    Beneath beneath;  // what of everything in it
    const char* why;
};

// Where /bin and /lib are links into /usr, the canonical path falls under /usr. A read-only mount keeps nobody from
// connecting to a socket, so /run is refused to readers as well.
constexpr Forbidden kForbidden[] = {
    {"/bin", Beneath::kReadable, "holds the system's programs"},
    {"/boot", Beneath::kReadable, "holds what starts the system"},
    {"/dev", Beneath::kRefused, "holds devices"},
    {"/etc", Beneath::kReadable, "holds the system's configuration"},
    {"/home", Beneath::kAllowed, "holds every user's home folder"},
    {"/lib", Beneath::kReadable, "holds the system's libraries"},
    {"/lib32", Beneath::kReadable, "holds the system's libraries"},
    {"/lib64", Beneath::kReadable, "holds the system's libraries"},
    {"/libx32", Beneath::kReadable, "holds the system's libraries"},
    {"/proc", Beneath::kRefused, "shows the host's processes"},
    {"/root", Beneath::kAllowed, "is a home folder"},
    {"/run", Beneath::kRefused, "holds the sockets of the host's services"},
    {"/sbin", Beneath::kReadable, "holds the system's programs"},
    {"/sys", Beneath::kRefused, "controls the kernel"},
    {"/tmp", Beneath::kAllowed, "holds the sockets and files of every program"},
    {"/usr", Beneath::kReadable, "holds the system's programs"},
    {"/var", Beneath::kAllowed, "holds the state of the host's services"},
    {"/var/tmp", Beneath::kAllowed, "holds the files of every program"},
};

bool refused_beneath(const Forbidden& row, Use use) {
    return row.beneath == Beneath::kRefused || (row.beneath == Beneath::kReadable && use == Use::kWrite);
}

}  // namespace

std::string refusal_of_place(const std::string& path, const OperatorsPlaces& places, Use use) {
    if (path == "/") return "is the whole file system";
    if (is_within(places.home, path)) return path == places.home ? "is the home folder" : "holds the home folder";
    if (is_within(places.state, path))
        return path == places.state ? "is Toren's state folder" : "holds Toren's state folder";
    if (is_within(path, places.state)) return "lies in Toren's state folder";
    for (const Forbidden& row : kForbidden)
        if (path == row.path || (refused_beneath(row, use) && is_within(path, row.path)))
            return path == row.path ? row.why : std::string("lies in ") + row.path + ", which " + row.why;
    if (!is_printable_utf8(path)) return "has a name that is not printable UTF-8";
    return {};
}

}  // namespace toren
