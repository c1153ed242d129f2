// Two collectors on one PostgreSQL, and analysts at both: of two who change an incident at once one
// is told that the other was first, and what one collector kept the other shows.
#include <gmock/gmock.h>
#include <stdlib.h>

#include <array>
#include <thread>

#include "collector/app/collector.h"
#include "common/tls.h"
#include "picket/v1/operator.grpc.pb.h"
#include "tests/fleet/simulated_agent.h"
#include "tests/support/postgres.h"
#include "tests/unit/dev_pki.h"
#include "tests/unit/wire.h"

namespace picket::test {
namespace {

using testing::HasSubstr;

constexpr char kServer[] = "spiffe://picket/collector/collector";

v1::Envelope alert(uint64_t sequence, const std::string& id) {
  v1::Alert alert = make_alert(id);
  alert.mutable_incident()->set_id("a1");
  return envelope(sequence, alert);
}

class IncidentReplicas : public testing::Test {
 protected:
  void SetUp() override {
    auto server = PostgresServer::start();
    if (absl::IsUnimplemented(server.status())) GTEST_SKIP() << server.status();
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    const auto where = server_->create_database();
    ASSERT_TRUE(where.ok()) << where.status();
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-inc-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    require_tls13();
    for (const char* who : {"collector collector", "node n1", "operator analyst amy"})
      pki_.issue(who);
    for (size_t i = 0; i < collectors_.size(); ++i) {
      CollectorConfig config;
      config.listen = config.http = "127.0.0.1:0";
      config.postgres = *where;
      config.tls = pki_.files("collector");
      config.audit_key = folder_ / "audit.key";
      collectors_[i] = std::make_unique<Collector>(config, clock_, refused_);
      const absl::Status started = collectors_[i]->start();
      ASSERT_TRUE(started.ok()) << started;
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
      stubs_[i] = v1::OperatorService::NewStub(
          grpc::CreateCustomChannel(fmt::format("127.0.0.1:{}", collectors_[i]->grpc_port()),
                                    channel_credentials(pki_.files("amy"), kServer), arguments));
    }
  }
  void TearDown() override {
    stubs_ = {};
    collectors_ = {};
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  v1::IncidentHandling seen_at(size_t collector) {
    grpc::ClientContext context;
    v1::GetIncidentRequest request;
    request.set_incident("a1");
    v1::GetIncidentResponse response;
    const grpc::Status status = stubs_[collector]->GetIncident(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.incident().handling();
  }
  grpc::Status change(size_t collector, uint64_t revision, v1::IncidentAction action) {
    grpc::ClientContext context;
    v1::ChangeIncidentRequest request;
    request.set_incident("a1");
    request.set_revision(revision);
    request.set_action(action);
    request.set_assignee(std::to_string(collector));
    request.set_reason("a test");
    request.set_verdict(v1::INCIDENT_VERDICT_BENIGN);
    v1::ChangeIncidentResponse response;
    return stubs_[collector]->ChangeIncident(&context, request, &response);
  }

  SystemClock clock_;
  RefusalCounts refused_;
  std::unique_ptr<PostgresServer> server_;
  std::filesystem::path folder_;
  const DevPki pki_;
  std::array<std::unique_ptr<Collector>, 2> collectors_;
  std::array<std::unique_ptr<v1::OperatorService::Stub>, 2> stubs_;
};

TEST_F(IncidentReplicas, OfTwoChangesAtOnceOneIsFirst) {
  SimulatedAgent node(collectors_[0]->grpc_port(), pki_.files("n1"));
  ASSERT_EQ(node.hello(), 0U);
  ASSERT_TRUE(node.send(batch(kNode, {alert(1, "a1")})));
  ASSERT_TRUE(node.wait_for_ack(1));
  constexpr uint64_t kRounds = 20;
  for (uint64_t round = 0; round < kRounds; ++round) {
    std::array<grpc::Status, 2> answers;
    std::thread other([&] { answers[1] = change(1, round, v1::INCIDENT_ACTION_ASSIGN); });
    answers[0] = change(0, round, v1::INCIDENT_ACTION_ASSIGN);
    other.join();
    const size_t first = answers[0].ok() ? 0 : 1;
    ASSERT_TRUE(answers[first].ok()) << answers[first].error_message();
    EXPECT_EQ(answers[1 - first].error_code(), grpc::StatusCode::ABORTED);
    EXPECT_THAT(answers[1 - first].error_message(), HasSubstr("has assigned the incident"));
    for (const size_t collector : {0U, 1U}) {
      EXPECT_EQ(seen_at(collector).assignee(), std::to_string(first));
      EXPECT_EQ(seen_at(collector).revision(), round + 1);
    }
  }
}

TEST_F(IncidentReplicas, AnAlertAtOneOpensWhatWasResolvedAtTheOther) {
  SimulatedAgent node(collectors_[0]->grpc_port(), pki_.files("n1"));
  ASSERT_EQ(node.hello(), 0U);
  ASSERT_TRUE(node.send(batch(kNode, {alert(1, "a1")})));
  ASSERT_TRUE(node.wait_for_ack(1));
  ASSERT_TRUE(change(1, 0, v1::INCIDENT_ACTION_RESOLVE).ok());
  EXPECT_EQ(seen_at(0).state(), v1::INCIDENT_STATE_RESOLVED);
  ASSERT_TRUE(node.send(batch(kNode, {alert(2, "a2")})));
  ASSERT_TRUE(node.wait_for_ack(2));
  EXPECT_EQ(seen_at(1).state(), v1::INCIDENT_STATE_OPEN);
}

}  // namespace
}  // namespace picket::test
