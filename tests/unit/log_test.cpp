// The daemons' own log as JSON: one object a line, whatever text somebody else brought in.
#include "common/log.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

namespace picket {
namespace {

TEST(LogTest, AnObjectALineAndNoForgedOnes) {
  set_up_log("info", LogFormat::json);
  testing::internal::CaptureStderr();
  spdlog::warn("refused \"x\"\n{}", R"({"level":"info","message":"all is well"})");
  spdlog::debug("not asked for");
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(written.begin(), written.end(), '\n'), 1) << written;
  const auto line = nlohmann::json::parse(written, nullptr, false);
  ASSERT_TRUE(line.is_object()) << written;
  EXPECT_EQ(line["level"], "warning");
  EXPECT_EQ(line["message"], "refused \"x\"\n{\"level\":\"info\",\"message\":\"all is well\"}");
  EXPECT_TRUE(line["time"].get<std::string>().ends_with("Z"));
}

}  // namespace
}  // namespace picket
