// `picketctl doctor` with the real agent's program on the real kernel: what it says of this
// machine, and of the same machine to who may not look.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/sandbox.h"
#include "tests/support/subprocess.h"

namespace picket::test {
namespace {

using ::testing::HasSubstr;

struct Said {
  int exit_code = 0;
  std::map<std::string, std::string> states, words;  // by check; of several the last
};

Said doctor(std::vector<std::string> before = {}) {
  std::vector<std::string> argv = std::move(before);
  // There is no such configuration: the rest is told all the same.
  argv.insert(argv.end(), {PICKET_BINARY_DIR "/picketctl", "doctor", "-o", "json", "--picketd",
                           PICKET_BINARY_DIR "/picketd", "--config", "/nonexistent/picketd.yaml"});
  const auto ended = run_program({.argv = argv});
  EXPECT_TRUE(ended.ok()) << ended.status();
  Said said;
  if (!ended.ok()) return said;
  said.exit_code = ended->exit_code;
  std::istringstream lines(ended->out);
  for (std::string line; std::getline(lines, line);) {
    const auto check = nlohmann::json::parse(line, nullptr, false);
    EXPECT_TRUE(check.is_object()) << line;
    if (!check.is_object()) continue;
    said.states[check["check"]] = check["state"];
    said.words[check["check"]] = check["words"];
  }
  EXPECT_FALSE(said.states.empty()) << ended->err;
  return said;
}

class DoctorLive : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string why = missing_for_live_tests();
    if (why.empty()) return;
    const char* ci = std::getenv("CI");
    if (ci != nullptr && std::string_view(ci) == "true") FAIL() << "must run here, but: " << why;
    GTEST_SKIP() << why;
  }
};

TEST_F(DoctorLive, SaysThatTheAgentSeesHereAndWhatIsMissing) {
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(PICKET_SOURCE_DIR);  // whose rules it takes
  const Said said = doctor();
  std::filesystem::current_path(before);
  EXPECT_EQ(said.exit_code, 1) << "the configuration failed";
  EXPECT_EQ(said.states.at("configuration"), "failed");
  for (const char* check : {"sensor", "cgroups", "rules", "self check", "responses"}) {
    ASSERT_TRUE(said.states.contains(check)) << check;
    EXPECT_EQ(said.states.at(check), "ok") << check << ": " << said.words.at(check);
  }
}

TEST_F(DoctorLive, WithoutCapabilitiesItNamesThem) {
  const Said said = doctor({"setpriv", "--bounding-set=-bpf,-perfmon,-sys_admin"});
  EXPECT_EQ(said.exit_code, 1);
  EXPECT_EQ(said.states.at("sensor"), "failed");
  EXPECT_THAT(said.words.at("sensor"), HasSubstr("CAP_BPF, CAP_PERFMON"));
  EXPECT_EQ(said.states.at("self check"), "failed");
}

}  // namespace
}  // namespace picket::test
