// What the tests of reverse shells share: programs run in one container, and whether a shell
// answered. The test's thread only.
#pragma once

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {

class ShellTest : public AcceptanceTest {
 protected:
  int run(std::vector<std::string> command) {
    auto result = container_->run(command);
    if (!result.ok()) ADD_FAILURE() << result.status();
    if (result.ok() && result->exit_code != 0) ADD_FAILURE() << command[0] << ": " << result->out;
    return result.ok() ? result->exit_code : -1;
  }

  // The shell answered: the attack worked, and was not merely attempted.
  bool proof_came(int port) {
    auto received = read_file(container_->written(fmt::format("/tmp/received.{}", port)));
    return received.ok() && received->find("picket-42-proof") != std::string::npos;
  }

  std::unique_ptr<Container> container_;
};

}  // namespace picket::test
