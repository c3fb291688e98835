#include "ipc/codec.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

#include "ipc/channel.h"
#include "tests/unit/all_messages.h"

namespace toren::ipc {
namespace {

// Calls `visit` with a value of every message type; an expectation that fails inside names the type.
template <typename Visit>
void for_each_message(Visit visit) {
    std::apply(
        [&](auto... message) {
            const auto one = [&](auto value) {
                SCOPED_TRACE("type " + std::to_string(static_cast<int>(value.kType)));
                visit(value);
            };
            (one(message), ...);
        },
        Messages{});
}

using Random = std::mt19937_64;

template <typename T>
void randomise(std::vector<T>& values, Random& random);
template <typename T>
bool same(const std::vector<T>& a, const std::vector<T>& b);

// Fills a record's fields with values that are valid, whatever they are.
template <typename T>
void randomise(T& value, Random& random) {
    if constexpr (std::is_same_v<T, std::string>) {
        value.resize(random() % 4 == 0 ? 0 : random() % 24);
        for (char& c : value) c = static_cast<char>(random());
    } else if constexpr (std::is_same_v<T, bool>) {
        value = random() % 2 == 1;
    } else if constexpr (Record<T>) {
        std::apply([&](auto&... field) { (randomise(field, random), ...); }, value.fields());
    } else if constexpr (std::is_enum_v<T>) {
        value = static_cast<T>(random() % (static_cast<unsigned>(T::kLast) + 1));
    } else {
        value = static_cast<T>(random());
    }
}
template <typename T>
void randomise(std::vector<T>& values, Random& random) {
    values.resize(random() % 5);
    for (T& value : values) randomise(value, random);
}

template <typename T>
bool same(const T& a, const T& b) {
    if constexpr (Record<T>) {
        const auto left = const_cast<T&>(a).fields(), right = const_cast<T&>(b).fields();
        return [&]<std::size_t... I>(std::index_sequence<I...>) {
            return (same(std::get<I>(left), std::get<I>(right)) && ...);
        }
        (std::make_index_sequence<std::tuple_size_v<decltype(left)>>{});
    } else {
        return a == b;
    }
}
template <typename T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const T& x, const T& y) { return same(x, y); });
}

template <typename T>
std::string encoded(const T& value) {
    std::string bytes;
    Writer(bytes).write(value);
    return bytes;
}

template <typename T>
std::optional<T> decoded(std::string bytes) {
    Packet packet;
    packet.type = T::kType;
    packet.payload = std::move(bytes);
    return packet.as<T>();
}

std::string little_endian(std::uint32_t number) { return encoded(number); }

TEST(CodecTest, EveryMessageComesBackAsItWasWritten) {
    Random random(1);
    for_each_message([&](auto message) {
        using Message = decltype(message);
        for (int round = 0; round < 200; ++round) {
            randomise(message, random);
            const auto back = decoded<Message>(encoded(message));
            ASSERT_TRUE(back);
            ASSERT_TRUE(same(message, *back));
        }
    });
}

TEST(CodecTest, TheBytesAreLittleEndianAndLengthPrefixedInTheOrderOfTheFields) {
    using namespace std::string_literals;
    EXPECT_EQ(encoded(CreateSegment{"ab", "c"}), "\x02\0\0\0ab\x01\0\0\0c"s);
    EXPECT_EQ(encoded(Consumed{0x0102030405060708}), "\x08\x07\x06\x05\x04\x03\x02\x01"s);
    EXPECT_EQ(encoded(ServiceStarted{Service::kVcs, 7, -2}), "\x01\x07\0\0\0\xfe\xff\xff\xff"s);
    EXPECT_EQ(encoded(StatFile{"", true}), "\0\0\0\0\x01"s);
    EXPECT_EQ(encoded(Start{{"x", ""}, {}, "."}), "\x02\0\0\0\x01\0\0\0x\0\0\0\0\0\0\0\0\x01\0\0\0.\0"s);
    EXPECT_EQ(encoded(Retire{}), "");
}

TEST(CodecTest, ExtremeNumbersComeBackWithTheirSign) {
    const auto exited =
        decoded<Exited>(encoded(Exited{std::numeric_limits<std::int32_t>::min(), -1, StartStep::kLast,
                                       std::numeric_limits<std::int32_t>::max(), toren::EndedBy::kLast, UINT64_MAX}));
    ASSERT_TRUE(exited);
    EXPECT_EQ(exited->code, std::numeric_limits<std::int32_t>::min());
    EXPECT_EQ(exited->signal, -1);
    EXPECT_EQ(exited->failed_step, StartStep::kLast);
    EXPECT_EQ(exited->start_errno, std::numeric_limits<std::int32_t>::max());
    EXPECT_EQ(exited->place, UINT64_MAX);

    ListEntry entry, back;
    entry.facts.size = UINT64_MAX;
    entry.facts.modified_ns = std::numeric_limits<std::int64_t>::min();
    const std::string bytes = encoded(entry);
    Reader reader(bytes);
    EXPECT_TRUE(reader.read(back) && reader.at_end() && same(entry, back));
}

TEST(CodecTest, RecordsInAChunkAreReadOneAfterAnother) {
    Random random(2);
    std::vector<VcsChange> entries;
    std::string bytes;
    for (int i = 0; i < 100; ++i) {
        randomise(entries.emplace_back(), random);
        Writer(bytes).write(entries.back());
    }
    Reader reader(bytes);
    for (const VcsChange& entry : entries) {
        VcsChange back;
        ASSERT_TRUE(reader.read(back));
        ASSERT_TRUE(same(entry, back));
    }
    EXPECT_TRUE(reader.at_end());
    VcsChange none;
    EXPECT_FALSE(reader.read(none));
}

TEST(CodecTest, AMessageCutShortAnywhereIsRefused) {
    Random random(3);
    for_each_message([&](auto message) {
        using Message = decltype(message);
        for (int round = 0; round < 20; ++round) {
            randomise(message, random);
            const std::string whole = encoded(message);
            for (std::size_t length = 0; length < whole.size(); ++length)
                ASSERT_FALSE(decoded<Message>(whole.substr(0, length))) << length << " of " << whole.size();
        }
    });
}

TEST(CodecTest, ABytePastTheEndIsRefused) {
    Random random(4);
    for_each_message([&](auto message) {
        using Message = decltype(message);
        for (int round = 0; round < 20; ++round) {
            randomise(message, random);
            ASSERT_FALSE(decoded<Message>(encoded(message) + '\0'));
            ASSERT_FALSE(decoded<Message>(encoded(message) + "and more"));
        }
    });
}

TEST(CodecTest, APacketIsReadOnlyAsTheTypeThatItSays) {
    Packet packet;
    packet.type = Type::kOpenCell;
    packet.payload = encoded(OpenCell{"app"});
    EXPECT_TRUE(packet.as<OpenCell>());
    EXPECT_FALSE(packet.as<CellFailed>()) << "the same fields, but another message";
    EXPECT_FALSE(packet.as<VcsStatus>());
}

TEST(CodecTest, ALengthThatLiesIsRefusedBeforeAnythingIsAllocated) {
    for (const std::uint32_t length : {std::uint32_t{4}, std::uint32_t{0x7fffffff}, std::uint32_t{0xffffffff}}) {
        const std::string bytes = little_endian(length) + "abc";
        std::string text;
        const auto before = text.capacity();
        Reader reader(bytes);
        EXPECT_FALSE(reader.read(text));
        EXPECT_EQ(text.capacity(), before);
        EXPECT_FALSE(decoded<OpenCell>(bytes));
    }
    EXPECT_TRUE(decoded<OpenCell>(little_endian(3) + "abc")) << "the control: the honest length";
}

TEST(CodecTest, ACountThatLiesIsRefusedBeforeAnythingIsAllocated) {
    for (const std::uint32_t count : {std::uint32_t{5}, std::uint32_t{0x7fffffff}, std::uint32_t{0xffffffff}}) {
        const std::string bytes = little_endian(count) + std::string(4, '\0');
        std::vector<std::string> texts;
        std::vector<SegmentEntry> segments;
        EXPECT_FALSE(Reader(bytes).read(texts));
        EXPECT_FALSE(Reader(bytes).read(segments));
        EXPECT_EQ(texts.capacity(), 0U);
        EXPECT_EQ(segments.capacity(), 0U);
        EXPECT_FALSE(decoded<Start>(bytes));
        EXPECT_FALSE(decoded<SegmentList>(bytes));
    }
    std::vector<std::string> texts;
    const std::string honest = little_endian(1) + std::string(4, '\0');
    EXPECT_TRUE(Reader(honest).read(texts)) << "the control: the honest count";
}

TEST(CodecTest, ACountThatOnlyItsFirstByteHoldsAllocatesNoMoreThanWhatCame) {
    // As many elements claimed as there are bytes: only a quarter of them can be there.
    const std::string bytes = little_endian(100'000) + std::string(100'000, '\0');
    std::vector<std::string> texts;
    EXPECT_FALSE(Reader(bytes).read(texts));
    EXPECT_LE(texts.size(), 25'001U);
    EXPECT_LE(texts.capacity(), 2 * 25'001U);
}

TEST(CodecTest, AnEnumeratorOutOfRangeIsRefused) {
    using namespace std::string_literals;
    for (int number = 0; number < 256; ++number) {
        const std::string byte(1, static_cast<char>(number));
        EXPECT_EQ(decoded<StartService>(byte + little_endian(0)).has_value(),
                  number <= static_cast<int>(Service::kLast))
            << number;
        EXPECT_EQ(decoded<Done>(byte + std::string(12, '\0')).has_value(), number <= static_cast<int>(Failure::kLast))
            << number;
        EXPECT_EQ(decoded<Exited>(std::string(8, '\0') + byte + std::string(45, '\0')).has_value(),
                  number <= static_cast<int>(StartStep::kLast))
            << number;
        VcsChange change;
        const std::string paths(8, '\0'), submodule(1, '\0');
        const std::string index = paths + byte + "\0\0"s + submodule, conflict = paths + "\0\0"s + byte + submodule;
        EXPECT_EQ(Reader(index).read(change), number <= static_cast<int>(VcsState::kLast)) << number;
        EXPECT_EQ(Reader(conflict).read(change), number <= static_cast<int>(VcsConflict::kLast)) << number;
    }
}

TEST(CodecTest, ABoolIsZeroOrOneAndNothingElse) {
    for (int number = 0; number < 256; ++number) {
        const auto message = decoded<StatFile>(little_endian(0) + static_cast<char>(number));
        ASSERT_EQ(message.has_value(), number <= 1) << number;
        if (message) {
            EXPECT_EQ(message->follow, number == 1);
        }
    }
}

TEST(CodecTest, HostilePayloadsEitherFailOrAreExactlyWhatTheyParseTo) {
    // Random bytes rarely get past the first length, so half of the payloads are valid ones with a few bytes changed.
    constexpr int kPayloads = 200'000;
    Random random(5);
    for_each_message([&](auto message) {
        using Message = decltype(message);
        int parsed = 0;
        for (int round = 0; round < kPayloads; ++round) {
            std::string bytes;
            if (round % 2 == 0) {
                bytes.resize(random() % 64);
                for (char& c : bytes)
                    c = random() % 2 == 0 ? static_cast<char>(random() % 3) : static_cast<char>(random());
            } else {
                if (round % 64 == 1) randomise(message, random);
                bytes = encoded(message);
                for (auto changes = random() % 3; changes > 0 && !bytes.empty(); --changes)
                    bytes[random() % bytes.size()] = static_cast<char>(random() % 4 == 0 ? 0xff : random());
                if (random() % 8 == 0) bytes.resize(random() % (bytes.size() + 8));
            }
            const auto back = decoded<Message>(bytes);
            if (!back) continue;
            ++parsed;
            ASSERT_EQ(encoded(*back), bytes) << "two encodings of one message";
        }
        EXPECT_GT(parsed, 100) << "the payloads never reach the end of a message";
    });
}

}  // namespace
}  // namespace toren::ipc
