#include "agent/app/rule_source.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "agent/app/kept_serials.h"
#include "agent/app/rule_trial.h"
#include "agent/detect/bundle/bundle.h"
#include "common/rule_bundle.h"
#include "common/rule_signature.h"

namespace picket {

// The bundle's files are called after it in messages: bundle-SERIAL/NAME:LINE:COLUMN.
absl::StatusOr<RuleSource::Read> RuleSource::read_bundle(std::string bundle, bool own) const {
  if (options_.key.empty())
    return absl::FailedPreconditionError(
        "take the collector's rules: the configuration of this agent has no rules_key");
  const auto key = BundleKey::read_public(options_.key);
  if (!key.ok()) return key.status();
  v1::RuleBundle message;
  if (bundle.size() > kMaxRuleBundleBytes || !message.ParseFromString(bundle))
    return absl::InvalidArgumentError("take the collector's rules: they are no bundle");
  if (!own && message.has_on_trial())
    return absl::InvalidArgumentError(
        "take the collector's rules: what is on trial here is not the collector's to say");
  Read read;
  const auto claimed = rule_signature_serial(message.signature());
  const std::string folder = fmt::format("bundle-{}", claimed.ok() ? *claimed : 0);
  for (v1::RuleBundle::File& file : *message.mutable_files())
    read.files.push_back(
        {fmt::format("{}/{}", folder, file.name()), std::move(*file.mutable_text())});
  const auto serial = verify_rules(folder, read.files, message.signature(), *key);
  if (!serial.ok()) return serial.status();
  read.origin = {rule_bundle_id(message.signature()), *serial, key->fingerprint(),
                 message.has_on_trial()};
  read.on_trial = {message.on_trial().rules().begin(), message.on_trial().rules().end()};
  read.bundle = std::move(bundle);
  return read;
}

absl::StatusOr<RuleSource::Read> RuleSource::read(LoadReport& report) const {
  if (!options_.bundle.empty() && !options_.key.empty()) {
    auto bundle = read_whole(options_.bundle, kMaxRuleBundleBytes);
    if (bundle.ok()) {
      auto read = read_bundle(*std::move(bundle), true);
      if (read.ok()) read->bundle.clear();
      return read;
    }
    if (!absl::IsNotFound(bundle.status())) return bundle.status();
  }
  Read own;
  if (options_.key.empty()) {
    own.files = read_rule_files(options_.paths, report);
    return own;
  }
  const auto key = BundleKey::read_public(options_.key);
  if (!key.ok()) return key.status();
  auto rules = read_signed_rules(options_.paths, *key);
  if (!rules.ok()) return rules.status();
  own.files = std::move(rules->files);
  own.origin = {"", rules->serial, key->fingerprint()};
  return own;
}

// Waivers that do not fit to the rules are left out: alerts come that somebody did not want, which
// is the better of two evils.
absl::StatusOr<std::shared_ptr<const RuleSet>> RuleSource::compile(Read& read, LoadReport report) {
  std::vector<RuleFile> rules = read.files;
  if (!read.on_trial.empty()) rules.push_back(trial_file(read.on_trial));
  std::vector<RuleFile> all = rules;
  all.insert(all.end(), waivers_.files.begin(), waivers_.files.end());
  const bool readable = report.errors.empty();
  WaiversInForce waivers{waivers_.set_id, waivers_.files.size(), waivers_.error};
  auto compiled = compile_rules(std::move(all), std::move(report));
  if (!compiled.ok() && readable && !waivers_.files.empty()) {
    const absl::Status why = compiled.status();
    compiled = compile_rules(std::move(rules));
    if (compiled.ok()) waivers = {waivers_.set_id, 0, std::string(why.message())};
  }
  if (!compiled.ok()) return compiled.status();
  waivers_in_force_ = std::move(waivers);
  read.set = std::move(compiled->set);
  return read.set;
}

void RuleSource::read_kept_waivers() {
  if (options_.waivers.empty()) return;
  const auto kept = kept_waivers(options_.waivers);
  if (kept.ok()) {
    waivers_ = judge_waivers(*kept, options_.key);
    if (!waivers_.error.empty()) SPDLOG_ERROR("{}", waivers_.error);
  } else if (!absl::IsNotFound(kept.status())) {
    SPDLOG_ERROR("{}", std::string(kept.status().message()));
  }
}

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleSource::first() {
  read_kept_waivers();
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
  SPDLOG_ERROR("the configured rules are refused, the last good ones are used: {}", refused_);
  in_force_ = {};
  in_force_.files = std::move(kept->files);
  in_force_.origin.serial = last_.origin.serial;  // what was signed, though not good: none older
  return compile(in_force_);
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
  return compile(last_, std::move(report));
}

// Who replays an old bundle has a good signature; who wants to go back signs the old rules anew.
absl::Status RuleSource::check_serial(const Origin& offered) const {
  if (offered.serial < in_force_.origin.serial)
    return absl::FailedPreconditionError(fmt::format(
        "take the collector's rules: serial {} is older than {}, which is in force; to go back, "
        "sign the old rules anew",
        offered.serial, in_force_.origin.serial));
  if (offered.serial == in_force_.origin.serial && !in_force_.origin.bundle_id.empty() &&
      offered.bundle_id != in_force_.origin.bundle_id)
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

// Kept with the bundle: what was in force before it is not known after a new start.
absl::Status RuleSource::put_on_trial(Read& read) const {
  const auto plain = compile_rules(read.files);
  if (!plain.ok()) return plain.status();
  v1::RuleBundle trial;
  trial.mutable_on_trial();
  if (in_force_.set) read.on_trial = changed_rules(*in_force_.set, *plain->set);
  for (const std::string& rule : read.on_trial) trial.mutable_on_trial()->add_rules(rule);
  read.bundle += trial.SerializeAsString();  // messages that follow each other are one
  read.origin.shadow = true;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleSource::offered(std::string bundle,
                                                                   bool shadow) {
  auto read = read_bundle(std::move(bundle), false);
  if (!read.ok()) return read.status();
  if (read->origin.bundle_id == in_force_.origin.bundle_id && shadow == in_force_.origin.shadow)
    return std::shared_ptr<const RuleSet>();
  if (absl::Status status = check_serial(read->origin); !status.ok()) return status;
  if (shadow) {
    if (absl::Status status = put_on_trial(*read); !status.ok()) return status;
  }
  auto rules = compile(*read);
  if (rules.ok()) last_ = *std::move(read);
  return rules;
}

absl::StatusOr<std::shared_ptr<const RuleSet>> RuleSource::offered(const v1::WaiverSet& waivers) {
  waivers_ = judge_waivers(waivers, options_.key);
  if (!waivers_.error.empty()) SPDLOG_ERROR("{}", waivers_.error);
  auto rules = compile(in_force_);
  if (rules.ok() && !options_.waivers.empty()) {
    const absl::Status status = keep_waivers(options_.waivers, waivers);
    if (!status.ok())
      SPDLOG_ERROR("the waivers are not kept for the next start: {}",
                   std::string(status.message()));
  }
  return rules;
}

// Never lower than it was; a damaged file stays, so that its reader goes on refusing.
absl::Status RuleSource::keep_serial() const {
  if (options_.serials.empty() || in_force_.origin.key.empty()) return absl::OkStatus();
  auto serials = read_serials(options_.serials);
  if (!serials.ok()) return serials.status();
  KeptSerial& highest = (*serials)[in_force_.origin.key];
  const KeptSerial now{in_force_.origin.serial, in_force_.origin.bundle_id};
  if (now.serial < highest.serial || now == highest) return absl::OkStatus();
  highest = now;
  return keep_serials(options_.serials, *serials);
}

absl::Status RuleSource::keep() {
  const std::string bundle = std::exchange(last_.bundle, {});
  in_force_ = last_;
  absl::Status status = keep_serial();
  if (!bundle.empty()) status.Update(replace_file(options_.bundle, bundle));
  if (!options_.kept.empty()) {
    std::vector<RuleFile> files = last_.files;
    if (!last_.on_trial.empty()) files.push_back(trial_file(last_.on_trial));
    status.Update(keep_rules(options_.kept, files));
  }
  if (!status.ok())
    SPDLOG_ERROR("the rules are not kept for the next start: {}", std::string(status.message()));
  return status;
}

}  // namespace picket
