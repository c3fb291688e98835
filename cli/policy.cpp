#include "cli/policy.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "base/log.h"
#include "cli/policy_report.h"
#include "policy/config_limits.h"
#include "policy/config_profiles.h"
#include "policy/segments.h"
#include "supervisor/state_folder.h"

namespace toren::cli {
namespace {

struct Question {
    std::optional<std::string> config, state, profile;
    std::string segment;
};

std::string joined(const std::vector<std::string>& names) {
    std::string out;
    for (const auto& name : names) out += (out.empty() ? "" : ", ") + escape_controls(name);
    return out.empty() ? "none" : out;
}

Result<Segment> find_segment(const SegmentSet& set, const std::string& name) {
    if (const Segment* found = find_segment_by_name(set, name); found != nullptr) return *found;
    std::vector<std::string> names;
    for (const auto& segment : set.segments) names.push_back(segment.name);
    return error("there is no segment '" + escape_controls(name) + "' (there are: " + joined(names) + ')');
}

// The same steps with which the supervisor makes a cell, up to the specs.
Result<PolicyReport> report_on(const Question& question) {
    TRY_ASSIGN(const auto home, home_folder());
    TRY_ASSIGN(const auto config, load_config(question.config, home));
    for (const auto& warning : config.warnings) std::fprintf(stderr, "warning: %s\n", escape_controls(warning).c_str());
    TRY_ASSIGN(const auto state,
               supervisor::StateFolder::look_at(question.state.value_or(supervisor::default_state_path(home))));
    TRY_ASSIGN(const auto created, state.created_segments());
    TRY_ASSIGN(const auto segments, discover_segments(config, created, state.path(), home));
    TRY_ASSIGN(const auto segment, find_segment(segments, question.segment));

    const ProfileSources sources{config, segments, home, state.path()};
    TRY_ASSIGN(const auto own, segment_profile(sources, segment));
    TRY_ASSIGN(const auto profiles, command_profiles(sources, own));
    std::vector<std::string> names;
    for (const auto& profile : profiles) names.push_back(profile.name);
    const auto chosen = std::ranges::find(profiles, question.profile.value_or(own.name), &Profile::name);
    if (chosen == profiles.end())
        return error("there is no profile '" + escape_controls(*question.profile) + "' (there are: " + joined(names) +
                     ')');
    auto cage = view_cage(segment.path, *chosen, segment_limits(config), guard_spec(config, segment, own), {});
    return make_report(segment, std::move(cage), std::move(names));
}

}  // namespace

PolicyCommand::PolicyCommand(CLI::App& app)
    : policy_(app.add_subcommand("policy", "what the cage of a segment permits")),
      show_(policy_->add_subcommand("show", "what a command may read, write, run, reach and use")),
      explain_(policy_->add_subcommand("explain", "whether a path may be read, written, executed, and by which rule")) {
    policy_->require_subcommand(1);
    for (auto* command : {show_, explain_}) add_common_options(*command);
    explain_->add_option("PATH", path_, "absolute, or relative to the segment")->required();
}

void PolicyCommand::add_common_options(CLI::App& command) {
    command.add_option("SEGMENT", segment_, "the segment's name")->required();
    command.add_option("--profile", profile_, "the profile that a command asks for (default: the segment's own)");
    command.add_option("--config", config_, "configuration file");
    command.add_option("--state", state_, "state folder");
    command.add_flag("--json", json_, "print data");
}

bool PolicyCommand::parsed() const { return policy_->parsed(); }

int PolicyCommand::run() const {
    const auto report = report_on({config_, state_, profile_, segment_});
    if (!report) {
        std::fprintf(stderr, "toren policy: %s\n", report.error().text().c_str());
        return 2;
    }
    std::string text;
    if (show_->parsed()) {
        text = json_ ? as_json(*report) : in_words(*report);
    } else {
        const std::string path = path_.starts_with('/') ? path_ : report->segment.path + '/' + path_;
        const auto answer = explain(report->cage, path, look_up_on_host);
        text = json_ ? as_json(*report, answer) : in_words(*report, answer);
    }
    std::fputs(text.c_str(), stdout);
    return 0;
}

}  // namespace toren::cli
