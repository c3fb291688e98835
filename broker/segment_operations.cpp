// segments.list, segments.create.
#include "broker/file_fields.h"
#include "broker/operation.h"
#include "broker/operations.h"

namespace toren::broker {
namespace {

using nlohmann::json;

json segment_json(const std::string& name, const std::string& path, Segment::Source source) {
    return {{"name", name}, {"path", path}, {"source", source_name(source)}};
}

Task<Outcome<Reply>> list(Call& call) {
    co_await call.broker.supervisor->refresh();
    const SegmentSet& set = call.broker.supervisor->segments();
    Reply reply;
    reply.json = {{"segments", json::array()}, {"roots", set.roots}};
    for (const Segment& segment : set.segments)
        if (segment.source != Segment::kApproved)
            reply.json["segments"].push_back(segment_json(segment.name, segment.path, segment.source));
    co_return reply;
}

Task<Outcome<Reply>> create(Call& call) {
    const Given given(call.fields);
    std::string name = given.text("name"), root = given.text("root");
    if (name.size() > 255) co_return problem("invalid_name", "name: longer than 255 bytes");
    const auto created = co_await call.broker.supervisor->create_segment(std::move(name), std::move(root));
    if (created.code != 0) co_return creation_refused(created);
    co_await call.broker.supervisor->refresh();
    const auto& segment = created.segment;
    Reply reply;
    reply.json = segment_json(segment.name, segment.path, static_cast<Segment::Source>(segment.source));
    co_return reply;
}

// clang-format off
constexpr FieldRow kCreate[] = {{"name", FieldType::kText, true}, {"root", FieldType::kText, true}};

constexpr Operation kOperations[] = {
    {"segments.list",   "GET",  "/v2/segments", Need::kViewer, Over::kBoth, Bulk::kNone,   {}, list},
    {"segments.create", "POST", "/v2/segments", Need::kAdmin,  Over::kBoth, Bulk::kNone,   kCreate, create},
};
// clang-format on

}  // namespace

std::span<const Operation> segment_operations() { return kOperations; }

}  // namespace toren::broker
