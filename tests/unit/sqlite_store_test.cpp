// The SQLite store: the common behaviour, and what only a file can do.
#include "collector/store/sqlite_store.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "collector/app/collector.h"
#include "collector/store/sqlite_reader.h"
#include "tests/unit/store_conformance.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-store-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::filesystem::path file() const { return path_ / "collector.db"; }

 private:
  std::filesystem::path path_;
};

class SqliteUnderTest final : public StoreUnderTest {
 public:
  absl::StatusOr<std::unique_ptr<Store>> open(const Clock& clock) override {
    return SqliteStore::open(folder_.file(), clock);
  }

 private:
  TemporaryFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformance,
                         testing::Values(StoreKind{
                             "sqlite", [] { return std::make_unique<SqliteUnderTest>(); }}),
                         [](const auto& kind) { return kind.param.name; });

class SqliteFile : public testing::Test {
 protected:
  absl::Status open() { return SqliteStore::open(folder_.file(), clock_).status(); }
  void execute(const std::string& sql) {
    const auto db = sqlite::Database::open(folder_.file(), sqlite::Database::Mode::read_write);
    ASSERT_TRUE(db.ok()) << db.status();
    const absl::Status status = db->execute(sql);
    ASSERT_TRUE(status.ok()) << status;
  }
  void audit(int entries) {
    const auto store = SqliteStore::open(folder_.file(), clock_);
    ASSERT_TRUE(store.ok()) << store.status();
    for (int i = 0; i < entries; ++i) {
      v1::AuditEntry entry;
      entry.set_actor("ada");
      ASSERT_TRUE((*store)->append_audit(entry).ok());
    }
  }

  absl::StatusOr<uint64_t> verify() {
    const auto reader = sqlite::open_reader(folder_.file());
    return reader.ok() ? verify_audit(**reader) : reader.status();
  }

  TemporaryFolder folder_;
  TestClock clock_;
};

TEST_F(SqliteFile, IsForItsOwnerOnly) {
  using std::filesystem::perms;
  const auto mode_of = [&](const char* side) {
    return std::filesystem::status(folder_.file().string() + side).permissions();
  };
  for (int round = 0; round < 2; ++round) {
    const auto store = SqliteStore::open(folder_.file(), clock_);
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)->append_audit({}).ok());
    for (const char* side : {"", "-wal", "-shm"}) {
      EXPECT_EQ(mode_of(side), perms::owner_read | perms::owner_write) << side << " " << round;
    }
    // As an older collector left it.
    std::filesystem::permissions(folder_.file(), perms::others_read,
                                 std::filesystem::perm_options::add);
  }
}

TEST_F(SqliteFile, RefusesAnotherProgramsDatabase) {
  execute("CREATE TABLE foreign_table (x)");
  const absl::Status status = open();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("another program"));
}

TEST_F(SqliteFile, RefusesANewerSchema) {
  ASSERT_TRUE(open().ok());
  execute("PRAGMA user_version = 999");
  const absl::Status status = open();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("newer"));
}

TEST_F(SqliteFile, TheBundleOfAnOlderCollectorIsAVersion) {
  ASSERT_TRUE(open().ok());
  execute(
      "DROP TABLE rule_bundles; DROP TABLE policy; ALTER TABLE nodes DROP COLUMN labels; CREATE "
      "TABLE rules (only INTEGER PRIMARY KEY "
      "CHECK (only = 1), info BLOB NOT NULL, bundle BLOB NOT NULL); PRAGMA user_version = 7");
  {
    const auto db = sqlite::Database::open(folder_.file(), sqlite::Database::Mode::read_write);
    ASSERT_TRUE(db.ok()) << db.status();
    auto set = db->prepare("INSERT INTO rules VALUES (1, ?, ?)");
    ASSERT_TRUE(set.ok()) << set.status();
    v1::RuleBundleInfo info;
    info.set_bundle_id("old");
    ASSERT_TRUE(set->bind_bytes(info.SerializeAsString()).bind_bytes("bytes").run().ok());
  }
  const auto store = SqliteStore::open(folder_.file(), clock_);
  ASSERT_TRUE(store.ok()) << store.status();
  const auto reader = (*store)->reader();
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto kept = (*reader)->bundle("old");
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->bytes, "bytes");
  EXPECT_TRUE(absl::IsNotFound((*reader)->policy().status()));
}

TEST_F(SqliteFile, RefusesWhatIsNoDatabase) {
  std::ofstream(folder_.file()) << std::string(8192, 'x');
  const absl::Status status = open();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(folder_.file().string()));
}

TEST_F(SqliteFile, LetsNobodyRewriteTheAuditLog) {
  audit(2);
  const auto db = sqlite::Database::open(folder_.file(), sqlite::Database::Mode::read_write);
  ASSERT_TRUE(db.ok());
  EXPECT_FALSE(db->execute("UPDATE audit SET actor = 'eve'").ok());
  EXPECT_FALSE(db->execute("DELETE FROM audit WHERE sequence = 1").ok());
  EXPECT_EQ(*verify(), 2U);
}

TEST_F(SqliteFile, NamesTheAuditEntryThatWasAltered) {
  audit(3);
  execute(
      "DROP TRIGGER audit_is_append_only_update; UPDATE audit SET actor = 'eve' "
      "WHERE sequence = 2");
  const auto verified = verify();
  EXPECT_EQ(verified.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(verified.status().message()), testing::HasSubstr("entry 2"));
}

TEST_F(SqliteFile, NamesTheAuditEntryThatWasRemoved) {
  audit(3);
  execute("DROP TRIGGER audit_is_append_only_delete; DELETE FROM audit WHERE sequence = 2");
  const auto verified = verify();
  EXPECT_THAT(std::string(verified.status().message()), testing::HasSubstr("entry 2 is missing"));
}

}  // namespace
}  // namespace picket::test
