//===- TextTest.cpp - Stop strings, JSON text, fields ---------------------===//
// SPDX-License-Identifier: Apache-2.0

#include "runtime/server/Admission.h"
#include "runtime/server/ApiErrors.h"
#include "runtime/server/Auth.h"
#include "runtime/server/ClientLimits.h"
#include "runtime/server/JsonText.h"
#include "runtime/server/RequestFields.h"
#include "runtime/server/StopStrings.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <limits>

using namespace tenon;
using namespace tenon::server;

namespace {

/// The answer when `text` arrives in pieces of `size` bytes.
std::string watched(StopStrings stops, std::string_view text, size_t size, bool *found = nullptr) {
  std::string out;
  bool hit = false;
  for (size_t i = 0; i < text.size() && !hit; i += size)
    hit = stops.push(text.substr(i, size), out);
  stops.finish(out);
  if (found)
    *found = hit;
  return out;
}

TEST(StopStrings, areFoundWhereverThePiecesAreCut) {
  for (size_t size = 1; size < 12; ++size) {
    bool found = false;
    EXPECT_EQ(watched(StopStrings({"END", "\n\n"}), "one two EN END three", size, &found),
              "one two EN ");
    EXPECT_TRUE(found);
    EXPECT_EQ(watched(StopStrings({"END", "\n\n"}), "one\ntwo\n\nEND", size), "one\ntwo");
  }
}

TEST(StopStrings, theFirstInTheTextWins) {
  for (size_t size = 1; size < 9; ++size) {
    EXPECT_EQ(watched(StopStrings({"cd", "bcde"}), "abcdef", 6), "a");
    EXPECT_EQ(watched(StopStrings({"aab"}), "aaaab", size), "aa"); // Overlapping beginnings.
  }
}

TEST(StopStrings, whatIsHeldBackComesAtTheEnd) {
  bool found = true;
  EXPECT_EQ(watched(StopStrings({"stop!"}), "do not sto", 1, &found), "do not sto");
  EXPECT_FALSE(found);
}

TEST(StopStrings, nothingIsHeldBackWithoutNeed) {
  StopStrings stops({"xyz"});
  std::string out;
  EXPECT_FALSE(stops.push("abx", out));
  EXPECT_EQ(out, "ab");
  EXPECT_FALSE(stops.push("c", out));
  EXPECT_EQ(out, "abxc");
}

TEST(JsonText, readsBackAsWritten) {
  std::string all;
  for (int c = 0; c < 128; ++c)
    all += static_cast<char>(c);
  all += "Grüße \xe2\x80\xa8 \xe2\x80\xa9 \xe2\x82\xac 😀";
  std::string out;
  appendJsonString(out, all);
  EXPECT_EQ(boost::json::parse(out).as_string(), all);
  for (const char c : out)
    EXPECT_GE(static_cast<unsigned char>(c), 0x20) << "a control character breaks an event stream";
  EXPECT_EQ(out.find("\xe2\x80\xa8"), std::string::npos);
}

TEST(JsonText, numbersKeepEveryBit) {
  for (float value : {-0.1f, 0.0f, -87.33654f, 1.17549435e-38f, 3.4028235e38f}) {
    std::string out;
    appendJsonNumber(out, value);
    EXPECT_TRUE(boost::json::parse(out).is_number());
    EXPECT_EQ(std::strtof(out.c_str(), nullptr), value);
  }
  std::string out;
  appendJsonNumber(out, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(out, "null");
}

TEST(ApiError, hasExactlyTheFourMembers) {
  const ApiError error = ApiError::invalid("messages[0].role", "invalid_value", "bad \"\xff\"");
  const auto body = boost::json::parse(error.body()).as_object();
  ASSERT_EQ(body.size(), 1u);
  const auto &inner = body.at("error").as_object();
  ASSERT_EQ(inner.size(), 4u);
  EXPECT_EQ(inner.at("message").as_string(), "bad \"\xef\xbf\xbd\"");
  EXPECT_EQ(inner.at("type").as_string(), "invalid_request_error");
  EXPECT_EQ(inner.at("param").as_string(), "messages[0].role");
  EXPECT_EQ(inner.at("code").as_string(), "invalid_value");
  const auto plain = boost::json::parse(ApiError::invalid({}, {}, "x").body());
  EXPECT_TRUE(plain.at("error").at("param").is_null());
  EXPECT_TRUE(plain.at("error").at("code").is_null());
}

TEST(ApiError, internalErrorsTellNothing) {
  const ApiError error = ApiError::fromStatus(Status::internal("at 0x7ffc in /srv/engine"));
  EXPECT_EQ(error.status, 500);
  EXPECT_EQ(error.body().find("0x"), std::string::npos);
  EXPECT_EQ(error.body().find("/srv"), std::string::npos);
}

/// The error of reading `json` with `read`, as "param code"; empty without one.
template <typename Read> std::string errorOf(const char *json, Read read) {
  const auto object = boost::json::parse(json).as_object();
  RequestFields fields(object);
  read(fields);
  return fields.failed() ? fields.error().param + " " + fields.error().code : "";
}

TEST(RequestFields, refuseWrongValuesByName) {
  const auto integer = [](RequestFields &f) { (void)f.integer("n", 1, 16); };
  EXPECT_EQ(errorOf(R"({"n":3})", integer), "");
  EXPECT_EQ(errorOf(R"({"n":3.0})", integer), ""); // JSON has one kind of number.
  EXPECT_EQ(errorOf(R"({"n":null})", integer), "");
  EXPECT_EQ(errorOf(R"({"n":0})", integer), "n integer_below_min_value");
  EXPECT_EQ(errorOf(R"({"n":-9223372036854775808})", integer), "n integer_below_min_value");
  EXPECT_EQ(errorOf(R"({"n":18446744073709551615})", integer), "n integer_above_max_value");
  EXPECT_EQ(errorOf(R"({"n":1e300})", integer), "n integer_above_max_value");
  EXPECT_EQ(errorOf(R"({"n":-1e300})", integer), "n integer_below_min_value");
  for (const char *wrong : {R"({"n":1.5})", R"({"n":"1"})", R"({"n":true})", R"({"n":[1]})"})
    EXPECT_EQ(errorOf(wrong, integer), "n invalid_type") << wrong;

  const auto number = [](RequestFields &f) { (void)f.number("t", 0, 2); };
  EXPECT_EQ(errorOf(R"({"t":2})", number), "");
  EXPECT_EQ(errorOf(R"({"t":-0.1})", number), "t decimal_below_min_value");
  EXPECT_EQ(errorOf(R"({"t":1e308})", number), "t decimal_above_max_value");
  EXPECT_EQ(errorOf(R"({"t":1e999999})", number), "t decimal_above_max_value");
  EXPECT_EQ(errorOf(R"({"n":1e999999})", integer), "n integer_above_max_value");
  EXPECT_EQ(errorOf(R"({"t":false})", number), "t invalid_type");
}

TEST(RequestFields, bodiesThatAreNoObjectAreRefused) {
  ApiError error;
  for (const char *body :
       {"", "[]", "nul", "{\"a\":}", "{} x", "\"\xff\"", "{\"a\":\"\xc3\"}", "{\"a\":NaN}"})
    EXPECT_FALSE(parseBody(body, 8, error)) << body;
  EXPECT_FALSE(parseBody(R"({"a":[[[[[[[[[[1]]]]]]]]]]})", 8, error));
  EXPECT_NE(error.message.find("8 levels"), std::string::npos);
  EXPECT_TRUE(parseBody(R"({"a":[[1]]})", 8, error));
}

TEST(Auth, onlyWholeKeysOpen) {
  const std::vector<std::string> keys{"secret-key-1", "secret-key-22"};
  EXPECT_TRUE(isAuthorized("Bearer secret-key-1", keys));
  EXPECT_TRUE(isAuthorized("bearer  secret-key-22", keys));
  EXPECT_TRUE(isAuthorized("Basic dTpzZWNyZXQta2V5LTE=", keys)); // u:secret-key-1
  for (const char *wrong : {"", "Bearer", "Bearer ", "secret-key-1", "Bearer secret-key",
                            "Bearer secret-key-1secret-key-1", "Bearer secret-key-2", "Basic",
                            "Basic !!!", "Basic c2VjcmV0LWtleS0x", "Token secret-key-1"})
    EXPECT_FALSE(isAuthorized(wrong, keys)) << wrong;
}

TEST(Auth, tellsKeysApart) {
  const std::vector<std::string> keys{"secret-key-1", "secret-key-22"};
  EXPECT_EQ(authorizedKey("Bearer secret-key-1", keys), 0u);
  EXPECT_EQ(authorizedKey("Bearer secret-key-22", keys), 1u);
  EXPECT_EQ(authorizedKey("Bearer secret-key-3", keys), std::nullopt);
}

TEST(JsonText, base64IsThatOfTheStandard) {
  // RFC 4648, section 10.
  for (const auto &[bytes, text] : std::vector<std::pair<std::string, std::string>>{
           {"", ""},
           {"f", "Zg=="},
           {"fo", "Zm8="},
           {"foo", "Zm9v"},
           {"foob", "Zm9vYg=="},
           {"fooba", "Zm9vYmE="},
           {"foobar", "Zm9vYmFy"},
           {std::string("\xff\x00\xfb\xf0", 4), "/wD78A=="}}) {
    std::string out;
    appendBase64(out, bytes);
    EXPECT_EQ(out, text);
  }
}

/// Takes note of what happens to it.
class FakeResponder : public Responder {
public:
  void respond(const HttpHead &, std::string_view) override { ++answers; }
  void beginStream(const HttpHead &) override {}
  void write(std::string_view) override {}
  void endStream() override { ++answers; }
  void onGone(std::function<void()> callback) override { gone = std::move(callback); }
  Mailbox &mailbox() override { std::abort(); }
  int answers = 0;
  std::function<void()> gone;
};

TEST(ClientLimits, countWhatIsInProgressOfEachClient) {
  ClientLimits limits(2);
  const auto inner = std::make_shared<FakeResponder>();
  ResponderPtr first = limits.admit("a", inner), second = limits.admit("a", inner);
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(limits.admit("a", inner));
  EXPECT_TRUE(limits.admit("b", inner)); // And dropped at once.
  first->respond({}, "");
  EXPECT_EQ(inner->answers, 1);
  ResponderPtr third = limits.admit("a", inner);
  ASSERT_TRUE(third);
  first->endStream(); // Counts once.
  EXPECT_FALSE(limits.admit("a", inner));
  bool told = false;
  second->onGone([&] { told = true; });
  second.reset(); // Whoever answered has let go; the connection has not.
  EXPECT_FALSE(limits.admit("a", inner));
  std::exchange(inner->gone, nullptr)();
  EXPECT_TRUE(told);
  EXPECT_TRUE(limits.admit("a", inner));
  third->beginStream({});
  third->endStream();
  EXPECT_EQ(limits.activeClients(), 0u);
}

TEST(ClientLimits, ofZeroLetEverybodyIn) {
  ClientLimits limits(0);
  const auto inner = std::make_shared<FakeResponder>();
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(limits.admit("a", inner), inner);
  EXPECT_EQ(limits.activeClients(), 0u);
}

TEST(Auth, keyFilesAreReadStrictly) {
  const std::string path = testing::TempDir() + "/keys";
  const auto write = [&](const char *text) {
    FILE *file = std::fopen(path.c_str(), "w");
    std::fputs(text, file);
    std::fclose(file);
  };
  write("# of the team\n\nfirst-key-123\r\nsecond-key-456\n");
  auto keys = readKeyFile(path);
  ASSERT_TRUE(keys.isOk());
  EXPECT_EQ(*keys, (std::vector<std::string>{"first-key-123", "second-key-456"}));
  write("first-key-123\nshort\n");
  EXPECT_NE(readKeyFile(path).status().message().find(":2:"), std::string::npos);
  write("# nothing\n");
  EXPECT_FALSE(readKeyFile(path).isOk());
  EXPECT_EQ(readKeyFile(path + ".missing").status().code(), StatusCode::NotFound);
}

TEST(Admission, predictsFromWhatIsMeasured) {
  Admission admission(4, 1000);
  Load busy{.running = 4, .waiting = 3, .queuedPromptTokens = 3000};
  EXPECT_EQ(admission.predictTtft(busy, 1000), 0); // Nothing was measured yet: nobody is refused.
  EXPECT_FALSE(admission.retryAfter(busy, 1000));
  admission.onStep(100, 50'000'000);       // 0.5 ms a prompt row
  admission.onSequenceOver(4'000'000'000); // 4 s a sequence
  EXPECT_NEAR(admission.predictTtft(busy, 1000), 4000 * 0.5e-3 + 4 * 4.0 / 4, 1e-9);
  EXPECT_EQ(admission.retryAfter(busy, 1000), 5u);
  const Load free{.running = 1, .waiting = 0};
  EXPECT_NEAR(admission.predictTtft(free, 1000), 0.5, 1e-9);
  EXPECT_FALSE(admission.retryAfter(free, 1000));
  EXPECT_FALSE(admission.retryAfter({}, 1'000'000)); // An idle server takes anything.
}

} // namespace
