// Workspaces as the broker knows them: what the store has of each, where it is, and which of them are being changed.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/store.h"
#include "broker/task.h"
#include "policy/segment_names.h"

namespace toren::broker {

using Workspace = Store::Workspace;

class Workspaces {
public:
    // `root`: where they are, as the supervisor has it; empty where none are configured.
    Workspaces(Store& store, std::string root) : store_(store), root_(std::move(root)) {}

    bool configured() const { return !root_.empty(); }
    std::string path(const std::string& segment, const std::string& name) const {
        return root_ + '/' + segment + '/' + name;
    }

    // One that is still being made included.
    std::optional<Workspace> find(const std::string& segment, const std::string& name) const;
    std::vector<Workspace> of_segment(const std::string& segment) const;
    Result<> put(const Workspace& workspace) { return store_.put_workspace(workspace); }
    Result<> forget(const Workspace& workspace) { return store_.remove_workspace(workspace.segment, workspace.name); }

    // As segments, named SEGMENT@NAME: those that work can be done in. Where none can hold `path`, it is not looked
    // for.
    std::optional<Segment> place(const std::string& segment, const std::string& name) const;
    SegmentSet places(std::string_view path) const;

    // One change to a workspace at a time. Not `held()` where another one goes on.
    class Claim {
    public:
        Claim(Workspaces& all, std::string address)
            : all_(all), address_(std::move(address)), held_(all.claimed_.insert(address_).second) {}
        Claim(const Claim&) = delete;
        Claim& operator=(const Claim&) = delete;
        ~Claim() {
            if (held_) all_.claimed_.erase(address_);
        }
        bool held() const { return held_; }

    private:
        Workspaces& all_;
        std::string address_;
        bool held_;
    };
    // Of those who have git add a worktree to one repository.
    Task<Turns::Turn> turn(std::string segment) {
        auto& turns = adding_[segment];
        if (!turns) turns = std::make_shared<Turns>();
        return turns->take();
    }
    bool is_claimed(const std::string& address) const { return claimed_.contains(address); }

private:
    Store& store_;
    std::string root_;
    std::set<std::string> claimed_;
    std::map<std::string, std::shared_ptr<Turns>> adding_;
};

// The name of the workspace with this number from 1 on: "One" … "Ninety-Nine", then digits.
std::string workspace_name(unsigned number);
// "toren/one": git's rules for references keep more out than ours for names.
std::string default_branch(const std::string& name);

}  // namespace toren::broker
