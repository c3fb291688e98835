// How a request becomes an operation and its fields.
#include "broker/operation_input.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

#include "broker/base64.h"

namespace toren::broker {
namespace {

using namespace std::string_literals;
using nlohmann::json;

std::string code(const Outcome<json>& outcome) {
    const auto* refused = std::get_if<Problem>(&outcome);
    return refused == nullptr ? "" : refused->code;
}

Outcome<json> read_query_fields(const char* operation, std::string_view query) {
    auto given = read_query(*find_operation(operation), query);
    if (given.index() == 1) return given;
    return read_fields(*find_operation(operation), std::get<json>(given));
}

TEST(OperationTable, EveryNameAndEveryMethodOfAPathIsThereOnce) {
    std::set<std::string> names, routes;
    for (const Operation& operation : operations()) {
        EXPECT_TRUE(names.insert(operation.name).second) << operation.name;
        EXPECT_EQ(operation.path == nullptr, operation.over == Over::kSocket) << operation.name;
        if (operation.path == nullptr) continue;
        EXPECT_TRUE(routes.insert(std::string(operation.method) + operation.path).second) << operation.name;
        EXPECT_NE(operation.need, Need::kNobody) << operation.name;
    }
}

TEST(PathMatching, SegmentsAndPartsAreDecoded) {
    const auto match = match_operation("PATCH", "/v2/segments/a%2Fb%20c/uploads/x%41");
    ASSERT_NE(match.operation, nullptr);
    EXPECT_STREQ(match.operation->name, "uploads.append");
    EXPECT_EQ(match.segment, "a/b c");
    EXPECT_EQ(match.fields, (json{{"upload", "xA"}}));
    EXPECT_FALSE(match.malformed);
}

TEST(PathMatching, WhatCannotBeDecodedIsMalformed) {
    for (const char* segment : {"%", "%4", "%zz", "a%00b", "%ff"})
        EXPECT_TRUE(match_operation("GET", "/v2/segments/"s + segment + "/files/stat").malformed) << segment;
}

TEST(PathMatching, OtherFormsAndMethodsAreNoMatch) {
    for (const char* path :
         {"/v2/segments/a/files/stat/", "/v2/segments/a/files", "/v2/segments/a/files/stat/x",
          "/v2/segments//files/stat", "/v2/segments/a/b/files/stat", "/v2", "/v2/", "", "/v2/segments/"})
        EXPECT_EQ(match_operation("GET", path).operation, nullptr) << path;
    const auto other = match_operation("DELETE", "/v2/segments/a/files/content");
    EXPECT_EQ(other.operation, nullptr);
    EXPECT_EQ(other.allow, "GET, HEAD, PUT");
    EXPECT_EQ(match_operation("HEAD", "/v2/segments/a/files/stat").operation, nullptr);
    EXPECT_NE(match_operation("HEAD", "/v2/segments/a/files/content").operation, nullptr);
}

TEST(QueryReading, EachFieldHasItsType) {
    const auto fields = read_query_fields("files.list", "path=a%FF+b%2B&recursive=true&limit=18446744073709551615");
    ASSERT_EQ(code(fields), "");
    EXPECT_EQ(std::get<json>(fields)["path"].get<std::string>(), "a\xff b+");
    EXPECT_EQ(std::get<json>(fields)["recursive"], true);
    EXPECT_EQ(std::get<json>(fields)["limit"], 18446744073709551615U);
    for (const char* wrong :
         {"recursive=1", "recursive", "limit=", "limit=-1", "limit=1.5", "limit=18446744073709551616",
          "limit=1&limit=2", "path=", "path=%", "path=a%00", "cursor=%FF", "path=a&path_bytes=YQ=="})
        EXPECT_EQ(code(read_query_fields("files.list", wrong)), "invalid_field") << wrong;
    EXPECT_EQ(code(read_query_fields("files.list", "limit_bytes=MQ==")), "unknown_field");
    EXPECT_EQ(code(read_query_fields("files.list", "Path=a")), "unknown_field");
    EXPECT_EQ(code(read_query_fields("files.list", "&&recursive=false&")), "");
}

TEST(FieldReading, WrongTypesMissingAndUnknownFieldsAreRefused) {
    const Operation& write = *find_operation("files.write");
    EXPECT_EQ(code(read_fields(write, {{"path", "a"}, {"content", ""}})), "");
    EXPECT_EQ(code(read_fields(write, {{"path", "a"}})), "invalid_field");
    EXPECT_EQ(code(read_fields(write, {{"path", "a"}, {"content", nullptr}})), "invalid_field");
    EXPECT_EQ(code(read_fields(write, {{"path", "a"}, {"content", ""}, {"mode", -1}})), "invalid_field");
    EXPECT_EQ(code(read_fields(write, {{"path", "a"}, {"content", ""}, {"mode", 1.0}})), "invalid_field");
    EXPECT_EQ(code(read_fields(write, {{"path", "a\0b"s}, {"content", ""}})), "invalid_field");
    EXPECT_EQ(code(read_fields(write, {{"path", std::string(4097, 'a')}, {"content", ""}})), "name_too_long");
    EXPECT_EQ(code(read_fields(write, {{"path", "a"}, {"content", ""}, {"if_versoin", ""}})), "unknown_field");
    EXPECT_EQ(code(read_fields(*find_operation("files.edit"), {{"path", "a"}, {"edits", {1}}})), "invalid_field");
}

TEST(FieldReading, BytesStandInForAPath) {
    const Operation& stat = *find_operation("files.stat");
    const auto fields = read_fields(stat, {{"path_bytes", "/wA"}});
    EXPECT_EQ(code(fields), "invalid_field") << "holds a NUL";
    EXPECT_EQ(std::get<json>(read_fields(stat, {{"path_bytes", "Yf8="}}))["path"].get<std::string>(), "a\xff");
    EXPECT_EQ(code(read_fields(stat, {{"path_bytes", "a"}})), "invalid_field");
    EXPECT_EQ(code(read_fields(*find_operation("files.write"), {{"path", "a"}, {"content_bytes", ""}})),
              "unknown_field");
}

TEST(Base64, WhatIsEncodedIsDecodedAndNothingElse) {
    for (const std::string& bytes : {""s, "a"s, "ab"s, "abc"s, "\xff\xfe\x00"s, std::string(100, '\x81')}) {
        EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
        EXPECT_EQ(from_base64(to_base64_url(bytes)), bytes);
    }
    for (const char* wrong : {"a", "=", "YQ=", "YQ===", "YR==", "Y Q=", "YQ==YQ==", "ü"})
        EXPECT_EQ(from_base64(wrong), std::nullopt) << wrong;
}

}  // namespace
}  // namespace toren::broker
