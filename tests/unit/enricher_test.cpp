#include "agent/enrich/enricher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/records.h"

namespace picket {
namespace {

using test::At;
using test::Bytes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kSecond = 1'000'000'000;

struct Seen {
  pk_type type;
  ProcessKey key;
  std::string cmdline, workspace, image;
  bool exited, resolved;
  std::string target = {}, peer = {};
};

class EnricherTest : public ::testing::Test, public ObservationSink {
 protected:
  void on_observation(const Observation& observation) override {
    const Process& process = observation.process;
    const Workspace& workspace = observation.workspace;
    EXPECT_FALSE(workspace.id.empty());
    EXPECT_FALSE(workspace.name.empty());
    EXPECT_FALSE(workspace.image.empty());
    seen_.push_back({observation.event.type(), process.key, process.cmdline(), workspace.name,
                     workspace.image, process.exited, workspace.resolved});
    if (observation.target != nullptr) seen_.back().target = observation.target->exe;
    if (observation.peer != nullptr) seen_.back().peer = observation.peer->name;
  }

  EnricherOptions options() {
    EnricherOptions options;
    options.max_workspaces = 4;
    options.max_held_records = 100;
    options.excluded_cgroups = {"/system.slice/picket"};
    return options;
  }

  void give(const Bytes& record) {
    const auto event = Event::parse(record);
    ASSERT_TRUE(event);
    enricher_.on_event(*event, *this);
  }
  void identify(uint64_t cgroup, const std::string& name,
                std::map<std::string, std::string> labels = {}) {
    Workspace workspace;
    workspace.id = workspace.name = name;
    workspace.image = "debian:12";
    workspace.labels = std::move(labels);
    enricher_.on_identity(cgroup, workspace, *this);
  }

  struct Request {
    uint64_t cgroup;
    std::string path;
    uint32_t pid;
  };
  std::vector<Seen> seen_;
  std::vector<Request> requests_;
  std::vector<std::string> failures_;
  Enricher enricher_{options(),
                     [this](uint64_t cgroup, std::string path, uint32_t pid) {
                       requests_.push_back({cgroup, std::move(path), pid});
                     },
                     [this](const Workspace& workspace, const absl::Status& why) {
                       failures_.push_back(workspace.id + ": " + std::string(why.message()));
                     }};
  const ProcessKey shell_{10, 100};
};

TEST_F(EnricherTest, AsksOnceWithPathAndAProcessInside) {
  give(test::cgroup(PK_CGROUP_MKDIR, {.time_ns = 90, .key = {5, 5}}, 7, "/lab/ws-one"));
  EXPECT_TRUE(requests_.empty());
  give(test::cgroup(PK_CGROUP_ATTACH, {.time_ns = 95, .key = shell_}, 7, "/lab/ws-one"));
  give(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/bash"));
  ASSERT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0].cgroup, 7u);
  EXPECT_EQ(requests_[0].path, "/lab/ws-one");
  EXPECT_EQ(requests_[0].pid, shell_.pid);
  EXPECT_TRUE(seen_.empty());
  identify(7, "one");
  ASSERT_EQ(seen_.size(), 3u);
  EXPECT_EQ(seen_[0].type, PK_CGROUP_MKDIR);
  EXPECT_EQ(seen_[2].cmdline, "/bin/bash --flag");
  EXPECT_EQ(seen_[2].workspace, "one");
  EXPECT_TRUE(seen_[2].resolved);
}

TEST_F(EnricherTest, AnObservationThatWaitedSeesTheProcessAsItWas) {
  give(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/first"));
  give(test::exec({.time_ns = 120, .key = shell_}, {1, 1}, "/bin/second"));
  give(test::exit({.time_ns = 130, .key = shell_}));
  identify(7, "one");
  ASSERT_EQ(seen_.size(), 3u);
  EXPECT_EQ(seen_[0].cmdline, "/bin/first --flag");
  EXPECT_FALSE(seen_[0].exited);
  EXPECT_EQ(seen_[1].cmdline, "/bin/second --flag");
  EXPECT_TRUE(seen_[2].exited);
}

TEST_F(EnricherTest, TellsTheOldestRecordThatWaits) {
  EXPECT_EQ(enricher_.oldest_waiting_ns(), std::nullopt);
  give(test::cgroup(PK_CGROUP_MKDIR, {.time_ns = 90, .key = {5, 5}}, 7, "/lab/ws-one"));
  EXPECT_EQ(enricher_.oldest_waiting_ns(), std::nullopt) << "it may stay empty for ever";
  give(test::exec({.time_ns = 100, .key = shell_, .workspace = 7}, {5, 5}, "/bin/sh"));
  give(test::exec({.time_ns = 120, .key = {11, 110}, .workspace = 8}, {5, 5}, "/bin/sh"));
  EXPECT_EQ(enricher_.oldest_waiting_ns(), 100U);
  identify(7, "one");
  EXPECT_EQ(enricher_.oldest_waiting_ns(), 120U);
  identify(8, "two");
  EXPECT_EQ(enricher_.oldest_waiting_ns(), std::nullopt);
}

TEST_F(EnricherTest, OneWorkspaceDoesNotWaitForAnother) {
  give(test::exec({.time_ns = 110, .key = shell_, .workspace = 7}, {1, 1}, "/bin/a"));
  give(test::exec({.time_ns = 111, .key = {11, 101}, .workspace = 8}, {1, 1}, "/bin/b"));
  identify(8, "eight");
  ASSERT_EQ(seen_.size(), 1u);
  EXPECT_EQ(seen_[0].workspace, "eight");
  give(test::connect({.time_ns = 112, .key = {11, 101}, .workspace = 8}));
  EXPECT_EQ(seen_.size(), 2u);
  identify(7, "seven");
  EXPECT_EQ(seen_.back().workspace, "seven");
}

TEST_F(EnricherTest, AFailureIsReportedAndTheEventsGoOnUnderTheirPath) {
  give(test::cgroup(PK_CGROUP_MKDIR, {.time_ns = 90, .key = {5, 5}}, 7, "/lab/ws-one"));
  give(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/bash"));
  enricher_.on_identity(7, absl::NotFoundError("no such container"), *this);
  EXPECT_THAT(failures_, ElementsAre("ws-one: no such container"));
  ASSERT_EQ(seen_.size(), 2u);
  EXPECT_EQ(seen_[1].workspace, "ws-one");
  EXPECT_EQ(seen_[1].image, "unresolved");
  EXPECT_FALSE(seen_[1].resolved);
  // It asks again, later, and a late answer counts from then on.
  give(test::connect({.time_ns = 120, .key = shell_}));
  EXPECT_EQ(requests_.size(), 1u);
  give(test::connect({.time_ns = 60 * kSecond, .key = shell_}));
  EXPECT_EQ(requests_.size(), 2u);
  identify(7, "one");
  give(test::connect({.time_ns = 61 * kSecond, .key = shell_}));
  EXPECT_EQ(seen_.back().workspace, "one");
  EXPECT_EQ(enricher_.stats().resolved_late, 1u);
  EXPECT_EQ(failures_.size(), 1u);
}

TEST_F(EnricherTest, WhatAnIdentityLacksIsReportedOnceAndAskedForAgain) {
  give(test::exec({.time_ns = kSecond, .key = shell_}, {1, 1}, "/bin/bash"));
  Workspace part;
  part.id = part.name = "one";
  part.image = "debian:12";
  part.incomplete = "nobody answers at /run/x.sock";
  enricher_.on_identity(7, part, *this);
  EXPECT_THAT(failures_, ElementsAre("one: nobody answers at /run/x.sock"));
  ASSERT_EQ(seen_.size(), 1u);  // it goes on, under the name that is known
  EXPECT_EQ(seen_[0].workspace, "one");
  EXPECT_TRUE(seen_[0].resolved);
  give(test::connect({.time_ns = 2 * kSecond, .key = shell_}));
  EXPECT_EQ(requests_.size(), 1u);
  give(test::connect({.time_ns = 40 * kSecond, .key = shell_}));
  ASSERT_EQ(requests_.size(), 2u);
  enricher_.on_identity(7, part, *this);
  EXPECT_EQ(failures_.size(), 1u);
  give(test::connect({.time_ns = 80 * kSecond, .key = shell_}));
  ASSERT_EQ(requests_.size(), 3u);
  identify(7, "whole");
  give(test::connect({.time_ns = 160 * kSecond, .key = shell_}));
  EXPECT_EQ(seen_.back().workspace, "whole");
  EXPECT_EQ(requests_.size(), 3u);
  EXPECT_EQ(failures_.size(), 1u);
  EXPECT_EQ(enricher_.stats().incomplete, 1u);
  EXPECT_EQ(enricher_.stats().resolved_late, 1u);
}

TEST_F(EnricherTest, AnIdentityThatDoesNotComeIsGivenUpByEventTime) {
  give(test::exec({.time_ns = kSecond, .key = shell_}, {1, 1}, "/bin/bash"));
  give(
      test::exec({.time_ns = 2 * kSecond, .key = {11, 101}, .workspace = 8}, {1, 1}, "/bin/other"));
  EXPECT_TRUE(seen_.empty());
  enricher_.on_tick(6 * kSecond + 200'000'000, *this);
  ASSERT_EQ(seen_.size(), 1u);
  EXPECT_EQ(seen_[0].workspace, "cgroup-7");
  EXPECT_EQ(failures_.size(), 1u);
  give(test::connect(
      {.time_ns = 8 * kSecond, .key = shell_}));  // an event passes the time as well as a tick
  EXPECT_EQ(failures_.size(), 2u);
  EXPECT_EQ(seen_.size(), 3u);
}

TEST_F(EnricherTest, TooManyWaitingRecordsGoOnInsteadOfBeingLost) {
  for (uint64_t i = 0; i < 150; ++i) give(test::connect({.time_ns = 200 + i, .key = shell_}));
  EXPECT_EQ(seen_.size(), 150u);
  ASSERT_EQ(failures_.size(), 1u);
  EXPECT_THAT(failures_[0], HasSubstr("100 records wait"));
  EXPECT_EQ(enricher_.stats().held, 100u);
}

TEST_F(EnricherTest, PauseContainersAreDropped) {
  give(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/pause"));
  identify(7, "pod", {{"io.kubernetes.cri.container-type", "sandbox"}});
  give(test::connect({.time_ns = 120, .key = shell_}));
  EXPECT_TRUE(seen_.empty());
  EXPECT_EQ(enricher_.stats().excluded, 2u);
  EXPECT_EQ(enricher_.processes().size(), 0u);
}

TEST_F(EnricherTest, ExcludedCgroupsAreDroppedByTheirPath) {
  give(test::cgroup(PK_CGROUP_MKDIR, {.time_ns = 90, .key = {5, 5}}, 7,
                    "/system.slice/picket/agent"));
  give(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/usr/bin/picketd"));
  give(test::cgroup(PK_CGROUP_MKDIR, {.time_ns = 91, .key = {5, 5}, .workspace = 8}, 8,
                    "/system.slice/picket2"));
  give(test::exec({.time_ns = 111, .key = {11, 101}, .workspace = 8}, {1, 1}, "/bin/bash"));
  EXPECT_EQ(requests_.size(), 1u);
  EXPECT_EQ(requests_[0].cgroup, 8u);
  EXPECT_TRUE(seen_.empty());
}

TEST_F(EnricherTest, AWorkspaceThatNoProcessEnteredLeavesNothing) {
  give(test::cgroup(PK_CGROUP_MKDIR, {.time_ns = 90, .key = {5, 5}}, 7, "/lab/ws-one"));
  give(test::cgroup(PK_CGROUP_RMDIR, {.time_ns = 95, .key = {5, 5}}, 7, "/lab/ws-one"));
  EXPECT_EQ(enricher_.workspaces().size(), 0u);
  EXPECT_EQ(enricher_.stats().never_entered, 2u);
  EXPECT_TRUE(requests_.empty());
}

TEST_F(EnricherTest, ARemovedWorkspaceIsForgottenAfterItsGrace) {
  give(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/bash"));
  identify(7, "one");
  give(test::cgroup(PK_CGROUP_RMDIR, {.time_ns = kSecond, .key = {5, 5}}, 7, "/lab/ws-one"));
  give(test::exit({.time_ns = kSecond + 1, .key = shell_}));
  EXPECT_EQ(seen_.back().workspace, "one");
  enricher_.on_tick(20 * kSecond, *this);
  EXPECT_EQ(enricher_.workspaces().size(), 0u);
}

TEST_F(EnricherTest, CgroupsBelowAWorkspaceLeadToIt) {
  give(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/bash"));
  identify(7, "one");
  give(test::cgroup(PK_CGROUP_MKDIR, {.time_ns = 120, .key = shell_}, 70, "/lab/ws-one/below"));
  ASSERT_NE(enricher_.workspaces().workspace_of(70), nullptr);
  EXPECT_EQ(enricher_.workspaces().workspace_of(70)->workspace.name, "one");
  give(test::cgroup(PK_CGROUP_RMDIR, {.time_ns = 130, .key = shell_}, 70, "/lab/ws-one/below"));
  EXPECT_EQ(enricher_.workspaces().workspace_of(70), nullptr);
  EXPECT_NE(enricher_.workspaces().find(7), nullptr);
  EXPECT_EQ(enricher_.workspaces().find(7)->gone_ns, 0u);
}

TEST_F(EnricherTest, AFullTableRefusesAndCountsUntilAWorkspaceIsGone) {
  for (uint64_t cgroup = 1; cgroup <= 5; ++cgroup) {
    give(
        test::exec({.time_ns = 110, .key = {static_cast<uint32_t>(cgroup), 5}, .workspace = cgroup},
                   {}, "/bin/a"));
    identify(cgroup, "w");
  }
  EXPECT_EQ(enricher_.stats().refused, 1u);
  EXPECT_EQ(enricher_.stats().unwanted, 1u);
  give(test::cgroup(PK_CGROUP_RMDIR, {.time_ns = 120, .key = {9, 9}, .workspace = 2}, 2, "/two"));
  give(test::exec({.time_ns = 130, .key = {5, 5}, .workspace = 5}, {}, "/bin/a"));
  EXPECT_EQ(enricher_.stats().refused, 1u);
  EXPECT_EQ(enricher_.workspaces().find(2), nullptr);
}

TEST_F(EnricherTest, ProcessesOutsideEveryWorkspaceOnlyTeachTheTable) {
  give(test::exec({.time_ns = 110, .key = shell_, .workspace = 0}, {1, 1},
                  "/usr/bin/containerd-shim"));
  EXPECT_TRUE(seen_.empty());
  EXPECT_NE(enricher_.processes().find(shell_), nullptr);
}

TEST_F(EnricherTest, AFrozenWorkspaceStaysFrozenWhenItsIdentityComes) {
  give(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/bash"));
  enricher_.workspaces().find(7)->workspace.frozen = true;
  identify(7, "one");
  EXPECT_TRUE(enricher_.workspaces().find(7)->workspace.frozen);
}

// Whenever the identities come, each workspace's observations are its records, all of them, in
// order.
TEST(Enricher, KeepsEveryRecordInOrderWhateverWhenIdentitiesCome) {
  struct Order final : ObservationSink {
    void on_observation(const Observation& observation) override {
      times[observation.workspace.cgroup_id].push_back(observation.event.header().time_ns);
    }
    std::map<uint64_t, std::vector<uint64_t>> times;
  };
  for (uint32_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Order sink;
    std::vector<uint64_t> asked;
    EnricherOptions options;
    options.max_held_records = 50;
    Enricher enricher(
        options, [&](uint64_t cgroup, const std::string&, uint32_t) { asked.push_back(cgroup); },
        [](const Workspace&, const absl::Status&) {});
    std::map<uint64_t, std::vector<uint64_t>> expected;
    uint64_t time = 1;
    for (int i = 0; i < 600; ++i, time += random() % 100'000'000) {
      const uint64_t cgroup = 1 + random() % 5;
      const Bytes record = test::connect(
          {.time_ns = time, .key = {static_cast<uint32_t>(cgroup), 1}, .workspace = cgroup});
      enricher.on_event(*Event::parse(record), sink);
      expected[cgroup].push_back(time);
      if (!asked.empty() && random() % 20 == 0) {
        Workspace workspace;
        workspace.id = workspace.name = workspace.image = "w";
        absl::StatusOr<Workspace> identity = workspace;
        if (random() % 3 == 0) identity = absl::NotFoundError("none");
        enricher.on_identity(asked.back(), identity, sink);
        asked.pop_back();
      }
    }
    enricher.on_tick(time + 100 * kSecond, sink);
    EXPECT_EQ(sink.times, expected);
    EXPECT_EQ(enricher.stats().observations, 600u);
  }
}

Bytes trace(const At& at, const At& of) {
  RecordBuilder builder = test::record(PK_SYSTEM, at);
  builder.header().call = PK_CALL_ptrace;
  test::set(builder, "target_pid", std::to_string(of.key.pid));
  test::set(builder, "target_start_ns", std::to_string(of.key.start_ns));
  test::set(builder, "target_cgroup_id", std::to_string(of.workspace));
  return builder.bytes();
}

TEST_F(EnricherTest, ACallAboutAProcessComesWithItAndWithItsWorkspace) {
  const At tracer{.time_ns = 300, .key = shell_}, own{.time_ns = 200, .key = {11, 150}};
  const At other{.time_ns = 210, .key = {12, 160}, .workspace = 8};
  give(test::exec(own, {1, 1}, "/bin/own"));
  give(test::exec(other, {1, 1}, "/bin/other"));
  identify(7, "one"), identify(8, "two");
  give(trace(tracer, own));
  EXPECT_EQ(seen_.back().target, "/bin/own");
  EXPECT_EQ(seen_.back().peer, "");
  give(trace(tracer, other));
  EXPECT_EQ(seen_.back().target, "/bin/other");
  EXPECT_EQ(seen_.back().peer, "two");
  give(trace(tracer, {.key = {13, 170}, .workspace = 0}));  // of the node: unknown
  EXPECT_EQ(seen_.back().target, "");
  EXPECT_EQ(seen_.back().peer, "");
}

TEST_F(EnricherTest, TellsAWorkspacesFirstProgramOnceItsPostureIsKnown) {
  const auto started = [&] { return std::ranges::count(seen_, PK_STARTED, &Seen::type); };
  give(test::exec({.time_ns = 110, .key = shell_}, {1, 1}, "/bin/first"));
  identify(7, "one");
  EXPECT_EQ(started(), 0) << "nobody told the posture";
  give(test::exec({.time_ns = 115, .key = {20, 100}, .workspace = 8}, {1, 1}, "/bin/first"));
  Workspace workspace;
  workspace.id = workspace.name = "two";
  workspace.image = "debian:12";
  workspace.posture.emplace();
  enricher_.on_identity(8, workspace, *this);
  give(test::exec({.time_ns = 120, .key = {21, 101}, .workspace = 8}, {20, 100}, "/bin/second"));
  ASSERT_EQ(started(), 1);
  const auto told = std::ranges::find(seen_, PK_STARTED, &Seen::type);
  EXPECT_EQ(told->key, (ProcessKey{20, 100}));
  EXPECT_EQ(told->workspace, "two");
}

}  // namespace
}  // namespace picket
