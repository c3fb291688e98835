#include "broker/store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <ctime>
#include <fstream>
#include <sstream>

#include "broker/auth.h"
#include "tests/unit/temp_folder.h"

namespace toren::broker {
namespace {

std::int64_t now() { return std::time(nullptr); }

// A broker's store and its pairing; begin() again is a broker that was started again.
class AuthTest : public ::testing::Test {
protected:
    AuthTest() {
        settings_.pairing_pin = "123456";
        settings_.pairing_expires = static_cast<std::uint64_t>(now()) + 300;
        begin();
    }

    void begin() {
        auth_.reset();
        store_.reset();
        auto store = Store::open(folder_.path());
        ASSERT_TRUE(store) << store.error().text();
        store_ = std::move(*store);
        auto auth = Auth::begin(*store_, settings_);
        ASSERT_TRUE(auth) << auth.error().text();
        auth_ = std::move(*auth);
    }
    // The token, or "" where the PIN was refused.
    std::string pair(const std::string& pin) {
        const auto session = auth_->pair(pin, "a device");
        EXPECT_TRUE(session) << session.error().text();
        return session && *session ? (*session)->token : "";
    }
    // All that the store left on disk, closed, as one text.
    std::string bytes_on_disk() {
        auth_.reset();
        store_.reset();
        std::stringstream all;
        for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
            all << std::ifstream(entry.path(), std::ios::binary).rdbuf();
        return all.str();
    }

    TempFolder folder_;
    ipc::BrokerWelcome settings_;
    std::unique_ptr<Store> store_;
    std::optional<Auth> auth_;
};

TEST_F(AuthTest, APinGivesATokenThatIsKnownAfterwards) {
    const auto session = auth_->pair("123456", "a device");
    ASSERT_TRUE(session && *session);
    EXPECT_EQ((*session)->token.size(), 64U) << "256 bits in hexadecimal";
    EXPECT_EQ((*session)->token.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_EQ((*session)->token.find((*session)->id), std::string::npos) << "the public name says nothing about it";
    const auto identity = auth_->check_token((*session)->token);
    ASSERT_TRUE(identity);
    EXPECT_EQ(identity->session_id, (*session)->id);
}

TEST_F(AuthTest, APinWorksOnce) {
    EXPECT_NE(pair("123456"), "");
    EXPECT_EQ(pair("123456"), "");
    begin();
    EXPECT_EQ(pair("123456"), "") << "nor after the broker was started again";
}

TEST_F(AuthTest, APinWorksAsOftenAsTheOperatorSaid) {
    settings_.pairing_pin = "654321";
    settings_.pairing_uses = 3;
    begin();
    const std::string first = pair("654321");
    begin();
    const std::string second = pair("654321"), third = pair("654321");
    EXPECT_NE(third, "");
    EXPECT_NE(first, second);
    EXPECT_NE(second, third);
    EXPECT_EQ(pair("654321"), "");
}

TEST_F(AuthTest, FourWrongTriesLeaveThePinAndTheFifthEndsIt) {
    for (int i = 0; i < 4; ++i) EXPECT_EQ(pair("00000" + std::to_string(i)), "");
    EXPECT_NE(pair("123456"), "");

    settings_.pairing_pin = "222222";
    begin();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(pair("00000" + std::to_string(i)), "");
    EXPECT_EQ(pair("222222"), "") << "the right one comes too late";
}

TEST_F(AuthTest, WrongTriesAreCountedAcrossBrokersThatDie) {
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(pair("000000"), "");
        begin();
    }
    EXPECT_EQ(pair("123456"), "");
}

TEST_F(AuthTest, AnotherServeHasAPinOfItsOwnThatStartsAnew) {
    for (int i = 0; i < 5; ++i) EXPECT_EQ(pair("000000"), "");
    settings_.pairing_expires += 1;  // the same digits, minted again
    begin();
    EXPECT_NE(pair("123456"), "");
}

TEST_F(AuthTest, APinThatIsTooOldIsRefused) {
    settings_.pairing_expires = static_cast<std::uint64_t>(now());
    begin();
    EXPECT_EQ(pair("123456"), "");
    settings_.pairing_expires = static_cast<std::uint64_t>(now()) - 1000;
    begin();
    EXPECT_EQ(pair("123456"), "");
    settings_.pairing_expires = 0;
    begin();
    EXPECT_EQ(pair("123456"), "");
}

TEST_F(AuthTest, OnlyTheWholePinIsThePin) {
    using namespace std::string_literals;
    for (const std::string& wrong : {""s, "12345"s, "1234567"s, "123456 "s}) EXPECT_EQ(pair(wrong), "") << wrong;
    EXPECT_NE(pair("123456"), "") << "the control: after four others";
    settings_.pairing_pin = "777777";
    begin();
    EXPECT_EQ(pair("777777\0"s), "");
}

TEST_F(AuthTest, AnEmptyPinIsNeverAccepted) {
    settings_.pairing_pin = "";
    begin();
    EXPECT_EQ(pair(""), "");
    EXPECT_EQ(pair("123456"), "") << "nor the one of before";
}

TEST_F(AuthTest, TokensThatNobodyWasGivenAreRefused) {
    const std::string token = pair("123456");
    ASSERT_TRUE(auth_->check_token(token));
    std::string upper = token, changed = token;
    for (char& c : upper) c = static_cast<char>(std::toupper(c));
    changed.back() = changed.back() == '0' ? '1' : '0';
    if (upper != token) {
        EXPECT_FALSE(auth_->check_token(upper));
    }
    for (const std::string& wrong : {std::string(), changed, token.substr(1), token + "0", token + " ", " " + token,
                                     std::string(64, '0'), std::string(64, '%'), std::string("123456")})
        EXPECT_FALSE(auth_->check_token(wrong)) << wrong;
}

TEST_F(AuthTest, ATokenSurvivesTheBroker) {
    const std::string token = pair("123456");
    const auto before = auth_->check_token(token);
    begin();
    const auto after = auth_->check_token(token);
    ASSERT_TRUE(before && after);
    EXPECT_EQ(before->session_id, after->session_id);
}

TEST_F(AuthTest, ASessionEndsByAgeWhereTheOperatorSaysSo) {
    settings_.session_seconds = 3600;
    begin();
    const std::string token = pair("123456");
    EXPECT_TRUE(auth_->check_token(token)) << "a fresh one";
    // The same session made an hour ago: the clock that counts is in the store.
    sqlite3* database = nullptr;
    auth_.reset();
    store_.reset();
    ASSERT_EQ(sqlite3_open((folder_ / "toren.db").c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, "UPDATE session SET created_at = created_at - 3600", nullptr, nullptr, nullptr),
              SQLITE_OK);
    ASSERT_EQ(sqlite3_changes(database), 1);
    sqlite3_close(database);
    begin();
    EXPECT_FALSE(auth_->check_token(token));
    settings_.session_seconds = 0;
    begin();
    EXPECT_TRUE(auth_->check_token(token)) << "0: not by age";
}

TEST_F(AuthTest, NeitherTheTokenNorThePinIsOnDisk) {
    const auto session = auth_->pair("123456", "a device named so");
    ASSERT_TRUE(session && *session);
    const std::string disk = bytes_on_disk();
    EXPECT_NE(disk.find((*session)->id), std::string::npos) << "the control: what is stored is found";
    EXPECT_NE(disk.find("a device named so"), std::string::npos);
    EXPECT_EQ(disk.find((*session)->token), std::string::npos);
    EXPECT_EQ(disk.find("123456"), std::string::npos);
    std::string raw;
    for (std::size_t i = 0; i < 64; i += 2)
        raw += static_cast<char>(std::stoi((*session)->token.substr(i, 2), nullptr, 16));
    EXPECT_EQ(disk.find(raw), std::string::npos) << "nor its bytes";
}

TEST_F(AuthTest, ADeviceMayHaveAnyName) {
    using namespace std::string_literals;
    settings_.pairing_uses = 10;
    settings_.pairing_pin = "888888";
    begin();
    for (const std::string& name :
         {""s, "'; DROP TABLE session; --"s, "a\0b"s, std::string(100'000, 'n'), "\xC3\xA9"s}) {
        const auto session = auth_->pair("888888", name);
        ASSERT_TRUE(session && *session);
        EXPECT_TRUE(auth_->check_token((*session)->token));
    }
}

// --- the store alone

TEST(StoreTest, TheDatabaseIsForItsOwnerAlone) {
    const TempFolder folder;
    const mode_t before = ::umask(0077);  // as the broker has it
    auto store = Store::open(folder.path());
    ::umask(before);
    ASSERT_TRUE(store);
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        struct stat about {};
        ASSERT_EQ(::stat(entry.path().c_str(), &about), 0);
        EXPECT_EQ(about.st_mode & 0777, 0600U) << entry.path();
        ++files;
    }
    EXPECT_GE(files, 2) << "the database and its log";
}

TEST(StoreTest, ASchemaOfANewerProgramIsRefused) {
    const TempFolder folder;
    ASSERT_TRUE(Store::open(folder.path()));
    ASSERT_TRUE(Store::open(folder.path())) << "the control: its own is opened again";
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((folder / "toren.db").c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, "PRAGMA user_version=1000", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
    const auto store = Store::open(folder.path());
    ASSERT_FALSE(store);
    EXPECT_NE(store.error().text().find("version 1000, newer than this program"), std::string::npos)
        << store.error().text();
}

TEST(StoreTest, AFileThatIsNoDatabaseIsRefusedAndKept) {
    const TempFolder folder;
    const std::string text(5000, 'x');
    folder.file("toren.db", text);
    EXPECT_FALSE(Store::open(folder.path()));
    std::stringstream kept;
    kept << std::ifstream(folder / "toren.db").rdbuf();
    EXPECT_EQ(kept.str(), text);
}

TEST(StoreTest, AFolderThatIsMissingIsAnErrorThatNamesTheStore) {
    const TempFolder folder;
    const auto store = Store::open(folder / "missing");
    ASSERT_FALSE(store);
    EXPECT_NE(store.error().text().find("store"), std::string::npos) << store.error().text();
}

TEST(StoreTest, TwoBrokersDoNotShareADatabase) {
    const TempFolder folder;
    const auto first = Store::open(folder.path());
    ASSERT_TRUE(first);
    EXPECT_FALSE(Store::open(folder.path()));
}

TEST(StoreTest, OnlyTheNewestPairingIsKeptAndItsCountsStay) {
    const TempFolder folder;
    auto store = std::move(*Store::open(folder.path()));
    ASSERT_TRUE(store->begin_pairing("one", {100, 1, 5}));
    ASSERT_TRUE(store->update_pairing("one", {100, 1, 2}));
    ASSERT_TRUE(store->begin_pairing("one", {100, 1, 5}));
    ASSERT_TRUE(store->find_pairing("one"));
    EXPECT_EQ(store->find_pairing("one")->tries_left, 2);
    ASSERT_TRUE(store->begin_pairing("two", {200, 1, 5}));
    EXPECT_FALSE(store->find_pairing("one"));
    EXPECT_EQ(store->find_pairing("two")->expires_at, 200);
}

TEST(StoreTest, AHashIsComparedWholeWithItsZeroBytes) {
    using namespace std::string_literals;
    const TempFolder folder;
    auto store = std::move(*Store::open(folder.path()));
    ASSERT_TRUE(store->add_session({"s", "ab\0cd"s, 7}, "name"));
    EXPECT_FALSE(store->find_session("ab"));
    EXPECT_FALSE(store->find_session("ab\0ce"s));
    const auto session = store->find_session("ab\0cd"s);
    ASSERT_TRUE(session);
    EXPECT_EQ(session->id, "s");
    EXPECT_EQ(session->token_hash, "ab\0cd"s);
    EXPECT_EQ(session->created_at, 7);
    EXPECT_FALSE(store->add_session({"other", "ab\0cd"s, 8}, "name")) << "one hash, one session";
    EXPECT_FALSE(store->add_session({"s", "else", 8}, "name")) << "one id, one session";
}

}  // namespace
}  // namespace toren::broker
