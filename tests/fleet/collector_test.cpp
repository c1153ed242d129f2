// Agents against a real collector over mutual TLS: what arrives, in which order, how often.
#include <gmock/gmock.h>

#include <thread>

#include "collector/store/sqlite_reader.h"
#include "tests/fleet/collector_fixture.h"
#include "tests/support/http.h"

namespace picket::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Ingest : public CollectorTest {
 protected:
  uint64_t stored() const {
    const auto reader = sqlite::open_reader(folder_ / "collector.db");
    EXPECT_TRUE(reader.ok()) << reader.status();
    return (*reader)->alert_count().value_or(0);
  }
  std::vector<std::string> ids() const {
    std::vector<std::string> ids;
    for (const nlohmann::json& alert : json("vic", {"alerts", "list"})) {
      ids.push_back(alert["id"].get<std::string>());
    }
    return ids;
  }
};

TEST_F(Ingest, AcknowledgesWhatIsCommitted) {
  const auto agent = this->agent();
  ASSERT_EQ(agent->hello(), 0U);
  for (uint64_t first = 1; first < 100; first += 10) {
    ASSERT_TRUE(agent->send(alerts_batch(kNode, first, first + 9)));
  }
  while (const auto message = agent->receive()) {
    ASSERT_TRUE(message->has_ack());
    EXPECT_GE(stored(), message->ack().sequence());  // read by a connection of our own
    if (message->ack().sequence() == 100) break;
  }
  EXPECT_EQ(stored(), 100U);
  const auto alerts = json("vic", {"alerts", "list", "--limit", "1"});
  ASSERT_EQ(alerts.size(), 1U);
  EXPECT_EQ(alerts[0]["id"], "epoch-1-100");
  EXPECT_EQ(alerts[0]["node"], kNode);
}

TEST_F(Ingest, TakesAResentEnvelopeOnce) {
  {
    const auto agent = this->agent();
    ASSERT_EQ(agent->hello(), 0U);
    ASSERT_TRUE(agent->send(alerts_batch(kNode, 1, 5)));
    ASSERT_TRUE(agent->wait_for_ack(5));
  }
  const auto agent = this->agent();
  EXPECT_EQ(agent->hello(), 5U);
  ASSERT_TRUE(agent->send(alerts_batch(kNode, 4, 8)));
  ASSERT_TRUE(agent->wait_for_ack(8));
  EXPECT_THAT(ids(), ElementsAre("epoch-1-1", "epoch-1-2", "epoch-1-3", "epoch-1-4", "epoch-1-5",
                                 "epoch-1-6", "epoch-1-7", "epoch-1-8"));
  EXPECT_EQ(metric_of("picket_ingest_duplicates_total"), 2);
}

TEST_F(Ingest, RemembersOverARestart) {
  {
    const auto agent = this->agent();
    ASSERT_EQ(agent->hello(), 0U);
    ASSERT_TRUE(agent->send(alerts_batch(kNode, 1, 3)));
    ASSERT_TRUE(agent->wait_for_ack(3));
  }
  stop();
  start();
  EXPECT_EQ(agent()->hello(), 3U);
  EXPECT_EQ(agent()->hello("epoch-2"), 0U);
  EXPECT_EQ(agent("n2")->hello(), 0U);
  EXPECT_EQ(stored(), 3U);
}

TEST_F(Ingest, ANewerStreamTakesTheNodesPlace) {
  const auto older = agent();
  ASSERT_EQ(older->hello(), 0U);
  const auto newer = agent();
  ASSERT_EQ(newer->hello(), 0U);
  EXPECT_EQ(older->finish().error_code(), grpc::StatusCode::ABORTED);
  ASSERT_TRUE(newer->send(alerts_batch(kNode, 1, 1)));
  EXPECT_TRUE(newer->wait_for_ack(1));
  EXPECT_EQ(metric_of("picket_fleet_nodes_connected"), 1);
}

TEST_F(Ingest, ShowsTheSequencesThatNeverArrived) {
  const auto agent = this->agent();
  ASSERT_EQ(agent->hello(), 0U);
  ASSERT_TRUE(agent->send(alerts_batch(kNode, 1, 2)));
  ASSERT_TRUE(agent->send(alerts_batch(kNode, 7, 8)));
  ASSERT_TRUE(agent->wait_for_ack(8));
  const auto nodes = json("vic", {"nodes"});
  ASSERT_EQ(nodes.size(), 1U);
  EXPECT_EQ(nodes[0]["node"], kNode);
  EXPECT_EQ(nodes[0]["connected"], true);
  EXPECT_EQ(nodes[0]["missing"], 4);
  EXPECT_EQ(nodes[0]["gaps"][0]["first"], 3);
  EXPECT_EQ(nodes[0]["gaps"][0]["last"], 6);
  EXPECT_EQ(metric_of("picket_ingest_missing_total"), 4);
}

TEST_F(Ingest, RefusesGarbageAndGoesOn) {
  const grpc::Status status = send_garbage(port(), certificate("n1"), "\xff\xff\xff no message");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  EXPECT_EQ(refused(*this, "garbage"), 1);
  EXPECT_EQ(agent()->hello(), 0U);
}

// A few kilobytes on the wire are not to become any amount of memory.
TEST_F(Ingest, RefusesWhatIsTooLargeAlsoWhenCompressed) {
  // The head of a field of 64 MiB, which no collector knows, and the field.
  const std::string large = "\xc2\x3e\x80\x80\x80\x20" + std::string(64 << 20, '\0');
  for (const bool compressed : {false, true}) {
    const grpc::Status status = send_garbage(port(), certificate("n1"), large, compressed);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED)
        << compressed << ": " << status.error_message();
  }
  EXPECT_EQ(agent()->hello(), 0U);
}

TEST_F(Ingest, RefusesWhatIsOutOfOrder) {
  {
    const auto agent = this->agent();
    ASSERT_EQ(agent->hello(), 0U);
    ASSERT_TRUE(
        agent->send(batch(kNode, {envelope(2, make_alert("b")), envelope(1, make_alert("a"))})));
    EXPECT_EQ(agent->finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  {
    const auto agent = this->agent();
    ASSERT_EQ(agent->hello(), 0U);
    ASSERT_TRUE(agent->send(batch(kNode, {envelope(UINT64_MAX, make_alert("a"))})));
    EXPECT_EQ(agent->finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_EQ(refused(*this, "out_of_order"), 2);
  EXPECT_EQ(stored(), 0U);
}

TEST_F(Ingest, RefusesAStreamThatDoesNotIntroduceItself) {
  {
    const auto agent = this->agent();
    ASSERT_TRUE(agent->send(alerts_batch(kNode, 1, 1)));
    EXPECT_EQ(agent->finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  {
    const auto agent = this->agent();
    ASSERT_TRUE(agent->say({}));
    EXPECT_EQ(agent->finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  {
    const auto agent = this->agent();
    EXPECT_EQ(agent->hello(""), std::nullopt);
    EXPECT_EQ(agent->finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  EXPECT_EQ(refused(*this, "batch_before_hello"), 1);
  EXPECT_EQ(refused(*this, "empty_message"), 1);
  EXPECT_EQ(refused(*this, "no_epoch"), 1);
}

TEST_F(Ingest, RefusesOperators) {
  const auto agent = this->agent("ada");
  EXPECT_EQ(agent->hello(), std::nullopt);
  EXPECT_EQ(agent->finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(refused(*this, "not_a_node"), 1);
}

TEST_F(Ingest, RefusesTextThatIsNotUtf8AsAWhole) {
  const auto agent = this->agent();
  ASSERT_EQ(agent->hello(), 0U);
  ASSERT_TRUE(agent->send(batch(kNode, {envelope(1, make_alert("a\xff"))})));
  EXPECT_EQ(agent->finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(refused(*this, "garbage"), 1);
}

TEST_F(Ingest, StopsWithStreamsOpenAndKeepsWhatItTook) {
  const auto agent = this->agent();
  ASSERT_EQ(agent->hello(), 0U);
  ASSERT_TRUE(agent->send(alerts_batch(kNode, 1, 10)));
  ASSERT_TRUE(agent->wait_for_ack(10));
  stop();
  EXPECT_FALSE(agent->finish().ok());
  EXPECT_EQ(stored(), 10U);
}

TEST_F(Ingest, SaysThatItLivesAndIsReady) {
  const auto http = static_cast<uint16_t>(collector_->http_port());
  EXPECT_EQ(http_get(http, "/livez")->code, 200);
  EXPECT_EQ(http_get(http, "/readyz")->code, 200);
  EXPECT_THAT(http_get(http, "/metrics")->body, HasSubstr("picket_store_commit_seconds"));
}

// Many nodes at once, each cut off now and then without a word: everything arrives, once, in order.
TEST_F(Ingest, ManyStreamsThatBreakLoseNothing) {
  constexpr uint64_t kAlerts = 400, kBatch = 20;
  const auto run_node = [&](const std::string& name, const std::string& epoch) {
    uint64_t acknowledged = 0;
    for (int attempt = 0; acknowledged < kAlerts; ++attempt) {
      const auto agent = this->agent(name);
      const auto last = agent->hello(epoch);
      ASSERT_TRUE(last.has_value());
      ASSERT_GE(*last, acknowledged);  // never forgets what it acknowledged
      acknowledged = *last;
      if (acknowledged == kAlerts) break;
      // From the last acknowledged one on, and a crash after a few batches.
      for (uint64_t sent = 0, next = acknowledged + 1; next <= kAlerts && sent < 3; ++sent) {
        const uint64_t end = std::min(kAlerts, next + kBatch - 1);
        ASSERT_TRUE(agent->send(alerts_batch("", next, end, epoch)));
        next = end + 1;
      }
      if (attempt % 2 == 1) {
        const auto message = agent->receive();
        if (message) acknowledged = std::max(acknowledged, message->ack().sequence());
      } else if (acknowledged + kBatch <= kAlerts) {
        ASSERT_TRUE(agent->wait_for_ack(acknowledged + kBatch));
      } else {
        ASSERT_TRUE(agent->wait_for_ack(kAlerts));
      }
    }
  };
  std::thread other([&] { run_node("n2", "epoch-of-n2"); });
  run_node("n1", "epoch-of-n1");
  other.join();
  EXPECT_EQ(stored(), 2 * kAlerts);
  for (const nlohmann::json& node : json("vic", {"nodes"})) {
    EXPECT_EQ(node["last_sequence"], kAlerts);
    EXPECT_EQ(node["missing"], 0);
  }
}

}  // namespace
}  // namespace picket::test
