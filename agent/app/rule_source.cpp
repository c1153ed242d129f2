#include "agent/app/rule_source.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "agent/app/kept_serials.h"
#include "agent/detect/bundle/bundle.h"
#include "common/rule_bundle.h"
#include "common/rule_signature.h"

namespace picket {

// The bundle's files are called after it in messages: bundle-SERIAL/NAME:LINE:COLUMN.
absl::StatusOr<RuleSource::Read> RuleSource::read_bundle(std::string bundle) const {
  if (options_.key.empty())
    return absl::FailedPreconditionError(
        "take the collector's rules: the configuration of this agent has no rules_key");
  const auto key = BundleKey::read_public(options_.key);
  if (!key.ok()) return key.status();
  v1::RuleBundle message;
  if (bundle.size() > kMaxRuleBundleBytes || !message.ParseFromString(bundle))
    return absl::InvalidArgumentError("take the collector's rules: they are no bundle");
  Read read;
  const auto claimed = rule_signature_serial(message.signature());
  const std::string folder = fmt::format("bundle-{}", claimed.ok() ? *claimed : 0);
  for (v1::RuleBundle::File& file : *message.mutable_files())
    read.files.push_back(
        {fmt::format("{}/{}", folder, file.name()), std::move(*file.mutable_text())});
  const auto serial = verify_rules(folder, read.files, message.signature(), *key);
  if (!serial.ok()) return serial.status();
  read.origin = {rule_bundle_id(message.signature()), *serial, key->fingerprint()};
  read.bundle = std::move(bundle);
  return read;
}

absl::StatusOr<RuleSource::Read> RuleSource::read(LoadReport& report) const {
  if (!options_.bundle.empty() && !options_.key.empty()) {
    auto bundle = read_whole(options_.bundle, kMaxRuleBundleBytes);
    if (bundle.ok()) {
      auto read = read_bundle(*std::move(bundle));
      if (read.ok()) read->bundle.clear();
      return read;
    }
    if (!absl::IsNotFound(bundle.status())) return bundle.status();
  }
  if (options_.key.empty()) return Read{read_rule_files(options_.paths, report), {}, {}};
  const auto key = BundleKey::read_public(options_.key);
  if (!key.ok()) return key.status();
  auto rules = read_signed_rules(options_.paths, *key);
  if (!rules.ok()) return rules.status();
  return Read{std::move(rules->files), {"", rules->serial, key->fingerprint()}, {}};
}

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleSource::compile(LoadReport report) const {
  auto rules = compile_rules(last_.files, std::move(report));
  if (!rules.ok()) return rules.status();
  return std::move(rules->set);
}

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleSource::first() {
  auto rules = again(true);
  if (rules.ok()) {
    keep().IgnoreError();
    return rules;
  }
  if (options_.kept.empty()) return rules;
  auto kept = kept_rules(options_.kept);
  if (!kept.ok()) {
    if (!absl::IsNotFound(kept.status())) SPDLOG_ERROR("{}", std::string(kept.status().message()));
    return rules;
  }
  refused_ = std::string(rules.status().message());
  in_force_.serial = last_.origin.serial;  // what was signed, though it is not good: none older
  SPDLOG_ERROR("the configured rules are refused, the last good ones are used: {}", refused_);
  return std::move(kept->set);
}

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleSource::again(bool even_if_same) {
  LoadReport report;
  auto now = read(report);
  if (!now.ok()) {
    last_ = {};
    return now.status();
  }
  if (!even_if_same && report.errors.empty() && now->files == last_.files)
    return std::shared_ptr<const RuleSet>();
  last_ = *std::move(now);
  return compile(std::move(report));
}

// Who replays an old bundle has a good signature; who wants to go back signs the old rules anew.
absl::Status RuleSource::check_serial(const Origin& offered) const {
  if (offered.serial < in_force_.serial)
    return absl::FailedPreconditionError(fmt::format(
        "take the collector's rules: serial {} is older than {}, which is in force; to go back, "
        "sign the old rules anew",
        offered.serial, in_force_.serial));
  if (offered.serial == in_force_.serial && !in_force_.bundle_id.empty())
    return absl::FailedPreconditionError(fmt::format(
        "take the collector's rules: another bundle with serial {} is in force", offered.serial));
  if (options_.serials.empty()) return absl::OkStatus();
  const auto serials = read_serials(options_.serials);
  if (!serials.ok())
    return absl::FailedPreconditionError(
        fmt::format("take the collector's rules: {}", std::string(serials.status().message())));
  const auto known = serials->find(offered.key);
  if (known == serials->end()) return absl::OkStatus();
  const KeptSerial& highest = known->second;
  if (offered.serial < highest.serial)
    return absl::FailedPreconditionError(fmt::format(
        "take the collector's rules: serial {} is older than {}, which was in force; to go back, "
        "sign the old rules anew",
        offered.serial, highest.serial));
  if (offered.serial == highest.serial && !highest.bundle_id.empty() &&
      offered.bundle_id != highest.bundle_id)
    return absl::FailedPreconditionError(fmt::format(
        "take the collector's rules: another bundle with serial {} was in force", offered.serial));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleSource::offered(std::string bundle) {
  auto read = read_bundle(std::move(bundle));
  if (!read.ok()) return read.status();
  if (read->origin.bundle_id == in_force_.bundle_id) return std::shared_ptr<const RuleSet>();
  if (absl::Status status = check_serial(read->origin); !status.ok()) return status;
  auto rules = compile_rules(read->files);
  if (!rules.ok()) return rules.status();
  last_ = *std::move(read);
  return std::move(rules->set);
}

// Never lower than it was; a damaged file stays, so that its reader goes on refusing.
absl::Status RuleSource::keep_serial() const {
  if (options_.serials.empty() || in_force_.key.empty()) return absl::OkStatus();
  auto serials = read_serials(options_.serials);
  if (!serials.ok()) return serials.status();
  KeptSerial& highest = (*serials)[in_force_.key];
  const KeptSerial now{in_force_.serial, in_force_.bundle_id};
  if (now.serial < highest.serial || now == highest) return absl::OkStatus();
  highest = now;
  return keep_serials(options_.serials, *serials);
}

absl::Status RuleSource::keep() {
  in_force_ = last_.origin;
  absl::Status status = keep_serial();
  if (!last_.bundle.empty())
    status.Update(replace_file(options_.bundle, std::exchange(last_.bundle, {})));
  if (!options_.kept.empty()) status.Update(keep_rules(options_.kept, last_.files));
  if (!status.ok())
    SPDLOG_ERROR("the rules are not kept for the next start: {}", std::string(status.message()));
  return status;
}

}  // namespace picket
