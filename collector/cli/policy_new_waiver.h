// A waiver on its way to the nodes: put together as every agent will read it, signed with the
// rules' key, handed to the collector. Owner: main's thread. Errors: InvalidArgument is what no
// agent would take.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/cli/client.h"
#include "picket/v1/rules.pb.h"

namespace picket {

// As the options say it.
struct WaiverDraft {
  std::string name, owner, reason, expires, condition;
  std::vector<std::string> rules, scope;  // KEY=VALUE
  std::filesystem::path key;
};

absl::StatusOr<v1::Waiver> make_waiver(const WaiverDraft& draft);
absl::StatusOr<v1::SignedWaiver> sign_waiver(const v1::Waiver& waiver,
                                             const std::filesystem::path& file);
// Sends it and prints what becomes of it.
absl::Status change_waivers(Client& client, const v1::ChangePolicyRequest& request, bool json);

}  // namespace picket
