// The audit log's hash chain.
#include <gtest/gtest.h>

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

TEST(AuditChain, FindsAnEntryThatWasSealedAnew) {
  auto entries = chain(3);
  entries[1].set_actor("eve");
  seal_audit_entry(entries[1], 1, entries[0].hash());  // consistent in itself
  EXPECT_EQ(first_broken(entries), 3U);
}

}  // namespace
}  // namespace picket
