// The trail of commands that never reach a node: none is without its entries in the audit log.
#include "collector/fleet/commands.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <future>

#include "collector/store/sqlite_store.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// A real store that takes no commands.
class WithoutCommands final : public Store {
 public:
  explicit WithoutCommands(std::unique_ptr<Store> store) : store_(std::move(store)) {}
  absl::Status add_command(const std::string&, const v1::Command&) override {
    return absl::ResourceExhaustedError("the disk is full");
  }
  absl::StatusOr<CommitOutcome> commit(std::span<const NodeBatch> batches) override {
    return store_->commit(batches);
  }
  absl::StatusOr<Greeting> greet(const NodeHello& hello) override { return store_->greet(hello); }
  absl::Status node_left(const std::string& node) override { return store_->node_left(node); }
  absl::StatusOr<v1::AuditEntry> append_audit(v1::AuditEntry entry) override {
    return store_->append_audit(std::move(entry));
  }
  absl::Status close_command(const std::string& id, CommandState state) override {
    return store_->close_command(id, state);
  }
  absl::StatusOr<std::vector<OpenCommand>> open_commands() override {
    return store_->open_commands();
  }
  absl::Status add_bundle(const RuleBundle& bundle) override { return store_->add_bundle(bundle); }
  absl::Status remove_bundle(const std::string& bundle_id) override {
    return store_->remove_bundle(bundle_id);
  }
  absl::Status set_policy(const v1::FleetPolicy& policy) override {
    return store_->set_policy(policy);
  }
  std::unique_ptr<OutputTurn> output_turn(const std::string& output) override {
    return store_->output_turn(output);
  }
  absl::StatusOr<std::unique_ptr<StoreReader>> reader() const override { return store_->reader(); }

 private:
  std::unique_ptr<Store> store_;
};

class CommandsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-cmd-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    auto opened = SqliteStore::open(folder_ / "collector.db", clock_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = std::make_unique<WithoutCommands>(*std::move(opened));
    const NodeBatch known = batch(kNode, {workspace_envelope(1, "aa11", "alpha")});
    ASSERT_TRUE(store_->commit({&known, 1}).ok());
    writer_ = std::make_unique<Writer>(*store_, Writer::Options{}, registry_);
    commands_ = std::make_unique<Commands>(*store_, *writer_, nodes_, clock_);
    writer_->start();
  }
  void TearDown() override {
    commands_->stop();
    writer_->stop();
    std::filesystem::remove_all(folder_);
  }
  static CommandRequest request(const std::string& actor, const std::string& denied = "") {
    CommandRequest request{actor, {}, denied};
    request.order.set_action(v1::ACTION_KILL);
    request.order.set_workspace("aa11");
    request.order.set_reason("r");
    return request;
  }
  std::vector<v1::AuditEntry> audit() const {
    const auto reader = store_->reader();
    EXPECT_TRUE(reader.ok()) << reader.status();
    auto entries = (*reader)->audit(0, 10'000);
    EXPECT_TRUE(entries.ok()) << entries.status();
    return *std::move(entries);
  }

  std::filesystem::path folder_;
  SystemClock clock_;
  MetricRegistry registry_;
  NodeRegistry nodes_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Writer> writer_;
  std::unique_ptr<Commands> commands_;
};

TEST_F(CommandsTest, ARequestedCommandThatCannotBeStoredIsClosed) {
  ASSERT_TRUE(commands_->start().ok());
  std::promise<absl::Status> answer;
  ASSERT_TRUE(commands_->submit(
      request("ada"), [&](const auto& response) { answer.set_value(response.status()); }));
  EXPECT_TRUE(absl::IsResourceExhausted(answer.get_future().get()));
  const auto entries = audit();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_THAT(entries[0].outcome(), HasSubstr("requested"));
  EXPECT_EQ(entries[1].outcome(), "failed: the disk is full");
  for (const v1::AuditEntry& entry : entries) {
    EXPECT_EQ(entry.actor(), "ada");
    EXPECT_EQ(entry.object(), std::string(kNode) + " aa11");
  }
}

TEST_F(CommandsTest, WhoFindsTheQueueFullIsOnRecord) {
  // Nothing takes from the queue before the start.
  int queued = 0;
  while (commands_->submit(request("ada", "ada may not"), [](const auto&) {})) ++queued;
  EXPECT_FALSE(commands_->submit(request("ada"), [](const auto&) {}));
  EXPECT_FALSE(commands_->submit(request("bob"), [](const auto&) {}));
  ASSERT_TRUE(commands_->start().ok());
  commands_->stop();
  std::vector<std::string> busy;
  for (const v1::AuditEntry& entry : audit()) {
    if (entry.outcome() == "refused: ada may not") {
      --queued;
    } else {
      busy.push_back(entry.actor() + " " + entry.object() + " " + entry.outcome());
    }
  }
  EXPECT_EQ(queued, 0);
  EXPECT_THAT(busy, ElementsAre(AllOf(HasSubstr("ada aa11 refused: the collector could"),
                                      HasSubstr("2 attempts")),
                                "bob aa11 refused: the collector could take no more commands"));
}

TEST_F(CommandsTest, WhoComesAfterTheEndIsOnRecord) {
  ASSERT_TRUE(commands_->start().ok());
  commands_->stop();
  EXPECT_FALSE(commands_->submit(request("ada"), [](const auto&) {}));
  commands_->stop();
  ASSERT_EQ(audit().size(), 1U);
  EXPECT_THAT(audit()[0].outcome(), HasSubstr("refused"));
}

TEST_F(CommandsTest, AnEndlessNameIsRefusedAndCutInTheLog) {
  ASSERT_TRUE(commands_->start().ok());
  CommandRequest endless = request("ada");
  endless.order.set_workspace(std::string(1'000'000, 'w'));
  ASSERT_TRUE(commands_->submit(std::move(endless), [](const auto&) {}));
  commands_->stop();
  ASSERT_EQ(audit().size(), 1U);
  EXPECT_LT(audit()[0].ByteSizeLong(), 2000U);
}

}  // namespace
}  // namespace picket::test
