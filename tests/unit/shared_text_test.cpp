#include "agent/enrich/shared_text.h"

#include <gtest/gtest.h>

#include <sstream>
#include <thread>

#include "agent/enrich/process.h"

namespace picket {
namespace {

TEST(SharedText, StandsWhereAStringStood) {
  SharedText text = "/bin/bash";
  const std::string copied = text;
  const std::string constructed(text);
  std::string assigned;
  assigned = text;
  const std::string_view viewed = text;
  EXPECT_EQ(copied, "/bin/bash");
  EXPECT_EQ(constructed, copied);
  EXPECT_EQ(assigned, copied);
  EXPECT_EQ(viewed, copied);
  EXPECT_EQ(text, copied);
  EXPECT_EQ(text, "/bin/bash");
  EXPECT_NE(text, "/bin/sh");
  EXPECT_EQ(fmt::format("{:>10}|{}", text, text.size()), " /bin/bash|9");
  std::ostringstream out;
  out << text;
  EXPECT_EQ(out.str(), copied);
  text = copied + "2";
  EXPECT_EQ(text.view(), "/bin/bash2");
  text = "";
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(text, SharedText());
}

TEST(SharedText, CopiesShareAndOutliveTheOriginal) {
  SharedText copy;
  {
    const SharedText original = std::string(1000, 'x');
    copy = original;
    EXPECT_EQ(copy.view().data(), original.view().data());
  }
  EXPECT_EQ(copy, std::string(1000, 'x'));
  const SharedText& alias = copy;
  copy = alias;
  EXPECT_EQ(copy.size(), 1000u);
}

TEST(SharedText, ThreadsDropTheirCopiesIndependently) {
  const SharedText text = "shared by all";
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([copy = text] {
      for (int round = 0; round < 1000; ++round) {
        const SharedText mine = copy;
        ASSERT_EQ(mine.size(), 13u);
      }
    });
  }
}

TEST(TextCache, GivesEqualTextsOneBody) {
  TextCache cache(64);
  const SharedText first = cache.share("/usr/bin/python3");
  EXPECT_EQ(cache.share("/usr/bin/python3").view().data(), first.view().data());
  for (int i = 0; i < 1000; ++i) cache.share(std::to_string(i));
  EXPECT_EQ(first, "/usr/bin/python3");  // evicted from the cache, alive where it is used
  EXPECT_EQ(cache.share("").size(), 0u);
}

TEST(Process, CommandLineIsTheArgumentsJoinedByBlanks) {
  Process process;
  EXPECT_EQ(process.cmdline(), "");
  process.argv = std::string_view("sh\0-c\0echo a\0", 13);
  EXPECT_EQ(process.cmdline(), "sh -c echo a");
  process.argv = std::string_view("sh\0-c", 5);  // cut by the kernel
  EXPECT_EQ(process.cmdline(), "sh -c");
}

}  // namespace
}  // namespace picket
