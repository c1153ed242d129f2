// Which workspaces the pipeline tells of, in which state, and on which it lets act.
#include "common/alert_json.h"
#include "tests/unit/pipeline_fixture.h"

namespace picket {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

class PipelineWorkspaceTest : public PipelineTest {
 protected:
  static std::string kill_rule() {
    return rule_with("evt.type = execve and proc.name = bad") + "  respond: kill\n";
  }
  void then_exec(const std::string& exe, uint64_t after_ns = 0) {
    then([this, exe, after_ns](EventSink& sink) {
      sink.on_record(
          test::exec({.time_ns = clock_.now_ns + after_ns, .key = {10, 100}}, {1, 1}, exe));
    });
  }
  void then_order(const std::string& workspace) {
    then([this, workspace](EventSink&) {
      v1::Command order;
      order.set_id("order");
      order.set_action(v1::ACTION_KILL);
      order.set_workspace_id(workspace);
      EXPECT_TRUE(pipeline_->post(order));
    });
  }
  void then_answer(const absl::Status& status) {
    then([this, status](EventSink&) {
      ASSERT_FALSE(verdicts_.empty());
      EXPECT_TRUE(pipeline_->post(Response{verdicts_.back(), status, "", {}}));
    });
  }
  static Workspace pause_container() {
    Workspace pause = named("pod");
    pause.labels["io.kubernetes.cri.container-type"] = "sandbox";
    return pause;
  }
};

TEST_F(PipelineWorkspaceTest, APauseContainerIsNeitherToldNorActedOn) {
  make();
  then_exec("/pause");
  then_identify(7, pause_container());
  then_order("pod");
  then_pass(2);
  then_pass(0);
  run();
  EXPECT_THAT(workspaces(), IsEmpty());
  EXPECT_THAT(watched_, IsEmpty());
  EXPECT_THAT(verdicts_, IsEmpty());
  ASSERT_EQ(results().size(), 1u);
  EXPECT_EQ(results()[0].detail(), "no workspace pod runs on this node");
}

TEST_F(PipelineWorkspaceTest, AWorkspaceWithoutIdentityMayBeActedOnFromItsFirstAlert) {
  make(kill_rule());
  then_exec("/bin/bad");
  then_identify(7, absl::NotFoundError("no runtime knows it"));
  run();
  EXPECT_EQ(verdicts_.size(), 1u);  // the fixture looks whether it was watched by then
  EXPECT_THAT(watched_, ElementsAre(7u));
}

TEST_F(PipelineWorkspaceTest, ALateIdentityEndsTheNameBefore) {
  make();
  then_exec("/bin/good");
  then_identify(7, absl::NotFoundError("no runtime knows it"));
  then_pass(2);
  then_identify(7, named("one"));
  then_pass(2);
  then_pass(0);
  run();
  EXPECT_THAT(workspaces(), Contains(Pair("cgroup-7", v1::WORKSPACE_STATE_GONE)));
  EXPECT_EQ(workspaces().back(), std::pair(std::string("one"), v1::WORKSPACE_STATE_RUNNING));
  EXPECT_THAT(watched_, ElementsAre(7u));
}

TEST_F(PipelineWorkspaceTest, APauseContainerThatIsNamedLateIsGone) {
  make();
  then_exec("/pause");
  then_identify(7, absl::NotFoundError("no runtime knows it"));
  then_pass(2);
  then_identify(7, pause_container());
  then_pass(2);
  then_pass(0);
  run();
  ASSERT_THAT(workspaces(), Not(IsEmpty()));
  EXPECT_EQ(workspaces().back(), std::pair(std::string("cgroup-7"), v1::WORKSPACE_STATE_GONE));
  EXPECT_THAT(watched_, IsEmpty());
}

TEST_F(PipelineWorkspaceTest, WhatWasFrozenBeforeTheAgentStartedIsToldSo) {
  make();
  then_exec("/bin/good");
  then([](EventSink& sink) {
    sink.on_record(test::exec({.time_ns = 1, .key = {20, 200}, .workspace = 8}, {1, 1}, "/bin/b"));
  });
  then_identify(7, named("one"), true);
  then_identify(8, absl::NotFoundError("no runtime knows it"), true);
  then_pass(11);
  then_pass(0);
  run();
  EXPECT_THAT(workspaces(), Contains(Pair("one", v1::WORKSPACE_STATE_FROZEN)));
  EXPECT_THAT(workspaces(), Contains(Pair("cgroup-8", v1::WORKSPACE_STATE_FROZEN)));
  EXPECT_THAT(workspaces(), Each(Pair(::testing::_, v1::WORKSPACE_STATE_FROZEN)));
}

TEST_F(PipelineWorkspaceTest, ARepeatActsAgainUntilItsResponseSucceeded) {
  make(kill_rule());
  then_exec("/bin/bad");
  then_identify(7, named("one"));
  then_pass(1);
  then_answer(absl::ResourceExhaustedError("3 actions are the limit"));
  const auto then_repeat = [&] {
    then_pass(11);  // repeats are told at most every ten seconds
    then_exec("/bin/bad");
  };
  then_repeat();
  then_pass(0);
  then([this](EventSink&) {
    ASSERT_EQ(verdicts_.size(), 2u);
    EXPECT_EQ(verdicts_[1].finding, verdicts_[0].finding);
    EXPECT_EQ(verdicts_[1].matched_ns, clock_.now_ns);
  });
  then_answer(absl::OkStatus());
  then_repeat();
  then_pass(0);
  run();
  EXPECT_EQ(verdicts_.size(), 2u) << "it was killed";
}

TEST_F(PipelineWorkspaceTest, AFamilyIsToldOnceAllThatHappenedBeforeWasRead) {
  make();
  FamilyQuestion question{{}, clock_.now_ns + kSecond, std::make_shared<BoundedQueue<Family>>(1)};
  question.target.cgroup_id = 7;
  question.target.process = {10, 100};
  const auto answer = question.answer;
  const auto at = [&](uint32_t pid, uint64_t after_ns) {
    return test::At{.time_ns = clock_.now_ns + after_ns, .key = {pid, pid * 10}};
  };
  then_exec("/bin/good");
  then_identify(7, named("one"));
  then([&](EventSink& sink) {
    clock_.now_ns += kSecond;
    EXPECT_TRUE(pipeline_->post(question));
    sink.on_record(test::fork(at(11, 1), {10, 100}));
  });
  then([&](EventSink& sink) {
    EXPECT_EQ(answer->size(), 0u) << "there may be more in the ring";
    sink.on_record(test::fork(at(12, 2), {11, 110}));
    sink.on_record(test::exit(at(11, 3)));
    sink.on_record(test::fork(at(13, 4), {1, 1}));
  });
  then([](EventSink&) {});  // now there is not
  run();
  const auto family = answer->pop(std::chrono::milliseconds(0));
  ASSERT_TRUE(family);
  EXPECT_THAT(family->descendants,
              ::testing::UnorderedElementsAre(ProcessKey{10, 100}, ProcessKey{12, 120}));
  EXPECT_THAT(family->others, ElementsAre(ProcessKey{13, 130}));
}

TEST_F(PipelineWorkspaceTest, EnvelopesThatWereLostAreToldWithTheirBounds) {
  make();
  then([this](EventSink&) {
    EXPECT_TRUE(pipeline_->post(DeliveryLoss{0, "damaged spool /x", 0, 0, 5, 9}));
    EXPECT_TRUE(pipeline_->post(DeliveryLoss{3, "spool", 40, 42, 6, 9}));
  });
  run();
  const auto found = alerts();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].output(),
            "an unknown number of envelopes in the damaged spool /x were lost inside the agent");
  EXPECT_EQ(found[0].fields().at("lost"), "unknown");
  EXPECT_THAT(found[1].output(), HasSubstr("3 envelopes in the spool (sequences 40 to 42)"));
  EXPECT_EQ(wall_ns(found[1].first()), kBootWallNs + 6);
  EXPECT_EQ(wall_ns(found[1].last()), kBootWallNs + 9);
}

}  // namespace
}  // namespace picket
