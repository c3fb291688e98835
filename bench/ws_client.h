// A WebSocket client with nothing in it that could be slow: blocking, one request at a time, masks of zero.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

class WsClient {
public:
    explicit WsClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const int yes = 1;
        if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("connect");
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        write_all(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        while (buffer_.find("\r\n\r\n") == std::string::npos) fill();
        buffer_.erase(0, buffer_.find("\r\n\r\n") + 4);
    }
    ~WsClient() { ::close(socket_); }
    WsClient(const WsClient&) = delete;
    WsClient& operator=(const WsClient&) = delete;

    void send(const std::string& text) {
        std::string frame = "\x81";
        if (text.size() < 126) frame += static_cast<char>(0x80 | text.size());
        else
            (frame += static_cast<char>(0x80 | 126)) +=
                {static_cast<char>(text.size() >> 8), static_cast<char>(text.size())};
        frame += std::string(4, '\0') + text;
        write_all(frame);
    }
    // The next text message; pings are answered by nobody, for no bench lasts long enough to get one.
    std::string receive() {
        while (buffer_.size() < 2) fill();
        std::size_t length = static_cast<std::uint8_t>(buffer_[1]) & 0x7f, header = length == 126   ? 4
                                                                                    : length == 127 ? 10
                                                                                                    : 2;
        while (buffer_.size() < header) fill();
        if (header > 2) {
            length = 0;
            for (std::size_t i = 2; i < header; ++i) length = length << 8 | static_cast<std::uint8_t>(buffer_[i]);
        }
        while (buffer_.size() < header + length) fill();
        std::string text = buffer_.substr(header, length);
        buffer_.erase(0, header + length);
        return text;
    }

private:
    [[noreturn]] static void fail(const char* what) {
        std::perror(what);
        std::exit(1);
    }
    void write_all(const std::string& bytes) {
        if (::write(socket_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) fail("write");
    }
    void fill() {
        char part[65536];
        const ssize_t length = ::read(socket_, part, sizeof part);
        if (length <= 0) fail("read");
        buffer_.append(part, static_cast<std::size_t>(length));
    }

    int socket_;
    std::string buffer_;
};
