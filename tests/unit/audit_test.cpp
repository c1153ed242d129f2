// The audit log's hash chain.
#include <gtest/gtest.h>

#include <stdlib.h>

#include <filesystem>
#include <vector>

#include "collector/audit/chain.h"

namespace picket {
namespace {

std::vector<v1::AuditEntry> chain(int length) {
  std::vector<v1::AuditEntry> entries;
  std::string hash = audit_genesis();
  for (int i = 0; i < length; ++i) {
    v1::AuditEntry& entry = entries.emplace_back();
    entry.mutable_time()->set_seconds(1000 + i);
    entry.set_actor("ada");
    entry.set_action("workspace.freeze");
    entry.set_object("w1");
    entry.set_reason("why not");
    entry.set_outcome("requested");
    seal_audit_entry(entry, static_cast<uint64_t>(i), hash);
    hash = entry.hash();
  }
  return entries;
}

uint64_t first_broken(const std::vector<v1::AuditEntry>& entries) {
  AuditVerifier verifier;
  for (const v1::AuditEntry& entry : entries) {
    if (const auto& broken = verifier.next(entry)) return broken->sequence;
  }
  return 0;
}

TEST(AuditChain, HoldsWhenUntouched) { EXPECT_EQ(first_broken(chain(5)), 0U); }

TEST(AuditChain, EveryFieldIsCovered) {
  const std::vector<void (*)(v1::AuditEntry&)> changes{
      [](v1::AuditEntry& entry) { entry.set_actor("eve"); },
      [](v1::AuditEntry& entry) { entry.set_action("workspace.thaw"); },
      [](v1::AuditEntry& entry) { entry.set_object("w2"); },
      [](v1::AuditEntry& entry) { entry.set_reason(""); },
      [](v1::AuditEntry& entry) { entry.set_outcome("done"); },
      [](v1::AuditEntry& entry) { entry.mutable_time()->set_seconds(1); },
      [](v1::AuditEntry& entry) { entry.mutable_time()->set_nanos(1); },
      [](v1::AuditEntry& entry) { entry.mutable_hash()->back() ^= 1; },
      [](v1::AuditEntry& entry) { entry.mutable_previous_hash()->back() ^= 1; },
      // Text moved from one field to the next must not give the same bytes.
      [](v1::AuditEntry& entry) { entry.set_object("w1why "), entry.set_reason("not"); }};
  for (size_t i = 0; i < changes.size(); ++i) {
    auto entries = chain(3);
    changes[i](entries[1]);
    EXPECT_EQ(first_broken(entries), 2U) << "change " << i;
  }
}

TEST(AuditChain, FindsARemovedAndASwappedEntry) {
  auto removed = chain(4);
  removed.erase(removed.begin() + 1);
  EXPECT_EQ(first_broken(removed), 2U);
  auto beginning = chain(4);
  beginning.erase(beginning.begin());
  EXPECT_EQ(first_broken(beginning), 1U);
  auto swapped = chain(4);
  std::swap(swapped[1], swapped[2]);
  EXPECT_EQ(first_broken(swapped), 2U);
}

class SignedAudit : public testing::Test {
 protected:
  SignedAudit() {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-key-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~SignedAudit() override { std::filesystem::remove_all(folder_); }
  AuditSigner signer(const std::string& name = "audit.key") {
    auto opened = AuditSigner::open(folder_ / name, true);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  static std::vector<v1::AuditEntry> signed_chain(const AuditSigner& with, int length) {
    auto entries = chain(length);
    for (v1::AuditEntry& entry : entries) entry.set_signature(with.sign(entry.hash()));
    return entries;
  }
  static uint64_t first_broken(const AuditSigner& with,
                               const std::vector<v1::AuditEntry>& entries) {
    AuditVerifier verifier(*AuditKey::parse(with.public_key()));
    for (const v1::AuditEntry& entry : entries) {
      if (const auto& broken = verifier.next(entry)) return broken->sequence;
    }
    return 0;
  }
  std::filesystem::path folder_;
};

TEST_F(SignedAudit, AChainMadeAnewWithoutTheKeyIsFound) {
  const AuditSigner right = signer();
  auto entries = signed_chain(right, 5);
  EXPECT_EQ(first_broken(right, entries), 0U);
  entries[2].set_actor("eve");
  for (size_t i = 2; i < entries.size(); ++i)
    seal_audit_entry(entries[i], i, entries[i - 1].hash());
  EXPECT_EQ(first_broken(right, entries), 3U);
  for (v1::AuditEntry& entry : entries) entry.clear_signature();
  entries[0].set_signature(right.sign(entries[0].hash()));
  EXPECT_EQ(first_broken(right, entries), 2U) << "signatures cannot just be left out";
  EXPECT_EQ(first_broken(right, signed_chain(signer("other.key"), 2)), 1U);
}

TEST_F(SignedAudit, TheKeyStaysAndIsItsOwners) {
  const std::string before = signer().public_key();
  EXPECT_EQ(signer().public_key(), before);
  const auto mode = std::filesystem::status(folder_ / "audit.key").permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  const auto missing = AuditSigner::open(folder_ / "none.key", false);
  EXPECT_NE(std::string(missing.status().message()).find("restore it"), std::string::npos);
}

TEST(AuditChain, OlderEntriesHaveNoSource) {
  auto entries = chain(2);
  const std::string before = entries[1].hash();
  entries[1].set_source("ipv4:127.0.0.1:1");
  EXPECT_NE(audit_hash(entries[1]), before);
  EXPECT_EQ(first_broken(entries), 2U);
}

TEST(AuditChain, FindsAnEntryThatWasSealedAnew) {
  auto entries = chain(3);
  entries[1].set_actor("eve");
  seal_audit_entry(entries[1], 1, entries[0].hash());  // consistent in itself
  EXPECT_EQ(first_broken(entries), 3U);
}

}  // namespace
}  // namespace picket
