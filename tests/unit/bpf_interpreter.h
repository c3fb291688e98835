// A small interpreter of classic BPF as seccomp runs it, so that a filter can be tested for every call number
// without making the calls. An instruction that it does not know, or a way out of the program, is an answer of
// its own (kInvalid) that no filter gives.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <cstring>
#include <span>

namespace toren::test {

inline constexpr std::uint32_t kInvalid = 0xdeadbeef;

inline std::uint32_t run_bpf(std::span<const sock_filter> program, const seccomp_data& data) {
    std::uint32_t a = 0;
    std::uint32_t x = 0;
    std::uint32_t memory[BPF_MEMWORDS] = {};
    for (std::size_t at = 0; at < program.size(); ++at) {
        const sock_filter& step = program[at];
        const auto jump = [&](bool taken) { at += taken ? step.jt : step.jf; };
        switch (step.code) {
            case BPF_LD | BPF_W | BPF_ABS:
                if (step.k % 4 != 0 || step.k > sizeof data - 4) return kInvalid;
                std::memcpy(&a, reinterpret_cast<const char*>(&data) + step.k, 4);
                break;
            case BPF_LD | BPF_IMM: a = step.k; break;
            case BPF_LD | BPF_MEM:
                if (step.k >= BPF_MEMWORDS) return kInvalid;
                a = memory[step.k];
                break;
            case BPF_ST:
                if (step.k >= BPF_MEMWORDS) return kInvalid;
                memory[step.k] = a;
                break;
            case BPF_MISC | BPF_TAX: x = a; break;
            case BPF_MISC | BPF_TXA: a = x; break;
            case BPF_ALU | BPF_AND | BPF_K: a &= step.k; break;
            case BPF_JMP | BPF_JA: at += step.k; break;
            case BPF_JMP | BPF_JEQ | BPF_K: jump(a == step.k); break;
            case BPF_JMP | BPF_JGT | BPF_K: jump(a > step.k); break;
            case BPF_JMP | BPF_JGE | BPF_K: jump(a >= step.k); break;
            case BPF_JMP | BPF_JSET | BPF_K: jump((a & step.k) != 0); break;
            case BPF_RET | BPF_K: return step.k;
            default: return kInvalid;
        }
    }
    return kInvalid;
}

}  // namespace toren::test
