// Ranges and conditions of HTTP.
#include "broker/http_conditions.h"

#include <gmock/gmock.h>

namespace toren::broker {
namespace {

struct RangeCase {
    const char* header;
    std::uint64_t size;
    ByteRange::Kind kind;
    std::uint64_t first, length;
};

TEST(ByteRanges, OneRangeOfBytesOrNone) {
    using enum ByteRange::Kind;
    for (const auto& [header, size, kind, first, length] :
         {RangeCase{"bytes=0-0", 10, kPart, 0, 1}, RangeCase{"bytes=2-", 10, kPart, 2, 8},
          RangeCase{"BYTES= 2 - 99", 10, kPart, 2, 8}, RangeCase{"bytes=-4", 10, kPart, 6, 4},
          RangeCase{"bytes=-99", 10, kPart, 0, 10}, RangeCase{"bytes=-0", 10, kUnsatisfiable, 0, 0},
          RangeCase{"bytes=10-", 10, kUnsatisfiable, 0, 0}, RangeCase{"bytes=0-", 0, kUnsatisfiable, 0, 0},
          RangeCase{"bytes=-1", 0, kUnsatisfiable, 0, 0}, RangeCase{"", 10, kWhole, 0, 0},
          RangeCase{"bytes=", 10, kWhole, 0, 0}, RangeCase{"bytes=-", 10, kWhole, 0, 0},
          RangeCase{"bytes=5-4", 10, kWhole, 0, 0}, RangeCase{"bytes=1-2,4-5", 10, kWhole, 0, 0},
          RangeCase{"bytes=+1-2", 10, kWhole, 0, 0}, RangeCase{"bytes=0x1-2", 10, kWhole, 0, 0},
          RangeCase{"lines=1-2", 10, kWhole, 0, 0}, RangeCase{"bytes=18446744073709551616-", 10, kWhole, 0, 0},
          RangeCase{"bytes=0-18446744073709551615", 10, kPart, 0, 10}}) {
        const ByteRange range = byte_range(header, size);
        EXPECT_EQ(range.kind, kind) << header;
        EXPECT_EQ(range.first, first) << header;
        EXPECT_EQ(range.length, length) << header;
    }
}

TEST(EntityTags, AreComparedWholeAndWeaklyOnlyWhereAsked) {
    EXPECT_TRUE(names_tag("\"a\"", "\"a\"", false));
    EXPECT_TRUE(names_tag(" \"x\" ,, \"a\"", "\"a\"", false));
    EXPECT_TRUE(names_tag("*", "\"a\"", false));
    EXPECT_TRUE(names_tag("W/\"a\"", "\"a\"", true));
    EXPECT_FALSE(names_tag("W/\"a\"", "\"a\"", false));
    for (const char* other : {"", "a", "\"A\"", "\"a", "\"a\"x", "\"a,\"", "w/\"a\""})
        EXPECT_FALSE(names_tag(other, "\"b\"", true)) << other;
}

TEST(HttpDate, IsOfTheOneForm) {
    EXPECT_EQ(http_date(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(http_date(-1), "Wed, 31 Dec 1969 23:59:59 GMT");
    EXPECT_EQ(http_date(std::int64_t{1} << 40), "");
}

TEST(ContentDisposition, CannotBreakOutOfItsHeader) {
    EXPECT_EQ(content_disposition("a.txt"), "attachment; filename=\"a.txt\"");
    EXPECT_EQ(content_disposition("a\r\nX: y\"\\"),
              "attachment; filename=\"a__X: y__\"; filename*=UTF-8''a%0D%0AX%3A%20y%22%5C");
    EXPECT_EQ(content_disposition("\xff"), "attachment; filename=\"_\"");
}

}  // namespace
}  // namespace toren::broker
