#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/escaping.h"
#include "collector/audit/chain.h"
#include "collector/cli/fleet_commands.h"
#include "collector/cli/objects.h"
#include "collector/cli/render.h"
#include "common/alert_json.h"

namespace picket {
namespace {

constexpr uint32_t kPage = 1000;

struct VerifyOptions {
  std::string key, remember;
};

// What an earlier run saw, so that removed last entries and an exchanged key show, too.
struct Remembered {
  uint64_t sequence = 0;
  std::string hash, key;
};

absl::StatusOr<Remembered> recall(const std::string& file) {
  Remembered before;
  std::ifstream in(file);
  if (file.empty() || !in) return before;
  std::string hash;
  in >> before.sequence >> hash >> before.key;
  before.hash = absl::HexStringToBytes(hash);
  if (!in || before.hash.size() != kAuditHashBytes)
    return absl::InvalidArgumentError(
        fmt::format("{} is not what an earlier audit verify remembered", file));
  return before;
}

absl::Status remember(const std::string& file, const Remembered& now) {
  if (file.empty() || now.sequence == 0) return absl::OkStatus();
  std::ofstream out(file, std::ios::trunc);
  out << now.sequence << ' ' << absl::BytesToHexString(now.hash) << ' ' << now.key << std::endl;
  return out ? absl::OkStatus() : absl::InternalError(fmt::format("write {}", file));
}

absl::StatusOr<std::string> read_key(const std::string& file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  if (in) return std::move(text).str();
  return absl::InvalidArgumentError(fmt::format("read the public key {}: it cannot be read", file));
}

absl::Status broken(uint64_t sequence, std::string_view why) {
  return absl::DataLossError(
      fmt::format("the audit log is broken at entry {}: {}", sequence, printable(why)));
}

// Up to the entry that was the newest when this began: reading is an entry of its own.
class Verification {
 public:
  Verification(AuditKey key, Remembered before)
      : key_(key.fingerprint()), before_(std::move(before)), verifier_(std::move(key)) {}

  absl::Status check_key() const {
    if (before_.key.empty() || before_.key == key_) return absl::OkStatus();
    return absl::DataLossError(fmt::format(
        "the audit log is signed with another key, {}; remembered is {}", key_, before_.key));
  }
  absl::Status add(const v1::AuditEntry& entry) {
    if (const auto& wrong = verifier_.next(entry)) return broken(wrong->sequence, wrong->reason);
    if (entry.sequence() == before_.sequence && entry.hash() != before_.hash)
      return broken(entry.sequence(), "it is not the entry that was there before");
    return absl::OkStatus();
  }
  absl::Status finish() const {
    if (verifier_.entries() >= before_.sequence) return absl::OkStatus();
    return broken(
        verifier_.entries() + 1,
        fmt::format("it is missing; entries up to {} were there before", before_.sequence));
  }
  uint64_t entries() const { return verifier_.entries(); }
  uint64_t signed_entries() const { return verifier_.signed_entries(); }
  const std::string& key() const { return key_; }
  Remembered now() const { return {entries(), verifier_.last_hash(), key_}; }

 private:
  const std::string key_;
  const Remembered before_;
  AuditVerifier verifier_;
};

Row row_of(const Verification& verified, bool json) {
  if (json)
    return Row(nlohmann::ordered_json{{"entries", verified.entries()},
                                      {"signed", verified.signed_entries()},
                                      {"key", verified.key()},
                                      {"holds", true}});
  return Row(fmt::format("audit log: {} entries, the chain holds, {} signed by {}\n",
                         verified.entries(), verified.signed_entries(), verified.key()));
}

absl::StatusOr<v1::ListAuditResponse> read_page(Client& client, uint64_t after) {
  v1::ListAuditRequest request;
  request.set_after(after);
  request.set_limit(kPage);
  return client.audit(request);
}

absl::Status verify(Client& client, const VerifyOptions& options, bool json, RowSink& rows) {
  auto before = recall(options.remember);
  if (!before.ok()) return before.status();
  auto page = read_page(client, 0);
  if (!page.ok()) return page.status();
  const uint64_t end = page->last();
  auto pem =
      options.key.empty() ? absl::StatusOr<std::string>(page->public_key()) : read_key(options.key);
  if (!pem.ok()) return pem.status();
  auto key = AuditKey::parse(*pem);
  if (!key.ok()) return key.status();
  Verification verification(*std::move(key), *std::move(before));
  if (absl::Status status = verification.check_key(); !status.ok()) return status;
  while (true) {
    for (const v1::AuditEntry& entry : page->entries()) {
      if (absl::Status status = verification.add(entry); !status.ok()) return status;
    }
    if (page->entries().empty() || verification.entries() >= end) break;
    page = read_page(client, verification.entries());
    if (!page.ok()) return page.status();
  }
  if (absl::Status status = verification.finish(); !status.ok()) return status;
  rows.add(row_of(verification, json));
  return remember(options.remember, verification.now());
}

void add_list(CLI::App& audit, Session& session) {
  const auto limit = std::make_shared<uint32_t>(100);
  CLI::App* list = audit.add_subcommand("list", "Its newest entries, oldest first");
  list->add_option("--limit", *limit, "So many")->capture_default_str()->check(CLI::Range(1, 1000));
  list->fallthrough()->callback([limit, &session] {
    const auto query = [&](Client& client, RowSink& rows) {
      v1::ListAuditRequest request;
      request.set_limit(*limit);
      const auto response = client.audit(request);
      if (!response.ok()) return response.status();
      for (const v1::AuditEntry& entry : response->entries()) {
        const uint64_t time_ns = wall_ns(entry.time());
        rows.add(session.json ? Row(audit_object(entry), time_ns)
                              : Row(audit_line(entry), time_ns));
      }
      return absl::OkStatus();
    };
    session.read(query, {.newest = *limit});
  });
}

void add_verify(CLI::App& audit, Session& session) {
  const auto options = std::make_shared<VerifyOptions>();
  CLI::App* command = audit.add_subcommand(
      "verify", "Check here, entry by entry, that none was changed, added or removed");
  command->add_option("--key", options->key,
                      "Public key (PEM) that signs it; without, the collector's word is taken");
  command->add_option("--remember", options->remember,
                      "A file for what was seen last: then removed last entries show as well");
  command->fallthrough()->callback([options, &session] {
    const auto contexts = session.contexts();
    if (contexts.ok() && contexts->size() > 1 && !(options->key + options->remember).empty())
      return session.fail(kExitUsage,
                          fmt::format("each region has a log and a key of its own; give --region "
                                      "with one of: {}",
                                      region_names(*contexts)));
    const auto query = [&](Client& client, RowSink& rows) {
      return verify(client, *options, session.json, rows);
    };
    session.read(query, {}, kExitInvalid);
  });
}

}  // namespace

void add_audit_commands(CLI::App& app, Session& session) {
  CLI::App* audit = app.add_subcommand("audit", "The log of who ordered and who read what");
  audit->fallthrough()->require_subcommand(1);
  add_list(*audit, session);
  add_verify(*audit, session);
}

}  // namespace picket
