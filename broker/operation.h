// One thing that a client can ask for, by REST or by WebSocket alike. Each is one row of the table in
// operations_table.cpp; nothing is served that has no row. docs/protocol-v2.md says what each means.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "broker/broker.h"
#include "broker/client_socket.h"
#include "broker/problem.h"
#include "broker/task.h"

namespace toren::broker {

// Who may ask; each includes those before it. Today a session has all of them.
enum class Need : std::uint8_t { kNobody, kViewer, kOperator, kApprover, kAdmin };

enum class Over : std::uint8_t { kBoth, kHttp, kSocket };

// What of it can be large. kAnswer: up to megabytes of JSON; each client gets one at a time. kBody: the request's body
// is bytes of any number, read as they come, and the fields are in the query.
enum class Bulk : std::uint8_t { kNone, kAnswer, kBody };

// kPath: text, or base64 in NAME_bytes where it is no UTF-8; the handler gets the bytes under NAME. kPaths: a list of
// those.
enum class FieldType : std::uint8_t { kText, kPath, kNumber, kInteger, kBoolean, kTexts, kPaths, kObject, kObjects };

// What an operation takes. A field that has no row is refused; in a query each is text and is read by its type.
struct FieldRow {
    const char* name;
    FieldType type;
    bool required = false;
};

// The body of a request that is no JSON: raw bytes, read as they come.
class RawBody {
public:
    virtual ~RawBody() = default;
    // Its next bytes; nothing at its end. A client that left or is too slow is a Problem.
    virtual Task<Outcome<std::string>> next() = 0;
};

// A client that has asked for a stream over the WebSocket.
class StreamSink {
public:
    virtual ~StreamSink() = default;
    // {"id", "event": …}
    virtual void event(nlohmann::json event) = 0;
    // Waits until the client keeps up; false once it has gone or has cancelled.
    virtual Task<bool> room() = 0;
    // Calls this once, when the client goes or cancels; a later one takes its place. An empty one takes it back.
    virtual void on_end(std::function<void()> ended) = 0;
    // Why: it has gone or has cancelled; it has cancelled.
    virtual bool ended() const = 0;
    virtual bool cancelled() const = 0;
    // Set when it has ended or has taken more (acked() has changed).
    virtual void tell_change(const Promise<Done>& waiting) = 0;

    // Output of a process: binary messages under the request's id, and how far the client has them.
    virtual std::uint32_t id() const = 0;
    virtual Task<bool> output(std::vector<BinaryMessage> messages) = 0;
    virtual void begin_window(std::uint64_t position) = 0;
    virtual std::uint64_t acked() const = 0;
    // Binary messages of the client under this id are for its standard input.
    virtual void take_input(std::shared_ptr<Process> process) = 0;
};

// What the header of an HTTP request says of the content that it asks for or sends.
struct HttpConditions {
    bool head = false;
    std::string range, if_range, if_match, if_none_match;  // as they came; empty where they did not
};

struct Call {
    Broker& broker;
    const Identity& identity;
    std::string segment;    // as named; empty where the operation has none
    nlohmann::json fields;  // of the path, the query and the body: known names with the right types
    RawBody* body = nullptr;
    StreamSink* sink = nullptr;
    const HttpConditions* http = nullptr;  // nothing over the WebSocket
};

// What comes back. Over the WebSocket `json` alone.
struct Reply {
    int status = 200;
    nlohmann::json json;  // the body, unless one of the following is there
    std::string text;     // a body that is JSON text already (over the WebSocket too), or of content_type
    std::string content_type = "application/json";
    std::vector<std::pair<std::string, std::string>> headers;
    UniqueFd file;  // a regular file: `length` bytes of it from `offset` on are the body
    std::uint64_t offset = 0, length = 0;
    // A body whose length nobody knows yet: its next bytes, an empty string at its end; a Problem cuts it off.
    std::function<Task<Outcome<std::string>>()> more;
};

struct Operation {
    const char* name;
    const char* method;
    const char* path;  // "/v2/segments/{segment}/files/stat"; nullptr: over the WebSocket alone
    Need need;
    Over over;
    Bulk bulk;
    std::span<const FieldRow> fields;
    Task<Outcome<Reply>> (*serve)(Call& call);
};

// The tables, one a subject.
std::span<const Operation> segment_operations();
std::span<const Operation> file_operations();
std::span<const Operation> upload_operations();
std::span<const Operation> process_operations();
std::span<const Operation> vcs_operations();
std::span<const Operation> vcs_change_operations();
std::span<const Operation> jj_operations();
std::span<const Operation> workspace_operations();
std::span<const Operation> checkpoint_operations();

// All of them.
std::span<const Operation> operations();

}  // namespace toren::broker
