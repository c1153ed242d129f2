// Who drives a process: decided at exec, inherited, kept whatever becomes of its ancestors, derived
// anew for what was found running, and told to the kernel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "agent/enrich/process_table.h"
#include "tests/unit/records.h"

namespace picket {
namespace {

using test::At;
using test::Bytes;

constexpr uint64_t kSecond = 1'000'000'000;

std::shared_ptr<const Origins> origins() {
  std::vector<OriginDefinition> all;
  all.push_back({.name = "vscode",
                 .origin = Origin::ide,
                 .programs = {"*/.vscode-server/*/node"},
                 .terminals = true});
  all.push_back({.name = "make", .origin = Origin::build, .programs = {"/usr/bin/make"}});
  all.push_back({.name = "npm",
                 .origin = Origin::package_manager,
                 .scripts = {"*/npm-cli.js"},
                 .modules = {"pip"}});
  all.back().packages.push_back(
      *PackageMark::compile({.folder = ".*/node_modules/((?:@[^/]+/)?[^/]+)"}));
  all.back().packages.push_back(
      *PackageMark::compile({.command = "install|ci", .program = ".*/sh"}));
  all.push_back({.name = "helper",
                 .origin = Origin::ai_agent,
                 .programs = {"*/bin/helper"},
                 .scripts = {"*/@helper/cli.js"},
                 .environment = {"HELPER"},
                 .contents = {"from helper import"}});
  all.push_back({.name = "other", .origin = Origin::ai_agent, .programs = {"*/bin/other"}});
  all.push_back({.name = "sshd",
                 .origin = Origin::service,
                 .programs = {"/usr/sbin/sshd"},
                 .terminals = true});
  return std::make_shared<Origins>(std::move(all));
}

class FakeKernel final : public LiveProcesses {
 public:
  uint64_t write(ProcessKey key, const pk_lineage& lineage) override {
    labels[key] = lineage;
    ++writes;
    return now_ns;
  }
  std::optional<pk_lineage> read(ProcessKey key) override {
    const auto known = labels.find(key);
    return known == labels.end() ? std::nullopt : std::optional(known->second);
  }
  std::string environment(ProcessKey key) override { return environments[key]; }
  std::string script(const Process& process) override { return scripts[process.key]; }
  bool runs_loader(const Process&) override { return false; }

  std::map<ProcessKey, pk_lineage> labels;
  std::map<ProcessKey, std::string> environments, scripts;
  uint64_t now_ns = 0;
  int writes = 0;
};

class LineageOrigin : public ::testing::Test {
 protected:
  LineageOrigin() { table_.set_origins(origins()); }

  const Process& apply(const Bytes& record) {
    const auto event = Event::parse(record);
    EXPECT_TRUE(event);
    return table_.apply(*event);
  }
  struct Run {
    std::string exe;
    std::vector<std::string> argv = {"program"};
    std::string cwd = "/home/dev";
    bool terminal = false;
    uint32_t flags = 0;
    pk_type type = PK_EXEC;
  };
  const Process& run(ProcessKey key, ProcessKey parent, const Run& run) {
    RecordBuilder builder =
        test::record(run.type, {.time_ns = ++time_ns_ * kSecond, .key = key, .flags = run.flags});
    test::set_parent(builder, parent);
    test::set(builder, "exe", run.exe);
    test::set(builder, "cwd", run.cwd);
    EXPECT_TRUE(builder.set_list("argv", run.argv).ok());
    if (run.terminal) {
      test::set(builder, "tty", "true");
      test::set(builder, "fd0.kind", "tty");
      test::set(builder, "session", std::to_string(key.pid));
    }
    return apply(builder.bytes());
  }
  void fork(ProcessKey key, ProcessKey parent) {
    apply(test::fork({.time_ns = ++time_ns_ * kSecond, .key = key}, parent));
  }
  Origin origin(ProcessKey key) { return get(key).driver.origin; }
  const Process& get(ProcessKey key) {
    const Process* process = table_.find(key);
    EXPECT_NE(process, nullptr) << key.pid;
    static const Process kNone;
    return process ? *process : kNone;
  }

  uint64_t time_ns_ = 1000;
  FakeKernel kernel_;
  ProcessTable table_{{.grace_ns = kSecond, .live = &kernel_}};
  const ProcessKey outside_{1, 1}, init_{10, 100}, a_{11, 200}, b_{12, 300}, c_{13, 400},
      d_{14, 500};
};

TEST_F(LineageOrigin, FirstProcessIsAServiceUnlessSomebodySitsAtIt) {
  EXPECT_EQ(run(init_, outside_, {.exe = "/sbin/tini"}).driver.origin, Origin::service);
  EXPECT_EQ(run(a_, outside_, {.exe = "/bin/bash", .terminal = true}).driver.origin, Origin::human);
}

TEST_F(LineageOrigin, WhoIsPutInIsThePlatformsOrAPersonAtATerminal) {
  run(init_, outside_, {.exe = "/sbin/tini"});
  EXPECT_EQ(run(a_, outside_, {.exe = "/bin/ls", .flags = PK_EXEC_IN}).driver.origin,
            Origin::platform);
  EXPECT_EQ(run(b_, outside_, {.exe = "/usr/bin/python3", .terminal = true, .flags = PK_EXEC_IN})
                .driver.origin,
            Origin::human);
}

TEST_F(LineageOrigin, RuntimesStageIsForgottenWithTheProgramThatItRuns) {
  run(init_, outside_, {.exe = "memfd:runc", .type = PK_FOUND});
  EXPECT_EQ(origin(init_), Origin::service);
  run(init_, outside_, {.exe = "/bin/bash", .terminal = true});
  EXPECT_EQ(origin(init_), Origin::human);
}

TEST_F(LineageOrigin, ShellThatAPersonOpensInAnIdeIsHuman) {
  run(init_, outside_, {.exe = "/home/dev/.vscode-server/bin/1/node"});
  EXPECT_EQ(origin(init_), Origin::ide);
  fork(a_, init_);
  EXPECT_EQ(origin(a_), Origin::ide);
  run(a_, init_,
      {.exe = "/usr/bin/bash", .argv = {"bash", "--init-file", "/x/init.sh"}, .terminal = true});
  EXPECT_EQ(origin(a_), Origin::human);
  fork(b_, a_);
  run(b_, a_, {.exe = "/usr/bin/git"});
  EXPECT_EQ(origin(b_), Origin::human);
}

TEST_F(LineageOrigin, ShellWithACommandOrWithoutTerminalStaysTheIdes) {
  run(init_, outside_, {.exe = "/home/dev/.vscode-server/bin/1/node"});
  fork(a_, init_);
  EXPECT_EQ(run(a_, init_, {.exe = "/usr/bin/bash", .argv = {"bash", "-lc", "x"}, .terminal = true})
                .driver.origin,
            Origin::ide);
  EXPECT_EQ(run(a_, init_, {.exe = "/usr/bin/bash", .argv = {"bash", "x.sh"}, .terminal = true})
                .driver.origin,
            Origin::ide);
  EXPECT_EQ(run(a_, init_, {.exe = "/usr/bin/bash"}).driver.origin, Origin::ide);
}

TEST_F(LineageOrigin, TerminalBelowABuildIsNobodys) {
  run(init_, outside_, {.exe = "/usr/sbin/sshd"});
  fork(a_, init_);
  run(a_, init_, {.exe = "/usr/bin/make"});
  fork(b_, a_);
  run(b_, a_, {.exe = "/usr/bin/bash", .terminal = true});
  EXPECT_EQ(origin(b_), Origin::build);
}

TEST_F(LineageOrigin, NearestOriginCounts) {
  run(init_, outside_, {.exe = "/bin/bash", .terminal = true});
  fork(a_, init_);
  EXPECT_EQ(run(a_, init_, {.exe = "/usr/bin/make"}).driver.origin, Origin::build);
  fork(b_, a_);
  EXPECT_EQ(run(b_, a_, {.exe = "/usr/bin/node", .argv = {"node", "--x", "/lib/npm-cli.js"}})
                .driver.origin,
            Origin::package_manager);
  EXPECT_EQ(run(b_, a_, {.exe = "/bin/sh"}).driver.origin, Origin::package_manager);
  EXPECT_EQ(run(c_, init_, {.exe = "/usr/bin/python3.11", .argv = {"python", "-m", "pip", "x"}})
                .driver.origin,
            Origin::package_manager);
}

TEST_F(LineageOrigin, ModuleIsNamedBehindOtherFlagsToo) {
  run(init_, outside_, {.exe = "/sbin/tini"});
  fork(a_, init_);
  const auto origin = [&](const char* option) {
    return run(a_, init_, {.exe = "/usr/bin/python3.11", .argv = {"python", option, "pip"}})
        .driver.origin;
  };
  EXPECT_EQ(origin("-Xm"), Origin::service);  // a value of -X
  EXPECT_EQ(origin("-Im"), Origin::package_manager);
  EXPECT_EQ(origin("-sEm"), Origin::package_manager);
}

TEST_F(LineageOrigin, ScriptIsKnownByItsPathFromTheWorkingDirectory) {
  run(init_, outside_, {.exe = "/sbin/tini"});
  fork(a_, init_);
  run(a_, init_, {.exe = "/usr/bin/node", .argv = {"x", "lib/@helper/cli.js"}});
  EXPECT_EQ(get(a_).driver.agent, "helper");
  fork(b_, init_);  // a program that only reads it is not it
  run(b_, init_, {.exe = "/usr/bin/cat", .argv = {"cat", "/lib/@helper/cli.js"}});
  EXPECT_TRUE(get(b_).driver.agent.empty());
}

TEST_F(LineageOrigin, WhatAnAgentStartsStaysTheAgents) {
  run(init_, outside_, {.exe = "/home/dev/.vscode-server/bin/1/node"});
  fork(a_, init_);
  run(a_, init_, {.exe = "/usr/local/bin/helper"});
  EXPECT_EQ(origin(a_), Origin::ai_agent);
  EXPECT_EQ(get(a_).driver.agent_session, a_);
  fork(b_, a_);
  run(b_, a_, {.exe = "/usr/bin/make"});
  EXPECT_EQ(origin(b_), Origin::build);
  EXPECT_EQ(get(b_).driver.agent, "helper");
  fork(c_, a_);
  run(c_, a_, {.exe = "/usr/bin/bash", .terminal = true});
  EXPECT_EQ(origin(c_), Origin::ai_agent);
  run(c_, a_, {.exe = "/usr/bin/other"});
  run(c_, a_, {.exe = "/opt/bin/other"});
  EXPECT_EQ(get(c_).driver.agent, "helper");
  EXPECT_EQ(get(c_).driver.agent_session, a_);
  run(c_, a_, {.exe = "/home/dev/.vscode-server/bin/1/node"});
  EXPECT_EQ(origin(c_), Origin::ai_agent);
}

TEST_F(LineageOrigin, LabelOutlivesEveryAncestor) {
  run(init_, outside_, {.exe = "/sbin/tini"});
  fork(a_, init_);
  run(a_, init_, {.exe = "/usr/local/bin/helper"});
  fork(b_, a_);
  fork(c_, b_);
  for (const ProcessKey key : {a_, b_})
    apply(test::exit({.time_ns = ++time_ns_ * kSecond, .key = key}));
  fork(d_, c_);
  run(d_, init_, {.exe = "/usr/bin/nohup"});  // by now its parent is whoever adopted it
  EXPECT_EQ(get(d_).driver.agent, "helper");
  EXPECT_EQ(get(d_).driver.agent_session, a_);
}

TEST_F(LineageOrigin, KernelIsToldWhatChangesAndWhatForksMayHaveMissed) {
  run(init_, outside_, {.exe = "/sbin/tini"});
  fork(a_, init_);
  const int before = kernel_.writes;
  run(a_, init_, {.exe = "/bin/true"});
  EXPECT_EQ(kernel_.writes, before);  // the kernel has it from the fork
  kernel_.now_ns = (time_ns_ + 3) * kSecond;
  run(a_, init_, {.exe = "/usr/local/bin/helper"});
  EXPECT_EQ(kernel_.labels[a_].driver, PK_BY_AI_AGENT);
  EXPECT_EQ(kernel_.labels[a_].agent, agent_hash("helper"));
  EXPECT_EQ(kernel_.labels[a_].agent_pid, a_.pid);
  fork(b_, a_);  // before the kernel was told
  EXPECT_EQ(kernel_.labels[b_].agent_start_ns, a_.start_ns);
  time_ns_ += 5;
  fork(c_, a_);
  EXPECT_FALSE(kernel_.labels.contains(c_));
  EXPECT_EQ(get(c_).driver.agent, "helper");
}

TEST_F(LineageOrigin, LabelOfAForkThatWasLostIsTheKernels) {
  run(init_, outside_, {.exe = "/sbin/tini"});
  fork(a_, init_);
  run(a_, init_, {.exe = "/usr/local/bin/helper"});
  kernel_.labels[d_] = kernel_.labels[a_];  // inherited there
  run(d_, init_, {.exe = "/usr/bin/nohup"});
  EXPECT_EQ(get(d_).driver.agent, "helper");
  EXPECT_EQ(get(d_).driver.agent_session, a_);
}

TEST_F(LineageOrigin, FoundProcessesHaveTheLabelOfWhoTheyLiveBelow) {
  // The child is told first, as after the numbers have begun anew.
  run(c_, b_, {.exe = "/usr/bin/make", .type = PK_FOUND});
  run(b_, a_, {.exe = "/usr/bin/sh", .type = PK_FOUND});
  run(init_, outside_, {.exe = "/sbin/tini", .type = PK_FOUND});
  run(a_, init_, {.exe = "/usr/local/bin/helper", .type = PK_FOUND});
  EXPECT_EQ(origin(init_), Origin::service);
  EXPECT_EQ(origin(b_), Origin::ai_agent);
  EXPECT_EQ(origin(c_), Origin::build);
  EXPECT_EQ(get(c_).driver.agent_session, a_);
  EXPECT_EQ(kernel_.labels[c_].agent_pid, a_.pid);
}

TEST_F(LineageOrigin, FoundOrphanOfAnAgentIsKnownByItsEnvironment) {
  kernel_.environments[a_] = std::string("PATH=/bin\0HELPER=1\0", 19);
  kernel_.environments[b_] = std::string("PATH=HELPER\0HELPERS=1\0", 22);
  run(init_, outside_, {.exe = "/sbin/tini", .type = PK_FOUND});
  run(a_, init_, {.exe = "/usr/bin/sleep", .type = PK_FOUND});
  run(b_, init_, {.exe = "/usr/bin/sleep", .type = PK_FOUND});
  EXPECT_EQ(get(a_).driver.agent, "helper");
  EXPECT_EQ(origin(a_), Origin::ai_agent);
  EXPECT_TRUE(get(b_).driver.agent.empty());
  EXPECT_EQ(origin(b_), Origin::service);
}

TEST_F(LineageOrigin, ChildrenToldBeforeTheirParentWasFoundGetItsLabel) {
  fork(b_, a_);
  run(a_, outside_, {.exe = "/usr/local/bin/helper", .type = PK_FOUND});
  EXPECT_EQ(get(b_).driver.agent, "helper");
}

TEST_F(LineageOrigin, WhoGivesTheAgentsVariableToItsChildrenIsTheAgent) {
  run(init_, outside_, {.exe = "/sbin/tini"});
  fork(a_, init_);
  run(a_, init_, {.exe = "/tmp/innocent"});
  fork(b_, a_);
  kernel_.environments[b_] = std::string("HELPER=1\0", 9);
  EXPECT_EQ(run(b_, a_, {.exe = "/usr/bin/git"}).driver.agent, "helper");
  EXPECT_EQ(get(a_).driver.agent, "helper");
  EXPECT_EQ(get(a_).driver.agent_session, a_);
  EXPECT_EQ(kernel_.labels[a_].agent, agent_hash("helper"));
  fork(c_, a_);
  EXPECT_EQ(get(c_).driver.agent, "helper");
  EXPECT_TRUE(get(init_).driver.agent.empty());
}

TEST_F(LineageOrigin, AnAgentsScriptIsKnownByWhatStandsInIt) {
  run(init_, outside_, {.exe = "/sbin/tini"});
  fork(a_, init_);
  kernel_.scripts[a_] = "#!/usr/bin/python3\nfrom helper import main\n";
  EXPECT_EQ(run(a_, init_, {.exe = "/usr/bin/python3.11", .argv = {"python3", "/tmp/notes"}})
                .driver.agent,
            "helper");
  EXPECT_EQ(get(a_).driver.agent_session, a_);
  EXPECT_EQ(kernel_.labels[a_].agent, agent_hash("helper"));
  fork(b_, a_);
  EXPECT_EQ(run(b_, a_, {.exe = "/usr/bin/git"}).driver.agent, "helper");
}

TEST_F(LineageOrigin, ScriptsOfOthersAndOfToolsAreNobodys) {
  run(init_, outside_, {.exe = "/sbin/tini"});
  kernel_.scripts[a_] = "from helpers import main\n";
  EXPECT_EQ(
      run(a_, init_, {.exe = "/usr/bin/python3.11", .argv = {"python3", "/tmp/x"}}).driver.agent,
      "");
  kernel_.scripts[b_] = kernel_.scripts[d_] = "from helper import main\n";
  EXPECT_EQ(run(b_, init_, {.exe = "/bin/bash", .argv = {"bash", "/tmp/x"}}).driver.agent, "")
      << "a shell's";
  run(c_, init_, {.exe = "/usr/bin/make"});
  EXPECT_EQ(run(d_, c_, {.exe = "/usr/bin/python3.11", .argv = {"python3", "x"}}).driver.agent, "");
}

TEST_F(LineageOrigin, WhoeverHasTheVariableIsBelowTheOneWhoGaveIt) {
  run(init_, outside_, {.exe = "/sbin/tini"});
  fork(a_, init_);
  run(a_, init_, {.exe = "/tmp/innocent"});
  fork(b_, a_);
  run(b_, a_, {.exe = "/usr/bin/sh"});  // it could not be read in time
  kernel_.environments[b_] = kernel_.environments[c_] = std::string("HELPER=1\0", 9);
  fork(c_, b_);
  EXPECT_EQ(run(c_, b_, {.exe = "/usr/bin/git"}).driver.agent_session, a_);
  EXPECT_EQ(get(b_).driver.agent_session, a_);
}

TEST_F(LineageOrigin, ToolsChildrenAreNotAsked) {
  run(init_, outside_, {.exe = "/usr/bin/make"});
  fork(a_, init_);
  kernel_.environments[a_] = std::string("HELPER=1\0", 9);
  EXPECT_TRUE(run(a_, init_, {.exe = "/usr/bin/git"}).driver.agent.empty());
}

using LineagePackage = LineageOrigin;

TEST_F(LineagePackage, WhatAManagerStartsInAPackagesFolderIsItsToTheLastDescendant) {
  run(a_, outside_,
      {.exe = "/usr/bin/node", .argv = {"node", "/x/npm-cli.js", "run"}, .cwd = "/src/app"});
  EXPECT_EQ(get(a_).package, nullptr);
  run(b_, a_, {.exe = "/bin/sh", .cwd = "/src/app/node_modules/@scope/pad"});
  fork(c_, b_);
  run(c_, b_, {.exe = "/usr/bin/make", .cwd = "/"});
  fork(d_, c_);
  const PackagePtr package = get(d_).package;
  ASSERT_NE(package, nullptr);
  EXPECT_EQ(package->manager, "npm");
  EXPECT_EQ(package->name, "@scope/pad");
  EXPECT_EQ(package->project, "/src/app");
  EXPECT_EQ(package->folder, "/src/app/node_modules/@scope/pad");
  EXPECT_EQ(package->script, b_);
}

TEST_F(LineagePackage, AShellOfAnInstallIsTheFoldersAndOfAnotherCommandNobodys) {
  run(a_, outside_, {.exe = "/usr/bin/node", .argv = {"node", "/x/npm-cli.js", "ci"}});
  run(b_, a_, {.exe = "/bin/sh", .cwd = "/src/app"});
  ASSERT_NE(get(b_).package, nullptr);
  EXPECT_EQ(get(b_).package->name, "app");
  run(c_, a_, {.exe = "/usr/bin/git", .cwd = "/src/app"});
  EXPECT_EQ(get(c_).package, nullptr);
}

TEST_F(LineagePackage, ThatFolderAloneAndTheManagerItselfAreNone) {
  run(a_, outside_, {.exe = "/bin/bash", .cwd = "/src/app/node_modules/pad"});
  run(b_, a_, {.exe = "/bin/sh", .cwd = "/src/app/node_modules/pad"});
  run(c_, b_,
      {.exe = "/usr/bin/node",
       .argv = {"node", "/x/npm-cli.js"},
       .cwd = "/src/app/node_modules/x"});
  for (const ProcessKey key : {a_, b_, c_}) EXPECT_EQ(get(key).package, nullptr);
}

}  // namespace
}  // namespace picket
