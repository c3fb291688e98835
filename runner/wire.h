// What the runner and the cage's init say to each other, over a socket pair that only they hold: records of a fixed
// size. The init is not the command, but it stands nearer to it, so the runner checks what it gets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace toren::runner {

enum class OrderKind : std::uint8_t {
    kSignal,    // `value` to the command's process group
    kStop,      // everything in the cage stands still …
    kContinue,  // … and goes on
    kEnd,       // for the limit `value` (EndedBy)
};

struct Order {
    OrderKind kind;
    std::int32_t value = 0;
};

// At which step a command could not be started.
enum class StartStep : std::uint8_t { kNone, kConfine, kFolder, kExecute, kLast = kExecute };

struct StartFailure {
    StartStep step = StartStep::kNone;
    std::int32_t code = 0;  // errno
};

struct Ended {
    std::int32_t code = 0, signal = 0;
    EndedBy by = EndedBy::kNothing;
    StartFailure failure;
    std::uint64_t cpu_microseconds = 0;
    std::uint64_t peak_bytes = 0;
};

enum class NoteKind : std::uint8_t {
    kFailed,    // the cage could not be made: `text` says why
    kTerminal,  // carries the new terminal's master
    kRefused,   // `text` is a line of the trace
    kEnded,     // the last one: nothing is left in the cage but its init
};

struct Note {
    NoteKind kind = NoteKind::kFailed;
    std::uint16_t length = 0;
    Ended ended;
    char text[1024];

    std::string_view words() const { return {text, length}; }
};

Result<> send_order(int channel, const Order& order);
// False where the runner has gone.
bool receive_order(int channel, Order& order);

Result<> send_note(int channel, const Note& note, int descriptor = -1);
Result<> send_text(int channel, NoteKind kind, const std::string& text);
// False where the init has gone, or said what no init says.
bool receive_note(int channel, Note& note, UniqueFd& descriptor);

}  // namespace toren::runner
