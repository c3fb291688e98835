#include "broker/origin.h"

#include <gtest/gtest.h>

namespace toren::broker {
namespace {

ipc::BrokerWelcome settings() {
    ipc::BrokerWelcome settings;
    settings.allowed_hosts = {"toren.example.org", "Box.Local"};
    settings.allowed_origins = {"https://app.example.org", "http://Dev.Example.org:5173"};
    return settings;
}

struct HostCase {
    const char* host;
    bool allowed;
    const char* why;
};

constexpr HostCase kHosts[] = {
    {"localhost", true, "its own name"},
    {"localhost:8787", true, "with a port"},
    {"LocalHost:8787", true, "in any case"},
    {"127.0.0.1", true, "an address: nobody's DNS made it"},
    {"127.0.0.1:8787", true, "an address with a port"},
    {"192.168.1.20:8787", true, "another address of this machine"},
    {"0.0.0.0:8787", true, "the address of every interface"},
    {"[::1]", true, "IPv6"},
    {"[::1]:8787", true, "IPv6 with a port"},
    {"[FE80::1]:8787", true, "IPv6 in capitals"},
    {"[::ffff:127.0.0.1]:8787", true, "IPv4 in IPv6"},
    {"toren.example.org", true, "a name that the operator allowed"},
    {"toren.example.org:443", true, "with a port"},
    {"TOREN.example.ORG", true, "in any case"},
    {"box.local", true, "allowed in another case"},

    {"", false, "no host"},
    {":8787", false, "a port alone"},
    {"evil.com", false, "a name that an attacker's DNS owns"},
    {"evil.com:8787", false, "with our port"},
    {"localhost.evil.com", false, "begins like ours"},
    {"localhost.evil.com:8787", false, "begins like ours, with a port"},
    {"evil.localhost", false, "ends like ours"},
    {"evillocalhost", false, "ends like ours without a dot"},
    {"localhost.", false, "a dot at the end: another name to a browser's cookies and origins"},
    {"127.0.0.1.nip.io", false, "a name that DNS makes this address"},
    {"127.0.0.1.nip.io:8787", false, "with our port"},
    {"127.0.0.1.", false, "an address with a dot at the end is a name"},
    {"127.1", false, "a short form: a browser sends the long one"},
    {"2130706433", false, "an address as a number"},
    {"0x7f000001", false, "an address in hexadecimal"},
    {"0177.0.0.1", false, "an address in octal"},
    {"127.0.0.256", false, "no address"},
    {"::1", false, "IPv6 without its brackets"},
    {"[::1", false, "a bracket that is not closed"},
    {"[]", false, "nothing in brackets"},
    {"[evil.com]", false, "a name in brackets"},
    {"[localhost.evil.com]", false, "another"},
    {"fe80::1%eth0", false, "a zone"},
    {"xtoren.example.org", false, "ends like an allowed name"},
    {"a.toren.example.org", false, "below an allowed name"},
    {"toren.example.org.evil.com", false, "begins like an allowed name"},
    {"toren.example", false, "a part of an allowed name"},
    {" localhost", false, "a space"},
    {"localhost ", false, "a space after it"},
    {"user@localhost", false, "a user before it"},
    {"localhost/", false, "a path"},
    {"localhost,evil.com", false, "two hosts"},
    {"*", false, "a star is a name like any other"},
};

TEST(OriginTest, AHostIsAnAddressLocalhostOrAnAllowedNameAndNothingElse) {
    for (const auto& [host, allowed, why] : kHosts)
        EXPECT_EQ(host_allowed(host, settings()), allowed) << host << ": " << why;
}

TEST(OriginTest, WithoutAllowedNamesOnlyAddressesAndLocalhostAreLeft) {
    const ipc::BrokerWelcome none;
    EXPECT_TRUE(host_allowed("127.0.0.1:1", none));
    EXPECT_TRUE(host_allowed("localhost", none));
    EXPECT_FALSE(host_allowed("toren.example.org", none));
    EXPECT_FALSE(host_allowed("", none));
}

TEST(OriginTest, AnEmptyAllowedNameAllowsNoEmptyHost) {
    // What would come of `allowed_hosts = [""]`: a request without a host must not be let in by it.
    ipc::BrokerWelcome settings;
    settings.allowed_hosts = {"box"};
    EXPECT_FALSE(host_allowed("", settings));
    EXPECT_FALSE(host_allowed("[", settings));
}

TEST(OriginTest, WhatStandsAfterTheBracketsOfAnAddressIsAPortOrTheHostIsRefused) {
    for (const char* host : {"[::1].evil.com", "[::1]evil.com:8787", "[::1]@evil.com", "[::1]]"})
        EXPECT_FALSE(host_allowed(host, settings())) << host;
}

TEST(OriginTest, WhatStandsAfterTheColonIsAPortOrTheHostIsRefused) {
    for (const char* host :
         {"localhost:evil.com", "127.0.0.1:80:evil.com", "localhost:8787.evil.com", "localhost:8787/"})
        EXPECT_FALSE(host_allowed(host, settings())) << host;
}

struct OriginCase {
    const char* origin;
    const char* host;
    OriginKind kind;
    const char* why;
};

constexpr OriginCase kOrigins[] = {
    {"", "localhost:8787", OriginKind::kNone, "no browser's page sent it"},
    {"http://localhost:8787", "localhost:8787", OriginKind::kSame, "our own page"},
    {"HTTP://LOCALHOST:8787", "localhost:8787", OriginKind::kSame, "in any case"},
    {"http://localhost:8787", "LocalHost:8787", OriginKind::kSame, "in any case"},
    {"https://toren.example.org", "toren.example.org", OriginKind::kSame, "behind TLS"},
    {"http://[::1]:8787", "[::1]:8787", OriginKind::kSame, "IPv6"},
    {"https://app.example.org", "localhost:8787", OriginKind::kAllowed, "named by the operator"},
    {"HTTPS://App.Example.ORG", "localhost:8787", OriginKind::kAllowed, "in any case"},
    {"http://dev.example.org:5173", "localhost:8787", OriginKind::kAllowed, "named in another case"},

    {"null", "localhost:8787", OriginKind::kForeign, "a sandboxed frame or a file"},
    {"null", "null", OriginKind::kForeign, "whatever the host says"},
    {"http://evil.com", "localhost:8787", OriginKind::kForeign, "another site"},
    {"http://localhost", "localhost:8787", OriginKind::kForeign, "another port is another origin"},
    {"http://localhost:3000", "localhost:8787", OriginKind::kForeign, "another port is another origin"},
    {"http://127.0.0.1:8787", "localhost:8787", OriginKind::kForeign, "another name is another origin"},
    {"http://localhost:8787.evil.com", "localhost:8787", OriginKind::kForeign, "begins like ours"},
    {"http://evil.com/http://localhost:8787", "localhost:8787", OriginKind::kForeign, "ends like ours"},
    {"http://user@localhost:8787", "localhost:8787", OriginKind::kForeign, "a user before it"},
    {"http://localhost:8787/", "localhost:8787", OriginKind::kForeign, "an origin has no path"},
    {"ftp://localhost:8787", "localhost:8787", OriginKind::kForeign, "another scheme"},
    {"file://", "localhost:8787", OriginKind::kForeign, "a file"},
    {"chrome-extension://localhost:8787", "localhost:8787", OriginKind::kForeign, "an extension"},
    {"localhost:8787", "localhost:8787", OriginKind::kForeign, "no scheme"},
    {" http://localhost:8787", "localhost:8787", OriginKind::kForeign, "a space"},
    {"http://app.example.org", "localhost:8787", OriginKind::kForeign, "an allowed name by another scheme"},
    {"https://app.example.org:444", "localhost:8787", OriginKind::kForeign, "an allowed name at another port"},
    {"https://app.example.org.evil.com", "localhost:8787", OriginKind::kForeign, "begins like an allowed one"},
    {"https://x.app.example.org", "localhost:8787", OriginKind::kForeign, "below an allowed one"},
    {"http://dev.example.org", "localhost:8787", OriginKind::kForeign, "an allowed one without its port"},
};

TEST(OriginTest, AnOriginIsOursOrNamedByTheOperatorOrForeign) {
    for (const auto& [origin, host, kind, why] : kOrigins)
        EXPECT_EQ(judge_origin(origin, host, settings()), kind) << "'" << origin << "' at " << host << ": " << why;
}

TEST(OriginTest, WithoutAllowedOriginsEveryOtherOneIsForeign) {
    const ipc::BrokerWelcome none;
    EXPECT_EQ(judge_origin("https://app.example.org", "localhost", none), OriginKind::kForeign);
    EXPECT_EQ(judge_origin("null", "localhost", none), OriginKind::kForeign);
    EXPECT_EQ(judge_origin("", "localhost", none), OriginKind::kNone);
}

}  // namespace
}  // namespace toren::broker
