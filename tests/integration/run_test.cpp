// `toren run` as scripts and people use it: the real program, real cages, a real terminal pair.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/unique_fd.h"
#include "tests/unit/temp_folder.h"

namespace toren {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

constexpr auto kPatience = 20s;  // for what is expected at once, on a machine that is busy
const std::string kToren = std::string(TOREN_BINARY_DIR) + "/bin/toren";

struct Pipe {
    UniqueFd read, write;
    Pipe() {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        read.reset(ends[0]);
        write.reset(ends[1]);
    }
};

struct Streams {
    int in = -1, out = -1, errors = -1;
};

// `toren run ARGUMENTS`, killed and reaped with this object.
class Process {
public:
    Process(const Words& arguments, const std::string& folder, Streams streams, bool terminal = false) {
        Words words = {"toren", "run"};
        words.insert(words.end(), arguments.begin(), arguments.end());
        pid_ = ::fork();
        if (pid_ == 0) become(words, folder, streams, terminal);
    }
    ~Process() {
        if (pid_ > 0) ::kill(pid_, SIGKILL), ::waitpid(pid_, nullptr, 0);
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    pid_t pid() const { return pid_; }
    void kill(int signal) const { ::kill(pid_, signal); }
    // As a shell sees it, but for a signal, which is negative: `toren run` itself is ended by none.
    int wait() {
        int status = 0;
        EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

private:
    [[noreturn]] static void become(Words& words, const std::string& folder, Streams streams, bool terminal) {
        const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
        if (terminal) ::setsid(), ::ioctl(streams.in, TIOCSCTTY, 0);
        ::dup2(streams.in < 0 ? null.get() : streams.in, 0);
        ::dup2(streams.out < 0 ? null.get() : streams.out, 1);
        ::dup2(streams.errors < 0 ? null.get() : streams.errors, 2);
        if (::chdir(folder.c_str()) != 0) ::_exit(99);
        std::vector<char*> arguments;
        for (auto& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        ::execv(kToren.c_str(), arguments.data());
        ::_exit(98);
    }
    pid_t pid_ = -1;
};

// Everything up to the end, or up to `wanted`.
std::string read_until(int fd, const std::string& wanted = "") {
    std::string text;
    const auto deadline = Clock::now() + kPatience;
    while (wanted.empty() || text.find(wanted) == text.npos) {
        pollfd ready{fd, POLLIN, 0};
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) <= 0) {
            ADD_FAILURE() << "waited for '" << wanted << "', read '" << text << "'";
            break;
        }
        char part[4096];
        const ssize_t length = ::read(fd, part, sizeof part);
        if (length <= 0) break;
        text.append(part, static_cast<std::size_t>(length));
    }
    return text;
}

struct Done {
    int status;
    std::string out, errors;
};

class RunTest : public testing::Test {
protected:
    Done run(const Words& arguments, const std::string& input = "") {
        Pipe in, out, errors;
        Process process(arguments, folder_, {in.read.get(), out.write.get(), errors.write.get()});
        in.read.reset(), out.write.reset(), errors.write.reset();
        EXPECT_EQ(::write(in.write.get(), input.data(), input.size()), static_cast<ssize_t>(input.size()));
        in.write.reset();
        Done done;
        done.out = read_until(out.read.get());
        done.errors = read_until(errors.read.get());
        done.status = process.wait();
        return done;
    }
    Done sh(const std::string& script, Words options = {}) {
        options.insert(options.end(), {"--", "sh", "-c", script});
        return run(options);
    }
    // A FIFO in the folder: whoever is in the cage can be waited for, and their end seen, without a clock.
    UniqueFd fifo(const std::string& name) {
        EXPECT_EQ(::mkfifo((folder_ + "/" + name).c_str(), 0600), 0);
        return UniqueFd(::open((folder_ + "/" + name).c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    }

    TempFolder temp_;
    std::string folder_ = temp_.folder("segment");
};

// --- how it ends

TEST_F(RunTest, TheCodeOfTheCommandIsItsOwn) {
    EXPECT_EQ(run({"--", "/bin/true"}).status, 0);
    EXPECT_EQ(sh("exit 7").status, 7);
    EXPECT_EQ(sh("exit 255").status, 255);
}

TEST_F(RunTest, ASignalIs128AndItsNumber) {
    EXPECT_EQ(sh("kill -KILL $$").status, 128 + SIGKILL);
    EXPECT_EQ(sh("kill -TERM $$").status, 128 + SIGTERM);
}

TEST_F(RunTest, WhatCannotBeExecutedIs126AndWhatIsNotThere127) {
    temp_.file("segment/data", "no program");
    const Done there = run({"./data"}), absent = run({"no-such-program"});
    EXPECT_EQ(there.status, 126);
    EXPECT_EQ(there.errors, "toren run: execute './data': Permission denied\n");
    EXPECT_EQ(absent.status, 127);
    EXPECT_EQ(absent.errors, "toren run: execute 'no-such-program': No such file or directory\n");
}

TEST_F(RunTest, OptionsThatCannotBeReadAre125AndSayWhy) {
    const std::pair<Words, std::string> cases[] = {
        {{}, "a command is missing"},
        {{"--no-such", "true"}, "unknown option '--no-such'"},
        {{"--timeout", "soon", "true"}, "--timeout 'soon': a number is expected"},
        {{"--memory", "4Q", "true"}, "--memory '4Q': a number of bytes is expected"},
        {{"--processes", "0", "true"}, "out of range"},
        {{"--rw"}, "'--rw' needs a value"},
        {{"--rw", "/", "true"}, "is the whole file system"},
        {{"--ro", "/proc", "true"}, "shows the host's processes"},
        {{"--rw", "/etc/ssl", "true"}, "lies in /etc"},
        {{"--rw", "no-such-folder", "true"}, "No such file or directory"},
        {{"--hide", "no-such-file", "true"}, "No such file or directory"},
        {{"--cwd", "/usr", "true"}, "no folder that the cage shows"},
        {{"--profile", "no-such", "--config", "/dev/null", "true"}, "not a regular file"},
        {{"--segment", "s", "--rw", ".", "true"}, "exclude each other"},
    };
    for (const auto& [arguments, text] : cases) {
        const Done done = run(arguments);
        EXPECT_EQ(done.status, 125) << text;
        EXPECT_NE(done.errors.find(text), std::string::npos) << done.errors;
        EXPECT_TRUE(done.errors.starts_with("toren run: ")) << done.errors;
    }
}

// --- what the command is given

TEST_F(RunTest, StandardStreamsAreTheCallersAndNothingElseIsOpen) {
    const UniqueFd leak(::open("/etc/hostname", O_RDONLY));  // not close-on-exec
    EXPECT_EQ(run({"cat"}, "through\nand through\n").out, "through\nand through\n");
    const Done done = sh("echo out; echo errors >&2; for fd in /proc/self/fd/*; do echo ${fd##*/}; done");
    EXPECT_EQ(done.errors, "errors\n");
    EXPECT_EQ(done.out, "out\n0\n1\n2\n3\n");  // 3: the folder that the shell reads just then
    EXPECT_EQ(sh("readlink /proc/$$/fd/3 || echo none").out, "none\n");
}

TEST_F(RunTest, TheEnvironmentIsMadeFromNothing) {
    ::setenv("SECRET_TOKEN", "s3cret", 1);
    const std::string bare = run({"env"}).out;
    EXPECT_EQ(bare.find("SECRET_TOKEN"), std::string::npos) << bare;
    EXPECT_NE(bare.find("HOME=/home/toren\n"), std::string::npos) << bare;
    const std::string passed = run({"--env", "SECRET_TOKEN", "--env", "A=b c", "env"}).out;
    EXPECT_NE(passed.find("SECRET_TOKEN=s3cret\n"), std::string::npos) << passed;
    EXPECT_NE(passed.find("A=b c\n"), std::string::npos) << passed;
    ::unsetenv("SECRET_TOKEN");
}

TEST_F(RunTest, TheCurrentFolderIsThereToReadAndWriteAndNothingElseOfTheHost) {
    temp_.file("outside", "secret");
    EXPECT_EQ(sh("pwd; echo made > here; cat here").out, folder_ + "\nmade\n");
    EXPECT_TRUE(fs::exists(folder_ + "/here"));
    EXPECT_NE(sh("cat " + temp_.path() + "/outside").status, 0);
    EXPECT_EQ(sh("ls " + temp_.path()).out, "segment\n");
}

TEST_F(RunTest, AReadOnlyFolderCannotBeWrittenAndAWritableOneBesideItCan) {
    const std::string library = temp_.folder("library");
    temp_.file("library/text", "read me");
    const Done done =
        sh("cat " + library + "/text; touch " + library + "/new || touch ./new; pwd", {"--rw", ".", "--ro", library});
    EXPECT_EQ(done.out, "read me" + folder_ + "\n");
    EXPECT_FALSE(fs::exists(library + "/new"));
    EXPECT_TRUE(fs::exists(folder_ + "/new"));
    EXPECT_NE(sh("touch ./other", {"--ro", "."}).status, 0);
    EXPECT_NE(sh("touch ./other", {"--profile", "read-only"}).status, 0);
    EXPECT_FALSE(fs::exists(folder_ + "/other"));
}

TEST_F(RunTest, WhatIsHiddenCanBeNeitherReadNorReplaced) {
    temp_.file("segment/key", "secret");
    temp_.folder("segment/keys");
    temp_.file("segment/keys/one", "secret");
    const Words hidden = {"--hide", "key", "--hide", "keys"};
    EXPECT_EQ(sh("cat key keys/one").out, "secretsecret");  // the control
    const Done done =
        sh("cat key; cat keys/one; ls keys; mv key k; mv keys k; rm -rf keys; echo x > key; chmod 700 keys; "
           "echo x > keys/two; true",
           hidden);
    EXPECT_EQ(done.status, 0);
    EXPECT_EQ(done.out, "");
    EXPECT_TRUE(fs::exists(folder_ + "/keys/one"));
    EXPECT_FALSE(fs::exists(folder_ + "/keys/two"));
    EXPECT_EQ(sh("cat key").out, "secret");
}

TEST_F(RunTest, ItStartsWhereItIsToldBeneathTheFolders) {
    temp_.folder("segment/deep/er");
    EXPECT_EQ(sh("pwd", {"--cwd", "deep/er"}).out, folder_ + "/deep/er\n");
    EXPECT_EQ(sh("pwd", {"--rw", "deep"}).out, folder_ + "/deep\n");
}

// --- limits

TEST_F(RunTest, TheTimeLimitEndsEverythingAndSaysSo) {
    const auto alive = fifo("alive");
    const Done done =
        sh("exec 9> alive; echo opened; trap '' TERM INT HUP; setsid sleep 1000 & sleep 1000", {"--timeout", "0.3"});
    EXPECT_EQ(done.status, 124);
    EXPECT_EQ(done.out, "opened\n");
    EXPECT_EQ(done.errors, "toren run: ended by the time limit (--timeout 0.3)\n");
    EXPECT_EQ(read_until(alive.get()), "");  // nobody holds its other end any more
}

TEST_F(RunTest, TheMemoryAndTheProcessorOfTheWholeTreeAreLimited) {
    const Done memory = sh("(tail /dev/zero &); sleep 1000", {"--memory", "200M", "--timeout", "60"});
    EXPECT_EQ(memory.status, 128 + SIGKILL);
    EXPECT_EQ(memory.errors, "toren run: ended by the memory limit (--memory 200M)\n");
    const Done cpu = sh("(while :; do :; done) & sleep 1000", {"--cpu", "1", "--timeout", "60"});
    EXPECT_EQ(cpu.status, 128 + SIGKILL);
    EXPECT_EQ(cpu.errors, "toren run: ended by the CPU time limit (--cpu 1)\n");
}

TEST_F(RunTest, TheOutputLimitIsExact) {
    const Done done = run({"--output", "4K", "yes"});
    EXPECT_EQ(done.status, 128 + SIGKILL);
    EXPECT_EQ(done.out.size(), 4096U);
    EXPECT_EQ(done.errors, "toren run: ended by the output limit (--output 4K)\n");
    EXPECT_EQ(sh("head -c 4096 /dev/zero", {"--output", "4K"}).out.size(), 4096U);
    EXPECT_EQ(sh("head -c 4096 /dev/zero", {"--output", "4K"}).status, 0);
}

TEST_F(RunTest, TheReportSaysHowItEndedAndWhatItUsed) {
    const std::string report = temp_.path() + "/report";
    EXPECT_EQ(run({"--report=" + report, "sh", "-c", "exit 3"}).status, 3);
    std::stringstream text;
    text << std::ifstream(report).rdbuf();
    EXPECT_TRUE(text.str().starts_with("{\"event\":\"ended\",\"status\":3,\"code\":3,\"signal\":0,\"limit\":\"\","))
        << text.str();
    EXPECT_TRUE(run({"--report", "true"}).errors.starts_with("toren run: exited with code 0; "));
}

// The runner is not confined: a link that the command leaves where the report goes must not lead it.
TEST_F(RunTest, AReportIsNotWrittenThroughALinkOfTheCommand) {
    const std::string victim = temp_.path() + "/victim";
    std::ofstream(victim) << "precious";
    const auto precious = [&] {
        std::stringstream text;
        text << std::ifstream(victim).rdbuf();
        return text.str() == "precious";
    };
    const Words writes = {"--report=report", "sh", "-c", "ln -sf " + victim + " report"};
    for (int run_again = 0; run_again < 2; ++run_again) {  // the second time it is there from the beginning
        EXPECT_EQ(run(writes).status, 125);
        EXPECT_TRUE(precious());
    }
    EXPECT_EQ(run({"--report=out/victim", "sh", "-c", "ln -s " + temp_.path() + " out"}).status, 125);
    EXPECT_TRUE(precious());
    EXPECT_EQ(run({"--report=fifo", "mkfifo", "fifo"}).status, 125) << "nor does it wait for a reader";
    EXPECT_EQ(run({"--report=plain", "true"}).status, 0);
    EXPECT_TRUE(fs::exists(folder_ + "/plain"));
}

TEST_F(RunTest, TheReportSaysWhatWasRefusedAndNothingElse) {
    const std::string file = temp_.file("outside", "secret"), library = temp_.folder("library");
    const Done done = sh("cat " + file + "; cat no-such; touch " + library + "/new; unshare -r true; exit 4",
                         {"--report", "--learn"});
    EXPECT_EQ(done.status, 4);
    std::string refused;
    std::istringstream lines(done.errors);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("toren run: refused: ")) refused += line.substr(20) + "\n";
    EXPECT_EQ(refused, "read " + file + "\nwrite " + library + "/new\ncall unshare: new namespaces\n");
    EXPECT_NE(
        done.errors.find("[profiles.learned]\nread_only = [\"" + file + "\"]\nwritable = [\"" + library + "\"]\n"),
        std::string::npos)
        << done.errors;
    const Done nothing = sh("ls >/dev/null; cat no-such 2>/dev/null; true", {"--report"});
    EXPECT_EQ(nothing.errors.find("refused"), std::string::npos) << nothing.errors;
}

TEST_F(RunTest, TracedOrNotACommandDoesTheSame) {
    const std::string script =
        "trap 'echo caught' USR1; kill -USR1 $$; (exit 9); echo $?; (kill -STOP $(sh -c 'echo $PPID')) & sleep 0.05; "
        "kill -CONT $!; wait $!; echo $?; seq 1000 | xargs -P 4 -n 50 echo | wc -w; setsid sleep 1000 & exit 6";
    const Done plain = sh(script), traced = sh(script, {"--report=" + temp_.path() + "/report"});
    EXPECT_EQ(plain.status, 6);
    EXPECT_EQ(traced.status, 6);
    EXPECT_EQ(plain.out, "caught\n9\n0\n1000\n");
    EXPECT_EQ(traced.out, plain.out);
}

// --- signals, and that nothing is left

class RunningTest : public RunTest {
protected:
    // Says "ready" when the script does, and holds the FIFO open for as long as anything in the cage lives.
    void start(const std::string& script) {
        alive_ = fifo("alive");
        process_ = std::make_unique<Process>(Words{"--", "sh", "-c", "exec 9> alive; " + script}, folder_,
                                             Streams{-1, out_.write.get(), errors_.write.get()});
        out_.write.reset(), errors_.write.reset();
        read_until(out_.read.get(), "ready\n");
    }
    void expect_that_nothing_is_left() { EXPECT_EQ(read_until(alive_.get()), ""); }

    Pipe out_, errors_;
    UniqueFd alive_;
    std::unique_ptr<Process> process_;
};

TEST_F(RunningTest, SignalsReachTheCommand) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2}) {
        out_ = Pipe(), errors_ = Pipe();
        start("trap 'echo got; exit 42' INT TERM HUP QUIT USR1 USR2; echo ready; while :; do sleep 0.05; done");
        process_->kill(signal);
        EXPECT_EQ(process_->wait(), 42) << signal;
        EXPECT_EQ(read_until(out_.read.get()), "got\n") << signal;
        expect_that_nothing_is_left();
        fs::remove(folder_ + "/alive");
    }
}

TEST_F(RunningTest, ASignalThatEndsTheCommandIsTheStatus) {
    start("echo ready; exec sleep 1000");
    process_->kill(SIGTERM);
    EXPECT_EQ(process_->wait(), 128 + SIGTERM);
    expect_that_nothing_is_left();
}

TEST_F(RunningTest, WhatTheCommandLeftBehindEndsWithIt) {
    start("(setsid sh -c 'trap \"\" HUP TERM; sleep 1000' &) ; echo ready");
    EXPECT_EQ(process_->wait(), 0);
    expect_that_nothing_is_left();
}

TEST_F(RunningTest, WhenTheRunnerIsKilledNothingIsLeft) {
    start("(setsid sleep 1000 &); echo ready; sleep 1000");
    process_->kill(SIGKILL);
    EXPECT_EQ(process_->wait(), -SIGKILL);
    expect_that_nothing_is_left();
}

// The only child of a process, whoever may look at it.
pid_t child_of(pid_t parent) {
    const std::string number = std::to_string(parent);
    pid_t child = 0;
    std::ifstream("/proc/" + number + "/task/" + number + "/children") >> child;
    return child;
}

char state_of(pid_t process) {
    std::string line;
    std::getline(std::ifstream("/proc/" + std::to_string(process) + "/stat"), line);
    const auto name_end = line.rfind(')');
    return name_end == line.npos ? '?' : line[name_end + 2];
}

TEST_F(RunningTest, StoppedAndContinuedItStandsStillAndGoesOn) {
    ASSERT_EQ(::mkfifo((folder_ + "/go").c_str(), 0600), 0);
    start("echo ready; read line < go; echo went on");
    const pid_t command = child_of(child_of(process_->pid()));
    ASSERT_GT(command, 0);
    process_->kill(SIGTSTP);
    int status = 0;
    ASSERT_EQ(::waitpid(process_->pid(), &status, WUNTRACED), process_->pid());
    ASSERT_TRUE(WIFSTOPPED(status));
    const auto deadline = Clock::now() + kPatience;
    while (state_of(command) != 'T' && Clock::now() < deadline) ::sched_yield();
    EXPECT_EQ(state_of(command), 'T');
    process_->kill(SIGCONT);
    const UniqueFd go(::open((folder_ + "/go").c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    EXPECT_EQ(::write(go.get(), "x\n", 2), 2);
    EXPECT_EQ(read_until(out_.read.get()), "went on\n");
    EXPECT_EQ(process_->wait(), 0);
}

// --- terminals

class TerminalTest : public RunTest {
protected:
    TerminalTest() {
        winsize size{33, 101, 0, 0};
        int ends[2];
        EXPECT_EQ(::openpty(&ends[0], &ends[1], nullptr, nullptr, &size), 0);
        master_.reset(ends[0]);
        slave_.reset(ends[1]);
        ::fcntl(ends[0], F_SETFD, FD_CLOEXEC), ::fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        ::tcgetattr(slave_.get(), &before_);
    }
    std::unique_ptr<Process> start(const std::string& script) {
        const int terminal = slave_.get();
        return std::make_unique<Process>(Words{"--", "sh", "-c", script}, folder_,
                                         Streams{terminal, terminal, terminal}, true);
    }
    void type(const std::string& keys) {
        EXPECT_EQ(::write(master_.get(), keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
    }
    void expect_the_terminal_as_it_was() {
        termios now{};
        ASSERT_EQ(::tcgetattr(slave_.get(), &now), 0);
        EXPECT_EQ(now.c_iflag, before_.c_iflag);
        EXPECT_EQ(now.c_oflag, before_.c_oflag);
        EXPECT_EQ(now.c_lflag, before_.c_lflag);
    }
    bool raw() {
        termios now{};
        ::tcgetattr(slave_.get(), &now);
        return (now.c_lflag & ICANON) == 0;
    }

    UniqueFd master_, slave_;
    termios before_{};
};

TEST_F(TerminalTest, TheCommandHasATerminalOfTheCageInTheSizeOfTheOperators) {
    auto process = start("tty; stty size; ps -o tty= -p $$ 2>/dev/null | grep -c pts; : < /dev/tty && echo controlled");
    const std::string text = read_until(master_.get(), "controlled\r\n");
    EXPECT_NE(text.find("/dev/pts/0\r\n33 101\r\n"), std::string::npos) << text;
    EXPECT_EQ(process->wait(), 0);
    expect_the_terminal_as_it_was();
}

TEST_F(TerminalTest, KeysArriveAndControlCInterrupts) {
    auto process = start(
        "read line; echo \"<$line>\"; trap 'echo interrupted; exit 5' INT; echo ready; "
        "while :; do sleep 0.05; done");
    type("some words\n");
    read_until(master_.get(), "<some words>\r\nready\r\n");
    EXPECT_TRUE(raw());
    type("\x03");
    read_until(master_.get(), "interrupted");
    EXPECT_EQ(process->wait(), 5);
    expect_the_terminal_as_it_was();
}

TEST_F(TerminalTest, ANewSizeIsPassedOn) {
    auto process = start("trap 'stty size; exit 0' WINCH; echo ready; while :; do sleep 0.05; done");
    read_until(master_.get(), "ready");
    const winsize size{20, 60, 0, 0};
    ASSERT_EQ(::ioctl(master_.get(), TIOCSWINSZ, &size), 0);
    read_until(master_.get(), "20 60\r\n");
    EXPECT_EQ(process->wait(), 0);
}

TEST_F(TerminalTest, WhicheverSignalEndsItTheTerminalIsRestored) {
    for (const int signal : {SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV}) {
        auto process = start("echo ready; exec sleep 1000");
        read_until(master_.get(), "ready");
        ASSERT_TRUE(raw());
        process->kill(signal);
        process->wait();
        expect_the_terminal_as_it_was();
    }
}

TEST_F(TerminalTest, OnlyTheStreamsThatWereATerminalAreOne) {
    Pipe out;
    Process process({"--", "sh", "-c", "test -t 0 && test ! -t 1 && test -t 2 && echo right"}, folder_,
                    {slave_.get(), out.write.get(), slave_.get()}, true);
    out.write.reset();
    EXPECT_EQ(read_until(out.read.get()), "right\n");
    EXPECT_EQ(process.wait(), 0);
}

}  // namespace
}  // namespace toren
