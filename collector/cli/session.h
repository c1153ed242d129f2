// What picketctl's commands share: the options before the command, the connection, the way to end.
// Owner: main's thread; the commands run as callbacks of CLI11's parse. Errors: printed to standard
// error in one sentence; the exit code is part of the stable interface.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "collector/cli/client.h"

namespace picket {

enum ExitCode {
  kExitOk = 0,
  kExitFailure = 1,
  kExitUsage = 2,         // also a context, certificate or key that cannot be used
  kExitInvalid = 3,       // validation found errors
  kExitNoConnection = 4,  // also when it does not trust our certificate: it hangs up without a word
  kExitDenied = 5,
};

ExitCode exit_code_of(const absl::Status& status);

// Of an order: empty, or what is wrong with its reason.
std::string check_reason(const std::string& reason);

class Session {
 public:
  std::string context_file;
  bool json = false;
  int exit_code = kExitOk;

  // Connects on first use, runs `command`, and turns its status into a message and an exit code.
  void run(const std::function<absl::Status(Client&)>& command);
  void fail(ExitCode code, std::string_view message);

 private:
  std::unique_ptr<Client> client_;
};

}  // namespace picket
