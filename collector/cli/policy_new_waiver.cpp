#include "collector/cli/policy_new_waiver.h"

#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "agent/detect/bundle/bundle.h"
#include "agent/detect/rule/rule_set.h"
#include "agent/detect/rule/waiver_reader.h"
#include "collector/cli/policy_render.h"
#include "common/alert_json.h"
#include "common/printable.h"
#include "common/signed_waiver.h"

namespace picket {
namespace {

absl::Status add_scope(const std::vector<std::string>& selectors, v1::Waiver& waiver) {
  for (const std::string& selector : selectors) {
    const size_t equals = selector.find('=');
    if (equals == std::string::npos || equals == 0)
      return absl::InvalidArgumentError(
          fmt::format("\"{}\" selects nothing; KEY=VALUE expected", selector));
    const std::string key = selector.substr(0, equals);
    auto* place = [&]() -> v1::Waiver::Selector* {
      for (v1::Waiver::Selector& known : *waiver.mutable_scope())
        if (known.key() == key) return &known;
      return nullptr;
    }();
    if (place == nullptr) {
      place = waiver.add_scope();
      place->set_key(key);
    }
    place->add_values(selector.substr(equals + 1));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::Waiver> make_waiver(const WaiverDraft& draft) {
  v1::Waiver waiver;
  waiver.set_name(draft.name);
  waiver.set_owner(draft.owner);
  waiver.set_reason(draft.reason);
  waiver.set_condition(draft.condition);
  const auto end_ns = rule::parse_end_ns(draft.expires);
  if (!end_ns)
    return absl::InvalidArgumentError(fmt::format(
        "\"{}\" is no time; 2026-12-31 or 2026-12-31T18:00:00Z expected", draft.expires));
  set_wall_ns(*waiver.mutable_expires(), *end_ns);
  waiver.mutable_rules()->Add(draft.rules.begin(), draft.rules.end());
  if (absl::Status status = add_scope(draft.scope, waiver); !status.ok()) return status;
  if (absl::Status status = check_waiver(waiver); !status.ok()) return status;
  LoadReport report;
  const RuleFile file{"waiver " + waiver.name(), waiver_rule_text(waiver)};
  (void)compile_rule_files({&file, 1}, report);
  if (!report.errors.empty()) return absl::InvalidArgumentError(report.error_text());
  return waiver;
}

absl::StatusOr<v1::SignedWaiver> sign_waiver(const v1::Waiver& waiver,
                                             const std::filesystem::path& file) {
  const auto key = BundleKey::read_private(file);
  if (!key.ok()) return key.status();
  v1::SignedWaiver result;
  result.set_waiver(waiver.SerializeAsString());
  auto signature = key->sign(waiver_signing_text(result.waiver()));
  if (!signature.ok()) return signature.status();
  result.set_signature(*std::move(signature));
  return result;
}

absl::Status change_waivers(Client& client, const v1::ChangePolicyRequest& request, bool json) {
  const auto response = client.change_policy(request);
  if (!response.ok()) return response.status();
  if (json) {
    std::cout << json_line(changed_object(*response)) << '\n';
  } else {
    std::cout << fmt::format(
        "the waivers are on their way to {} connected nodes, to others when they come (audit "
        "entry {}); what becomes of them: picketctl policy status\n",
        response->nodes(), printable(response->audit_id()));
  }
  return absl::OkStatus();
}

}  // namespace picket
