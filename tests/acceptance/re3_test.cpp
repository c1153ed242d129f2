// RE3: an operator freezes a workspace, thaws it unharmed, kills it; each order is in the audit
// log.
#include <cstring>
#include <fstream>

#include "tests/acceptance/acceptance_test.h"
#include "tests/support/stored.h"

namespace picket::test {
namespace {

constexpr size_t kProcesses = 2 + 1 + 20 + 20;  // init, ticker, and processes family 20

bool has_v1_freezer() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);)
    if (line.find(" cgroup ") != line.npos && line.find("freezer") != line.npos) return true;
  return false;
}

class RE3 : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy({.shipped_rules = false});
    if (!HasFatalFailure()) make_workspace({.id = "re3-workspace"});
  }

  void make_workspace(ContainerOptions options) {
    container_ = make_container(std::move(options));
    ASSERT_TRUE(container_);
    auto ticker = container_->launch({"processes", "ticker", "/tmp/count"});
    ASSERT_TRUE(ticker.ok()) << ticker.status();
    ASSERT_TRUE(container_->launch({"processes", "family", "20", "0"}).ok());
    ASSERT_TRUE(grows());
    ASSERT_TRUE(until([&] { return container_->pids().size() == kProcesses; }));
    // The agent has told the collector that the workspace exists: a mark is behind that.
    alerts_so_far(*container_);
  }

  uint64_t count() {
    uint64_t value = 0;
    auto bytes = read_file(container_->written("/tmp/count"));
    if (bytes.ok() && bytes->size() == sizeof value)
      std::memcpy(&value, bytes->data(), sizeof value);
    return value;
  }

  bool grows() {
    uint64_t before = count();
    return until([&] { return count() > before; });
  }

  std::string state_of_cgroup() {
    return read_file(container_->cgroup_folder() + "/cgroup.events").value_or("");
  }

  ProgramResult order(const char* what, const char* reason) {
    auto result = deployment().picketctl({"workspace", what, container_->id(), "--reason", reason});
    if (!result.ok()) ADD_FAILURE() << result.status();
    return result.ok() ? *result : ProgramResult{-1, {}, {}};
  }

  std::unique_ptr<Container> container_;
};

TEST_F(RE3, FreezeStopsEveryTaskAndThawRestoresThem) {
  std::vector<uint32_t> before = container_->pids();
  ProgramResult frozen = order("freeze", "an incident");
  ASSERT_EQ(frozen.exit_code, 0) << frozen.err;
  EXPECT_THAT(state_of_cgroup(), ::testing::HasSubstr("frozen 1"));
  uint64_t stopped_at = count();
  auto shown = deployment().picketctl({"workspace", "show", container_->id(), "-o", "json"});
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_EQ(shown->exit_code, 0) << shown->err;
  EXPECT_EQ(count(), stopped_at);

  ProgramResult thawed = order("thaw", "a false alarm");
  ASSERT_EQ(thawed.exit_code, 0) << thawed.err;
  EXPECT_THAT(state_of_cgroup(), ::testing::HasSubstr("frozen 0"));
  EXPECT_TRUE(grows());
  EXPECT_EQ(container_->pids(), before);
  EXPECT_EQ(container_->run({"true"})->exit_code, 0);

  auto audit = stored_audit(deployment().database());
  ASSERT_TRUE(audit.ok()) << audit.status();
  auto row = [](const char* action, const char* reason) {
    return ::testing::AllOf(
        ::testing::Field(&AuditRow::actor, ::testing::HasSubstr("operator/admin/alice")),
        ::testing::Field(&AuditRow::action, ::testing::HasSubstr(action)),
        ::testing::Field(&AuditRow::object, ::testing::HasSubstr("re3-workspace")),
        ::testing::Field(&AuditRow::reason, reason));
  };
  EXPECT_THAT(*audit, ::testing::Contains(row("freeze", "an incident")));
  EXPECT_THAT(*audit, ::testing::Contains(row("thaw", "a false alarm")));
}

// A node with both hierarchies: the container's runtime works with v1.
TEST_F(RE3, AContainerOfV1IsFrozenThawedAndKilled) {
  if (!has_v1_freezer()) return;  // the other tests are all there is
  container_.reset();
  make_workspace({.id = "re3-v1", .v1 = true});
  ASSERT_FALSE(HasFatalFailure());
  const std::vector<uint32_t> before = container_->pids();
  ProgramResult frozen = order("freeze", "an incident");
  ASSERT_EQ(frozen.exit_code, 0) << frozen.err;
  EXPECT_THAT(state_of_cgroup(), ::testing::HasSubstr("frozen 1"));
  ASSERT_EQ(order("thaw", "a false alarm").exit_code, 0);
  EXPECT_TRUE(grows());
  EXPECT_EQ(container_->pids(), before);

  // Paused by the runtime, in the v1 freezer: an operator's thaw and kill reach it there.
  ASSERT_TRUE(container_->pause().ok());
  EXPECT_THAT(state_of_cgroup(), ::testing::HasSubstr("frozen 0"));
  ASSERT_EQ(order("thaw", "paused by mistake").exit_code, 0);
  EXPECT_TRUE(grows());
  ASSERT_TRUE(container_->pause().ok());
  ASSERT_EQ(order("kill", "confirmed").exit_code, 0);
  EXPECT_TRUE(container_->wait_for_end().ok());
  EXPECT_THAT(state_of_cgroup(), ::testing::HasSubstr("populated 0"));
}

TEST_F(RE3, AnAgentThatStartsAnewTellsWhatIsFrozen) {
  const auto stored = [&](const char* column) {
    auto rows = stored_rows(
        deployment().database(),
        fmt::format("SELECT {} FROM workspaces WHERE id = '{}'", column, container_->id()));
    return rows.ok() && rows->size() == 1 ? rows->front() : "";
  };
  ASSERT_EQ(order("freeze", "an incident").exit_code, 0);
  ASSERT_TRUE(deployment().stop_agent().ok());
  const std::string told = stored("changed_ns");
  ASSERT_TRUE(deployment().start_agent().ok());
  ASSERT_TRUE(until([&] { return stored("changed_ns") != told; })) << "by the new agent";
  EXPECT_EQ(stored("state"), std::to_string(v1::WORKSPACE_STATE_FROZEN));
  EXPECT_EQ(order("thaw", "a false alarm").exit_code, 0);
  EXPECT_TRUE(grows());
}

TEST_F(RE3, KillEndsAFrozenWorkspace) {
  ASSERT_EQ(order("freeze", "an incident").exit_code, 0);
  ProgramResult killed = order("kill", "confirmed");
  ASSERT_EQ(killed.exit_code, 0) << killed.err;
  EXPECT_TRUE(container_->wait_for_end().ok());
  EXPECT_THAT(state_of_cgroup(), ::testing::HasSubstr("populated 0"));
}

TEST_F(RE3, AnOrderNeedsAReasonAndAWorkspace) {
  auto no_reason = deployment().picketctl({"workspace", "freeze", container_->id()});
  ASSERT_TRUE(no_reason.ok()) << no_reason.status();
  EXPECT_EQ(no_reason->exit_code, 2);
  auto unknown =
      deployment().picketctl({"workspace", "freeze", "nobody", "--reason", "an incident"});
  ASSERT_TRUE(unknown.ok()) << unknown.status();
  EXPECT_EQ(unknown->exit_code, 1);
  EXPECT_THAT(state_of_cgroup(), ::testing::HasSubstr("frozen 0"));
}

}  // namespace
}  // namespace picket::test
