// A WebSocket client with nothing in it that could be slow: blocking, masks of zero, messages read where they lie.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

class WsClient {
public:
    struct Message {
        bool binary;
        std::string_view data;  // until the next one is received; of a binary message the first bytes alone
        std::size_t size;
    };

    // `token`: of /v2/ws, or empty.
    explicit WsClient(std::uint16_t port, const std::string& path = "/ws", const std::string& token = "")
        : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int yes = 1;
        if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        write_all("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
                  (token.empty() ? "" : "Authorization: Bearer " + token + "\r\n") +
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        while (waiting().find("\r\n\r\n") == std::string::npos) fill();
        from_ += waiting().find("\r\n\r\n") + 4;
    }
    ~WsClient() { ::close(socket_); }
    WsClient(const WsClient&) = delete;
    WsClient& operator=(const WsClient&) = delete;

    int fd() const { return socket_; }

    void send(const std::string& text) {
        std::string frame = "\x81";
        if (text.size() < 126) frame += static_cast<char>(0x80 | text.size());
        else
            (frame += static_cast<char>(0x80 | 126)) +=
                {static_cast<char>(text.size() >> 8), static_cast<char>(text.size())};
        frame += std::string(4, '\0') + text;
        write_all(frame);
    }
    // The next message; pings are answered by nobody, for no bench lasts long enough to get one.
    Message next() {
        Message message{};
        while (!take(message)) fill();
        return message;
    }
    std::string receive() { return std::string(next().data); }
    // What has come whole already, without waiting.
    bool take(Message& message) {
        if (left_ > 0) return pass_by(message);
        const std::string_view there = waiting();
        if (there.size() < 2) return false;
        std::size_t length = static_cast<std::uint8_t>(there[1]) & 0x7f;
        const std::size_t header = length == 126 ? 4 : length == 127 ? 10 : 2;
        if (there.size() < header) return false;
        if (header > 2) {
            length = 0;
            for (std::size_t i = 2; i < header; ++i) length = length << 8 | static_cast<std::uint8_t>(there[i]);
        }
        const bool binary = (there[0] & 0xf) == 2 && length > sizeof head_;
        if (there.size() < header + (binary ? sizeof head_ : length)) return false;
        from_ += header;
        if (binary) {
            std::memcpy(head_, there.data() + header, sizeof head_);
            size_ = left_ = length;
            return pass_by(message);
        }
        message = {false, there.substr(header, length), length};
        from_ += length;
        return true;
    }
    // One read.
    void fill() {
        if (from_ > 0 && buffer_.size() - to_ < kRead) {
            std::memmove(buffer_.data(), buffer_.data() + from_, to_ - from_);
            to_ -= from_;
            from_ = 0;
        }
        if (buffer_.size() - to_ < kRead) buffer_.resize(buffer_.size() + kRead);
        const ssize_t length = ::read(socket_, buffer_.data() + to_, kRead);
        if (length <= 0) fail("read");
        to_ += static_cast<std::size_t>(length);
    }

private:
    static constexpr std::size_t kRead = 256 * 1024;
    [[noreturn]] static void fail(const char* what) {
        std::perror(what);
        std::exit(1);
    }
    // A large message is not put together: that would cost the client more than reading it.
    bool pass_by(Message& message) {
        const std::size_t come = std::min(left_, to_ - from_);
        from_ += come;
        left_ -= come;
        message = {true, {head_, sizeof head_}, size_};
        return left_ == 0;
    }
    std::string_view waiting() const { return {buffer_.data() + from_, to_ - from_}; }
    void write_all(const std::string& bytes) {
        if (::write(socket_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) fail("write");
    }

    int socket_;
    std::vector<char> buffer_ = std::vector<char>(4 * kRead);
    std::size_t from_ = 0, to_ = 0;
    char head_[16];  // of the binary message that is under way
    std::size_t size_ = 0, left_ = 0;
};

// The little of v2 that the benches speak.
namespace v2 {

inline std::string request(std::uint32_t id, const std::string& op, const std::string& segment,
                           const std::string& fields) {
    return "{\"id\":" + std::to_string(id) + ",\"op\":\"" + op + "\",\"segment\":\"" + segment + "\"," + fields + "}";
}

inline bool is_result(std::string_view text) { return text.find("\"result\":") < 24; }

inline std::uint64_t number_at(std::string_view data, std::size_t at, std::size_t bytes) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < bytes; ++i)
        number |= static_cast<std::uint64_t>(static_cast<unsigned char>(data[at + i])) << (8 * i);
    return number;
}

// Of a binary message; answers it where that is wanted. Returns the bytes of output in it.
inline std::size_t take_output(WsClient& client, const WsClient::Message& message) {
    constexpr std::size_t kHeader = 16;
    const std::string_view data = message.data;
    if (data[5] == 1)
        client.send("{\"op\":\"ack\",\"request\":" + std::to_string(number_at(data, 0, 4)) +
                    ",\"position\":" + std::to_string(number_at(data, 8, 8) + message.size - kHeader) + "}");
    return message.size - kHeader;
}

}  // namespace v2
