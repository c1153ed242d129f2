// What is kept of the sessions of AI agents: each thing once with a count, bounded, told while it
// changes and when nobody lives any more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cerrno>

#include "agent/app/agent_sessions.h"
#include "tests/unit/records.h"

namespace picket {
namespace {

using test::Bytes;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kSecond = 1'000'000'000;

std::vector<std::string> texts(const SessionList& list) {
  std::vector<std::string> texts;
  for (const SessionList::Entry& entry : list.entries()) texts.push_back(entry.text);
  return texts;
}

class AgentSessionsTest : public ::testing::Test {
 protected:
  AgentSessionsTest() {
    std::vector<OriginDefinition> all;
    all.push_back({.name = "helper", .origin = Origin::ai_agent, .programs = {"*/helper"}});
    table_.set_origins(std::make_shared<Origins>(std::move(all)));
    workspace_.id = "w1";
    workspace_.name = "demo";
  }

  void see(const Bytes& record, std::string_view name = {}, FlowAmount moved = {}) {
    const auto event = Event::parse(record);
    ASSERT_TRUE(event);
    const Process& process = table_.apply(*event);
    sessions_.on_observation({*event, process, workspace_, name, nullptr, nullptr, false, moved});
  }
  test::At at(ProcessKey key) { return {.time_ns = ++time_ns_ * kSecond, .key = key}; }
  void run(ProcessKey key, ProcessKey parent, const std::string& exe,
           const std::vector<std::string>& argv) {
    RecordBuilder builder = test::record(PK_EXEC, at(key));
    test::set_parent(builder, parent);
    test::set(builder, "exe", exe);
    EXPECT_TRUE(builder.set_list("argv", argv).ok());
    see(builder.bytes());
  }
  void open(ProcessKey key, const std::string& path, bool writes,
            const std::string& layer = "upper", uint64_t interest = 0, int64_t result = 3) {
    RecordBuilder builder = test::record(PK_OPEN, at(key));
    test::set(builder, "path", path);
    if (result >= 0) test::set(builder, "kind", "file");
    test::set(builder, "layer", layer);
    EXPECT_TRUE(builder.set("result", result).ok());
    EXPECT_TRUE(builder.set("interest", static_cast<int64_t>(interest)).ok());
    EXPECT_TRUE(builder.set(writes ? "writes" : "reads", true).ok());
    see(builder.bytes());
  }
  void end(ProcessKey key) { see(test::record(PK_EXIT, at(key)).bytes()); }

  std::vector<AgentSession> told() {
    std::vector<AgentSession> told;
    sessions_.update(table_, time_ns_ * kSecond,
                     [&](const AgentSession& session) { told.push_back(session); });
    return told;
  }

  uint64_t time_ns_ = 1000;
  Workspace workspace_;
  ProcessTable table_{{}};
  AgentSessions sessions_{2};
  const ProcessKey outside_{1, 1}, agent_{11, 200}, child_{12, 300}, other_{13, 400};
};

TEST_F(AgentSessionsTest, HoldWhatTheSubtreeDidAndNothingOfOthers) {
  run(other_, outside_, "/bin/sh", {"sh"});
  open(other_, "/home/dev/x", true);
  EXPECT_EQ(sessions_.size(), 0u);
  run(agent_, outside_, "/usr/bin/helper", {"helper", "-p"});
  run(child_, agent_, "/usr/bin/make", {"make", "all"});
  run(child_, agent_, "/usr/bin/make", {"make", "all"});
  open(child_, "/src/a.o", true);
  open(child_, "/src/a.o", false);
  open(child_, "/usr/lib/libc.so", false, "image");
  open(child_, "/home/dev/.ssh/id_rsa", false, "upper", PK_OF_SECRET);
  open(child_, "/etc/shadow", false, "image", 0, -EACCES);
  const auto sessions = told();
  ASSERT_EQ(sessions.size(), 1u);
  const AgentSession& session = sessions[0];
  EXPECT_EQ(session.key, agent_);
  EXPECT_EQ(session.agent, "helper");
  EXPECT_EQ(session.program, "helper -p");
  EXPECT_EQ(session.workspace_name, "demo");
  EXPECT_FALSE(session.ended);
  EXPECT_THAT(texts(session.commands), ElementsAre("helper -p", "make all"));
  EXPECT_EQ(session.commands.entries()[1].count, 2u);
  EXPECT_THAT(texts(session.files), ElementsAre("/src/a.o", "/home/dev/.ssh/id_rsa"));
  EXPECT_EQ(session.files.entries()[0].writes, 1u);
  EXPECT_THAT(texts(session.credentials), ElementsAre("/home/dev/.ssh/id_rsa"));
  EXPECT_THAT(texts(session.denials), ElementsAre("open /etc/shadow"));
}

TEST_F(AgentSessionsTest, HoldWhatRulesDidToThem) {
  run(agent_, outside_, "/usr/bin/helper", {"helper"});
  run(other_, outside_, "/bin/sh", {"sh"});
  sessions_.on_response(*table_.find(other_), "kill by rule x", 1);
  sessions_.on_response(*table_.find(agent_), "freeze by rule y", 1);
  const auto sessions = told();
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_THAT(texts(sessions[0].denials), ElementsAre("freeze by rule y of helper"));
}

TEST_F(AgentSessionsTest, AddUpTheBytesOfHosts) {
  run(agent_, outside_, "/usr/bin/helper", {"helper"});
  RecordBuilder flow = test::record(PK_FLOW, at(agent_));
  test::set(flow, "direction", "outbound");
  test::set(flow, "family", "ipv4");
  test::set(flow, "proto", "tcp");
  test::set(flow, "remote_addr", "203.0.113.7");
  test::set(flow, "remote_port", "443");
  see(flow.bytes(), {}, {5, 100});
  see(flow.bytes(), {}, {5, 100});
  const auto sessions = told();
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_THAT(texts(sessions[0].hosts), ElementsAre("203.0.113.7 port 443 tcp"));
  EXPECT_EQ(sessions[0].hosts.entries()[0].bytes_out, 200u);
  EXPECT_EQ(sessions[0].bytes_in, 10u);
}

TEST_F(AgentSessionsTest, AreToldWhenTheyChangeAndWhenNobodyLives) {
  run(agent_, outside_, "/usr/bin/helper", {"helper"});
  EXPECT_EQ(told().size(), 1u);
  time_ns_ += 16;
  EXPECT_THAT(told(), IsEmpty());
  run(child_, agent_, "/bin/sh", {"sh"});
  EXPECT_THAT(told(), IsEmpty());  // not yet
  end(agent_);
  auto sessions = told();  // at once
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_FALSE(sessions[0].ended);
  end(child_);
  sessions = told();  // at once, too
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_TRUE(sessions[0].ended);
  time_ns_ += 40;
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_EQ(sessions_.size(), 0u);
}

TEST_F(AgentSessionsTest, AreBounded) {
  run(agent_, outside_, "/usr/bin/helper", {"helper"});
  for (int i = 0; i < 250; ++i) run(child_, agent_, "/bin/x", {"x", std::to_string(i)});
  const auto sessions = told();
  ASSERT_EQ(sessions.size(), 1u);
  EXPECT_EQ(sessions[0].commands.entries().size(), 200u);
  EXPECT_EQ(sessions[0].commands.left_out(), 51u);

  run({20, 900}, outside_, "/usr/bin/helper", {"helper"});
  run({21, 901}, outside_, "/usr/bin/helper", {"helper"});
  EXPECT_EQ(sessions_.size(), 2u);
  time_ns_ += 16;
  const auto next = told();  // the one that had to go, and the two that are new
  ASSERT_EQ(next.size(), 3u);
  EXPECT_EQ(next[0].key, agent_);
}

}  // namespace
}  // namespace picket
