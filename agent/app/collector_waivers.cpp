#include "agent/app/collector_waivers.h"

#include <fmt/format.h>

#include "agent/app/rules.h"
#include "agent/detect/bundle/bundle.h"
#include "common/signed_waiver.h"

namespace picket {
namespace {

constexpr size_t kFileMax = 4 << 20;

absl::StatusOr<RuleFile> judge(const v1::SignedWaiver& sent, const BundleKey& key) {
  v1::Waiver waiver;
  if (!waiver.ParseFromString(sent.waiver()))
    return absl::InvalidArgumentError("take the collector's waivers: one is no waiver");
  if (!key.verifies(waiver_signing_text(sent.waiver()), sent.signature()))
    return absl::PermissionDeniedError(fmt::format(
        "take the collector's waivers: {} was not signed with the configured key", waiver.name()));
  if (absl::Status status = check_waiver(waiver); !status.ok()) return status;
  return RuleFile{fmt::format("waivers/{}", waiver.name()), waiver_rule_text(waiver)};
}

}  // namespace

CollectorWaivers judge_waivers(const v1::WaiverSet& set, const std::filesystem::path& key) {
  CollectorWaivers judged{set.set_id(), {}, ""};
  if (set.waivers().empty()) return judged;
  const auto add_error = [&](const absl::Status& status) {
    judged.error += (judged.error.empty() ? "" : "; ") + std::string(status.message());
  };
  if (key.empty() || set.waivers_size() > static_cast<int>(kMaxWaivers)) {
    add_error(absl::FailedPreconditionError(
        key.empty() ? "take the collector's waivers: the configuration of this agent has no "
                      "rules_key"
                    : "take the collector's waivers: they are too many"));
    return judged;
  }
  const auto read = BundleKey::read_public(key);
  if (!read.ok()) {
    add_error(read.status());
    return judged;
  }
  for (const v1::SignedWaiver& sent : set.waivers()) {
    auto file = judge(sent, *read);
    if (file.ok()) {
      judged.files.push_back(*std::move(file));
    } else {
      add_error(file.status());
    }
  }
  return judged;
}

absl::Status keep_waivers(const std::filesystem::path& file, const v1::WaiverSet& set) {
  return replace_file(file, set.SerializeAsString());
}

absl::StatusOr<v1::WaiverSet> kept_waivers(const std::filesystem::path& file) {
  const auto text = read_whole(file, kFileMax);
  if (!text.ok()) return text.status();
  v1::WaiverSet set;
  if (!set.ParseFromString(*text))
    return absl::DataLossError(fmt::format("the waivers kept in {} are damaged", file.string()));
  return set;
}

}  // namespace picket
