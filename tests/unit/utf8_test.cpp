// Texts that no process can use to keep its alert from arriving.
#include "common/utf8.h"

#include <gtest/gtest.h>

#include "tests/unit/wire.h"

namespace picket::test {
namespace {

TEST(Utf8, KnowsCharactersOfEveryLength) {
  for (const char* text : {"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xef\xbf\xbd", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xc3\xa4z"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
    EXPECT_EQ(to_utf8(text), text);
  }
}

TEST(Utf8, ReplacesWhatIsNone) {
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(to_utf8("a\xffz"), "a" + bad + "z");
  EXPECT_EQ(to_utf8("\x80"), bad);
  EXPECT_EQ(to_utf8("\xc0\xaf"), bad + bad);            // overlong
  EXPECT_EQ(to_utf8("\xe0\x80\xaf"), bad + bad + bad);  // overlong
  EXPECT_EQ(to_utf8("\xed\xa0\x80"), bad + bad + bad);  // a surrogate
  EXPECT_EQ(to_utf8("\xf4\x90\x80\x80"), bad + bad + bad + bad);
  EXPECT_EQ(to_utf8("cut \xe2\x82"), "cut " + bad + bad);  // a text cut inside a character
  EXPECT_EQ(to_utf8("\xe2\x82z"), bad + bad + "z");
}

TEST(Utf8, AnAlertOfAnyBytesCanBeRead) {
  v1::Alert alert = make_alert("a1");
  alert.set_output("o\xff");
  alert.add_tags("t\xff");
  alert.mutable_process()->set_cmdline("c\xff");
  alert.mutable_lineage(0)->set_exe("e\xff");
  (*alert.mutable_fields())["f\xff"] = "v\xff";
  (*alert.mutable_workspace()->mutable_labels())["l"] = "w\xff";
  v1::Envelope sent = envelope(1, alert);
  v1::Envelope received;
  ASSERT_FALSE(received.ParseFromString(sent.SerializeAsString()));  // or this test is for nothing
  make_utf8(sent);
  ASSERT_TRUE(received.ParseFromString(sent.SerializeAsString()));
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(received.alert().process().cmdline(), "c" + bad);
  EXPECT_EQ(received.alert().lineage(0).exe(), "e" + bad);
  EXPECT_EQ(received.alert().fields().at("f" + bad), "v" + bad);
  EXPECT_EQ(received.alert().workspace().labels().at("l"), "w" + bad);
  EXPECT_EQ(received.alert().id(), "a1");
}

}  // namespace
}  // namespace picket::test
