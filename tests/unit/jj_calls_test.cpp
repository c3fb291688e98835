// broker/jj_calls.h: what reaches jj, word by word, and that no text of a client is ever an option.
#include "broker/jj_calls.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "broker/operation.h"

namespace toren::broker {
namespace {

using nlohmann::json;
using ::testing::ElementsAreArray;
using Words = std::vector<std::string>;

class JjCallsTest : public ::testing::Test {
protected:
    // Without what every call has in front, and without the template.
    static Words words(const char* name, const json& fields, bool snapshot = true) {
        auto all = jj_arguments(jj_call(name), fields, snapshot);
        if (const auto* refused = std::get_if<Problem>(&all)) return {"refused", refused->code, refused->detail};
        Words rest = std::get<Words>(std::move(all));
        EXPECT_THAT(Words(rest.begin(), rest.begin() + 5),
                    ElementsAreArray({"jj", "--no-pager", "--color=never", "--config=ui.log-word-wrap=false",
                                      "--config=fsmonitor.backend=none"}));
        rest.erase(rest.begin(), rest.begin() + 5);
        std::erase_if(rest, [](const auto& word) { return word.starts_with("--template="); });
        return rest;
    }
};

TEST_F(JjCallsTest, EveryOperationHasARowThatSaysWhetherItChanges) {
    std::set<std::string> names;
    for (const JjCall& call : jj_calls()) {
        EXPECT_TRUE(names.insert(call.name).second) << call.name;
        EXPECT_EQ(call.changes, call.print == nullptr && call.name != std::string("jj.diff git")) << call.name;
    }
    for (const Operation& operation : jj_operations()) {
        ASSERT_TRUE(names.contains(operation.name)) << operation.name;
        EXPECT_EQ(jj_call(operation.name).changes, operation.need == Need::kOperator) << operation.name;
        EXPECT_EQ(std::string(operation.method) == "GET", operation.need == Need::kViewer) << operation.name;
    }
}

TEST_F(JjCallsTest, EveryFieldOfARowIsOneOfItsOperation) {
    // Made by the handlers, not by clients.
    const std::set<std::string> made = {"destination"};
    for (const Operation& operation : jj_operations())
        for (const JjArgument& row : jj_call(operation.name).arguments) {
            const bool known = std::ranges::any_of(
                operation.fields, [&](const FieldRow& field) { return field.name == std::string(row.field); });
            EXPECT_TRUE(known || made.contains(row.field)) << operation.name << " " << row.field;
        }
}

TEST_F(JjCallsTest, AReadWithoutASnapshotNamesTheOperationAndLeavesTheWorkingCopy) {
    EXPECT_THAT(words("jj.status", json::object(), false),
                ElementsAreArray(
                    {"--ignore-working-copy", "--at-operation=@", "log", "--no-graph", "--limit=1", "--revisions=@"}));
    EXPECT_THAT(words("jj.status", json::object()),
                ElementsAreArray({"log", "--no-graph", "--limit=1", "--revisions=@"}));
}

TEST_F(JjCallsTest, Reads) {
    EXPECT_THAT(words("jj.show", {{"revision", "main-"}}),
                ElementsAreArray({"log", "--no-graph", "--limit=2", "--revisions=main-"}));
    EXPECT_THAT(
        words("jj.log", {{"revset", "::@"}, {"limit", 11u}, {"files", {"src", "a b"}}}),
        ElementsAreArray({"log", "--no-graph", "--revisions=::@", "--limit=11", "--", "root:\"src\"", "root:\"a b\""}));
    EXPECT_THAT(words("jj.diff", {{"from", "a"}, {"to", "b"}}), ElementsAreArray({"diff", "--from=a", "--to=b"}));
    EXPECT_THAT(words("jj.diff git", {{"revision", "@-"}, {"context", 0u}, {"files", {"x"}}}),
                ElementsAreArray({"diff", "--git", "--revisions=@-", "--context=0", "--", "root:\"x\""}));
    EXPECT_THAT(words("jj.bookmarks", json::object()), ElementsAreArray({"bookmark", "list", "--all-remotes"}));
    EXPECT_THAT(words("jj.operations", {{"limit", 2u}}),
                ElementsAreArray({"operation", "log", "--no-graph", "--limit=2"}));
    EXPECT_THAT(words("jj.workspaces", json::object()), ElementsAreArray({"workspace", "list"}));
}

TEST_F(JjCallsTest, Changes) {
    EXPECT_THAT(words("jj.describe", {{"message", "one\n\ntwo"}, {"revision", "@-"}}),
                ElementsAreArray({"describe", "--message=one\n\ntwo", "--", "@-"}));
    EXPECT_THAT(words("jj.describe", {{"message", ""}}), ElementsAreArray({"describe", "--message="}));
    EXPECT_THAT(words("jj.new", {{"parents", {"main", "side"}}, {"message", "m"}, {"edit", false}}),
                ElementsAreArray({"new", "--message=m", "--no-edit", "--", "main", "side"}));
    EXPECT_THAT(words("jj.new", {{"insert_after", {"a", "b"}}, {"insert_before", {"c"}}, {"edit", true}}),
                ElementsAreArray({"new", "--insert-after=a", "--insert-after=b", "--insert-before=c"}));
    EXPECT_THAT(words("jj.squash", {{"from", {"a"}}, {"into", "b"}, {"keep_emptied", true}, {"files", {"f"}}}),
                ElementsAreArray({"squash", "--from=a", "--into=b", "--keep-emptied", "--", "root:\"f\""}));
    EXPECT_THAT(words("jj.squash", {{"use_destination_message", true}, {"keep_emptied", false}}),
                ElementsAreArray({"squash", "--use-destination-message"}));
    EXPECT_THAT(words("jj.bookmark.create", {{"name", "main"}, {"revision", "@-"}}),
                ElementsAreArray({"bookmark", "create", "--revision=@-", "--", "\"main\""}));
    EXPECT_THAT(words("jj.bookmark.set", {{"name", "main"}, {"allow_backwards", true}}),
                ElementsAreArray({"bookmark", "set", "--allow-backwards", "--", "\"main\""}));
    EXPECT_THAT(words("jj.bookmark.move", {{"name", "main"}, {"from", "a"}, {"to", "b"}}),
                ElementsAreArray({"bookmark", "move", "--from=a", "--to=b", "--", "exact:\"main\""}));
    EXPECT_THAT(words("jj.bookmark.delete", {{"name", "*"}}),
                ElementsAreArray({"bookmark", "delete", "--", "exact:\"*\""}));
    EXPECT_THAT(words("jj.undo", json::object()), ElementsAreArray({"undo"}));
    EXPECT_THAT(words("jj.redo", json::object()), ElementsAreArray({"redo"}));
    EXPECT_THAT(words("jj.operation.restore", {{"operation", "f63ee1"}}),
                ElementsAreArray({"operation", "restore", "--", "f63ee1"}));
    EXPECT_THAT(words("jj.workspace.add", {{"destination", "/w/second"}, {"name", "n"}, {"revisions", {"a", "b"}}}),
                ElementsAreArray({"workspace", "add", "--name=n", "--revision=a", "--revision=b", "--", "/w/second"}));
    EXPECT_THAT(words("jj.workspace.forget", {{"name", "n"}}), ElementsAreArray({"workspace", "forget", "--", "n"}));
    EXPECT_THAT(words("jj.workspace.update_stale", json::object()), ElementsAreArray({"workspace", "update-stale"}));
}

// Each field of each call, with texts that would be options, patterns or the end of a literal.
TEST_F(JjCallsTest, NoTextOfAClientIsAnOption) {
    for (const std::string text : {"--config=ui.editor=sh", "-R/", "--", "-", "--at-operation=x", "a\nb", "\"", "\\"})
        for (const JjCall& call : jj_calls())
            for (const JjArgument& row : call.arguments) {
                // A boolean: its text is the table's.
                if (row.option != nullptr && !std::string(row.option).ends_with('=')) continue;
                const auto arguments = jj_arguments(call, {{row.field, text}}, true);
                const auto plain = jj_arguments(call, json::object(), true);
                ASSERT_TRUE(std::holds_alternative<Words>(arguments)) << call.name << row.field;
                const auto &with = std::get<Words>(arguments), &without = std::get<Words>(plain);
                Words more(with.begin() + static_cast<std::ptrdiff_t>(without.size()), with.end());
                ASSERT_TRUE(std::ranges::equal(
                    without, Words(with.begin(), with.begin() + static_cast<std::ptrdiff_t>(without.size()))));
                if (row.option == nullptr) {
                    ASSERT_EQ(more.size(), 2u) << call.name << row.field;
                    EXPECT_EQ(more[0], "--");
                } else {
                    ASSERT_EQ(more.size(), 1u) << call.name << row.field;
                    EXPECT_TRUE(more[0].starts_with(row.option)) << call.name << row.field;
                }
            }
}

TEST_F(JjCallsTest, AQuotedTextEndsWhereItsLiteralEnds) {
    EXPECT_EQ(words("jj.bookmark.delete", {{"name", R"(a" | ~"\)"}}).back(), R"(exact:"a\" | ~\"\\")");
    EXPECT_EQ(words("jj.log", {{"files", {R"(x")"}}}).back(), R"(root:"x\"")");
    EXPECT_EQ(words("jj.bookmark.set", {{"name", "with space"}}).back(), R"("with space")");
}

TEST_F(JjCallsTest, WhatCannotReachJjIsRefused) {
    EXPECT_EQ(words("jj.describe", {{"message", std::string("a\0b", 3)}})[1], "invalid_field");
    EXPECT_EQ(words("jj.show", {{"revision", ""}})[1], "invalid_field");
    EXPECT_EQ(words("jj.log", {{"files", {""}}})[1], "invalid_field");
    EXPECT_EQ(words("jj.describe", {{"message", std::string(64 * 1024 + 1, 'a')}})[1], "invalid_field");
    EXPECT_EQ(words("jj.describe", {{"message", std::string(64 * 1024, 'a')}})[0], "describe");
    const json three = {std::string(60'000, 'a'), std::string(60'000, 'a'), std::string(60'000, 'a')};
    EXPECT_EQ(words("jj.log", {{"files", three}})[1], "invalid_field");
    EXPECT_EQ(words("jj.log", {{"files", json(1001, "a")}})[1], "invalid_field");
}

// A stray quote or bracket in a template would be an error of each call: what is in strings aside, they are in pairs.
TEST_F(JjCallsTest, TemplatesAreWellFormedAndPrintOneLine) {
    for (const JjCall& call : jj_calls()) {
        if (call.print == nullptr) continue;
        const std::string text = call.print();
        std::string open, printed;
        char quote = 0;
        for (std::size_t i = 0; i < text.size(); ++i) {
            const char c = text[i];
            if (quote != 0) {
                if (quote == '"' && c == '\\') {
                    ++i;
                    printed += text[i] == 'n' ? '\n' : text[i];
                } else if (c == quote) {
                    quote = 0;
                } else {
                    printed += c;
                }
            } else if (c == '"' || c == '\'') {
                quote = c;
            } else if (c == '(') {
                open += c;
            } else if (c == ')') {
                ASSERT_FALSE(open.empty()) << text;
                open.pop_back();
                if (open.empty()) continue;
            }
        }
        EXPECT_EQ(quote, 0) << text;
        EXPECT_EQ(open, "") << text;
        EXPECT_EQ(std::ranges::count(printed, '\n'), 1) << text;
        EXPECT_TRUE(printed.ends_with("}\n")) << text;
        EXPECT_EQ(std::ranges::count(printed, '{'), std::ranges::count(printed, '}')) << text;
        EXPECT_EQ(std::ranges::count(printed, '['), std::ranges::count(printed, ']')) << text;
    }
}

}  // namespace
}  // namespace toren::broker
