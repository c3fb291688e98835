// The binary codec between processes: little-endian integers, length-prefixed strings, vectors and structs in order.
// Reader never reads past its bytes and never allocates more than they can hold; whoever sent bytes that do not
// parse exactly, to the last one, is hostile or broken and is ended (see channel.h).
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

namespace toren::ipc {

// A struct that can travel names its fields in order: auto fields() { return std::tie(a, b); }
template <typename T>
concept Record = requires(T value) {
    value.fields();
};

class Writer {
public:
    explicit Writer(std::string& out) : out_(out) {}

    template <typename T>
    void write(const T& value) {
        if constexpr (std::is_same_v<T, std::string>) {
            write(static_cast<std::uint32_t>(value.size()));
            out_ += value;
        } else if constexpr (Record<T>) {
            std::apply([this](const auto&... field) { (write(field), ...); }, const_cast<T&>(value).fields());
        } else if constexpr (std::is_enum_v<T>) {
            write(static_cast<std::underlying_type_t<T>>(value));
        } else {
            static_assert(std::is_integral_v<T>);
            char bytes[sizeof(T)];
            std::memcpy(bytes, &value, sizeof(T));
            out_.append(bytes, sizeof(T));
        }
    }
    template <typename T>
    void write(const std::vector<T>& values) {
        write(static_cast<std::uint32_t>(values.size()));
        for (const auto& value : values) write(value);
    }

private:
    std::string& out_;
};

class Reader {
public:
    explicit Reader(std::span<const char> bytes) : rest_(bytes) {}

    // Each read returns false, and reads nothing further, once the bytes do not hold what was asked for.
    template <typename T>
    bool read(T& value) {
        if constexpr (std::is_same_v<T, std::string>) {
            std::uint32_t length = 0;
            if (!read(length) || length > rest_.size()) return false;
            value.assign(rest_.data(), length);
            rest_ = rest_.subspan(length);
            return true;
        } else if constexpr (std::is_same_v<T, bool>) {
            std::uint8_t byte = 0;
            if (!read(byte) || byte > 1) return false;
            value = byte == 1;
            return true;
        } else if constexpr (Record<T>) {
            return std::apply([this](auto&... field) { return (read(field) && ...); }, value.fields());
        } else if constexpr (std::is_enum_v<T>) {
            std::underlying_type_t<T> number{};
            if (!read(number) || number > static_cast<std::underlying_type_t<T>>(T::kLast)) return false;
            value = static_cast<T>(number);
            return true;
        } else {
            static_assert(std::is_integral_v<T>);
            if (rest_.size() < sizeof(T)) return false;
            std::memcpy(&value, rest_.data(), sizeof(T));
            rest_ = rest_.subspan(sizeof(T));
            return true;
        }
    }
    template <typename T>
    bool read(std::vector<T>& values) {
        std::uint32_t count = 0;
        // Every element takes a byte at least: a count that the rest cannot hold is a lie, refused before it allocates.
        if (!read(count) || count > rest_.size()) return false;
        values.clear();
        for (std::uint32_t i = 0; i < count; ++i)
            if (!read(values.emplace_back())) return false;
        return true;
    }

    bool at_end() const { return rest_.empty(); }

private:
    std::span<const char> rest_;
};

}  // namespace toren::ipc
