#include "collector/cli/session.h"

#include <fmt/format.h>

#include <iostream>

#include "common/printable.h"
#include "common/tls.h"

namespace picket {

ExitCode exit_code_of(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kUnavailable:
      return kExitNoConnection;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kExitDenied;
    default:
      return kExitFailure;
  }
}

std::string check_reason(const std::string& reason) {
  const bool blank = reason.find_first_not_of(" \t\r\n") == std::string::npos;
  return blank ? "a reason is required: it goes into the audit log" : "";
}

void Session::fail(ExitCode code, std::string_view message) {
  std::cerr << "picketctl: " << printable(message) << '\n';
  exit_code = code;
}

void Session::run(const std::function<absl::Status(Client&)>& command) {
  if (context_file.empty()) {
    return fail(kExitUsage, "which collector? give --context FILE or set PICKET_CONTEXT");
  }
  const auto context = load_context(context_file);
  if (!context.ok()) return fail(kExitUsage, std::string(context.status().message()));
  // Nothing has been sent yet: what is wrong is on this side.
  if (absl::Status status = check_files(context->tls); !status.ok()) {
    return fail(kExitUsage, std::string(status.message()));
  }
  client_ = std::make_unique<Client>(*context);
  const absl::Status status = command(*client_);
  if (!status.ok()) fail(exit_code_of(status), std::string(status.message()));
}

}  // namespace picket
