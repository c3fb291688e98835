// What an attempt may reach for: folders, processes and sockets of an ordinary user, made anew for each attempt, and
// the witnesses afterwards.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/child_process.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace toren::escape {

// The same address in every process that is forked from the test.
extern char secret_in_memory[64];

class World {
public:
    World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World();

    // An error where the world could not be made (a folder that a cage may be tested in, above all).
    const std::string& problem() const { return problem_; }

    std::string segment() const { return base_ + "/segment"; }
    std::string outside() const { return base_ + "/outside"; }
    std::string other_segment() const { return base_ + "/other"; }
    std::string shown() const { return base_ + "/shown"; }                    // read-only
    std::string shown_writable() const { return base_ + "/shown/writable"; }  // writable inside read-only
    std::string program() const { return base_ + "/program/hostile"; }
    std::string segment_read_only() const { return segment() + "/read-only"; }

    // Everything that an attempt is told, as name=value.
    const std::map<std::string, std::string>& facts() const { return facts_; }
    int leaked_folder() const { return leaked_.get(); }
    const std::string& terminal() const { return terminal_; }

    // Names, contents, modes, owners, times and attributes of everything that no attempt may change.
    std::string fingerprint() const;
    // The host's bystander runs, neither ended nor stopped.
    bool bystander_lives() const;
    // A process of this comm runs on the host; it is ended, for only a positive control leaves one behind.
    static bool end_process_named(const std::string& name);

private:
    bool make_folders();
    bool make_ipc();
    bool make_terminal();
    bool start_bystander();

    std::string base_, problem_, terminal_;
    std::map<std::string, std::string> facts_;
    UniqueFd leaked_, terminal_master_, terminal_slave_;
    ChildProcess bystander_;
    UniqueFd question_;
    int shm_ = -1, messages_ = -1, semaphores_ = -1;
    long key_ = -1;
};

// A bystander's end: it answers each byte with one. Whatever was done to it before the question, a signal above all,
// has happened by the time it answers.
[[noreturn]] void answer_forever(int channel);
// Whether the child answers; no where it has ended or is stopped.
bool answers(pid_t child, int channel);

// The folder of the running program.
std::string program_folder();

}  // namespace toren::escape
