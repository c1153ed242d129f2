// What the tests of signed rules share: an agent with a key, folders of rules that picketctl signs
// and pushes, and what the collector knows of them. The test's thread only.
#pragma once

#include <filesystem>
#include <sstream>

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {

class SignedRulesTest : public AcceptanceTest {
 protected:
  std::string path(const std::string& name) { return sandbox().path(name); }

  void make_key() {
    for (const std::vector<std::string>& argv : std::vector<std::vector<std::string>>{
             {"openssl", "genpkey", "-algorithm", "ed25519", "-out", path("rules.key")},
             {"openssl", "pkey", "-in", path("rules.key"), "-pubout", "-out", path("rules.pub")}}) {
      const auto made = run_program({.argv = argv});
      ASSERT_TRUE(made.ok() && made->exit_code == 0);
    }
  }
  // An agent with that key; `rules` are its own, signed.
  void deploy_signed(const std::string& rules) {
    make_key();
    auto started = Deployment::with_collector(
        sandbox(),
        {.rules = rules, .shipped_rules = false, .agent_settings = "rules_key: rules.pub\n"});
    ASSERT_TRUE(started.ok()) << started.status();
    deployment_ = *std::move(started);
    picketctl({"rules", "sign", path("rules"), "--key", path("rules.key"), "--serial", "1"});
    ASSERT_TRUE(deployment().start_agent().ok());
  }
  std::string picketctl(std::vector<std::string> arguments, int exit_code = 0) {
    auto done = deployment().picketctl(std::move(arguments));
    EXPECT_TRUE(done.ok()) << done.status();
    if (!done.ok()) return "";
    EXPECT_EQ(done->exit_code, exit_code) << done->out << done->err;
    return done->out + done->err;
  }
  void make(const std::string& folder, const std::string& rules) {
    std::filesystem::create_directory(path(folder));
    ASSERT_TRUE(write_file(path(folder + "/test.yaml"), rules).ok());
  }
  void sign(const std::string& folder, int serial) {
    picketctl({"rules", "sign", path(folder), "--key", path("rules.key"), "--serial",
               std::to_string(serial)});
  }
  // Published and on its way to every node.
  void hand_out(const std::string& folder, int serial) {
    picketctl({"policy", "publish", path(folder), "--reason", "of a test"});
    picketctl({"policy", "rollout", std::to_string(serial), "--reason", "of a test"});
  }
  // What the collector knows of the one node; null while it knows of none.
  nlohmann::json rules_status() {
    const std::string out = picketctl({"policy", "status", "-o", "json"});
    return out.empty() ? nlohmann::json() : nlohmann::json::parse(out);
  }
  void expect_status(const std::string& state, const std::string& error = "") {
    nlohmann::json now;
    EXPECT_TRUE(until([&] {
      now = rules_status();
      return now.is_object() && now["state"] == state &&
             now["error"].get<std::string>().find(error) != std::string::npos;
    })) << now;
  }
};

}  // namespace picket::test
