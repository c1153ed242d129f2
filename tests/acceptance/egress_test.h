// What the tests of rows about egress share: a container with addresses of its own that are not
// loopback, all of them in its network namespace. The test's thread only.
#pragma once

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {

class EgressTest : public AcceptanceTest {
 protected:
  void add_address(const Container& container, const std::string& address) {
    const bool v6 = address.find(':') != std::string::npos;
    in_network(container, {"ip", "address", "add", address + (v6 ? "/128" : "/32"), "dev", "lo"});
  }

  // Runs a program of this machine in the container's network namespace.
  void in_network(const Container& container, std::vector<std::string> command) {
    command.insert(command.begin(),
                   {"nsenter", fmt::format("--net=/proc/{}/ns/net", container.init_pid())});
    const std::string what = fmt::format("{}", fmt::join(command, " "));
    auto ended = run_program({.argv = std::move(command)});
    ASSERT_TRUE(ended.ok()) << ended.status();
    ASSERT_EQ(ended->exit_code, 0) << what << ": " << ended->err;
  }

  static void run(Container& container, const std::vector<std::string>& command) {
    auto ended = container.run(command);
    ASSERT_TRUE(ended.ok()) << ended.status();
    ASSERT_EQ(ended->exit_code, 0) << fmt::format("{}: {}", fmt::join(command, " "), ended->out);
  }

  std::vector<Alert> found(Container& container, std::string_view rule) {
    return distinct(by_rule(alerts_so_far(container), rule));
  }
};

}  // namespace picket::test
