// What `toren policy` prints, gathered once and printed as words or as data.
#pragma once

#include <string>
#include <vector>

#include "policy/cage_view.h"
#include "policy/explain.h"
#include "policy/segment_names.h"

namespace toren::cli {

// A place that the cage shows, with what explain() says of it.
struct Place {
    std::string path, what;
    bool read, write, execute;
};

struct PolicyReport {
    Segment segment;
    CageView cage;
    std::vector<std::string> profiles;  // that a command may ask for; the first is the segment's own
    std::vector<Place> places;          // every mount of the cage, in the order of their paths
    std::vector<std::string> namespaces;
    int landlock_abi = 0;  // of this kernel; 0: none
    std::size_t filter_instructions = 0;
};

PolicyReport make_report(const Segment& segment, CageView cage, std::vector<std::string> profiles);

std::string in_words(const PolicyReport& report);  // policy_words.cpp
std::string in_words(const PolicyReport& report, const Explanation& answer);
std::string as_json(const PolicyReport& report);  // policy_json.cpp
std::string as_json(const PolicyReport& report, const Explanation& answer);

}  // namespace toren::cli
