// The corpus as a table: which attempt, what of the cage stops it, and how.
#pragma once

#include <span>

#include "tests/escape/layers.h"

namespace toren::escape {

// What a positive control shows when the layers are left out.
enum class Control {
    kEscapes,       // the attempt says that it got out
    kWorkersDie,    // the witness says so: a worker or another command is gone or stopped
    kHostDies,      // the operator's own process is gone or stopped
    kLeavesBehind,  // a process outlives the attempt
    kOnlyRoot,      // none: on any kernel an ordinary user is refused as well (`why`)
    kWorks,         // no attempt but a thing that must go on working in a full cage, as documented
};

struct Row {
    int number;           // of the corpus; from 60 on, what the corpus lacked
    const char* attempt;  // of `hostile`, and the test's name
    Layers layers;        // all of these left out together, it succeeds; each of them alone refuses it
    const char* refusal;  // how the full cage refuses it
    Control control = Control::kEscapes;
    Layers alone = ~Layers{0};  // those of `layers` that refuse it by themselves, where it is not all of them
    int landlock = 1;           // the Landlock ABI from which the ruleset refuses it by itself
    const char* why = "";       // the kernel feature that a control needs, or why there is none
};

std::span<const Row> rows();

}  // namespace toren::escape
