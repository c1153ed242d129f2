// Who drives a process, on real kernel events: the label of a daemon that was forked twice, left
// its session and lost everybody above it, in the kernel and in the table, before and after an
// agent's new start.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "agent/app/machine_processes.h"
#include "agent/enrich/process_table.h"
#include "tests/live/live_sensor.h"

namespace picket::live {
namespace {

// What the stand-in for an AI agent runs. 3: numbers of processes go there; 4 to 6: what each waits
// for.
constexpr const char* kAgentScript =
    "setsid sh -c 'sh -c \"echo \\$\\$ >&3; read go <&4;"
    " env -i sh -c \\\"echo \\\\\\$\\\\\\$ >&3; read end <&6\\\"; true\" & true' &"
    " wait; read end <&5; true";

class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe(ends_), 0); }
  ~Pipe() {
    close(ends_[0]);
    close_writer();
  }
  int reader() const { return ends_[0]; }
  int writer() const { return ends_[1]; }
  void close_writer() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }
  pid_t number() const {
    std::string text;
    for (char c = 0; read(ends_[0], &c, 1) == 1 && c != '\n';) text += c;
    return text.empty() ? 0 : std::stoi(text);
  }

 private:
  int ends_[2] = {-1, -1};
};

std::string status_line(pid_t pid, const std::string& key) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(key)) return line.substr(line.find_first_not_of("\t ", key.size()));
  return {};
}

class LineageLabels : public LiveSensorTest {
 protected:
  void SetUp() override {
    LiveSensorTest::SetUp();
    helper_ =
        std::filesystem::temp_directory_path() / ("picket-helper-" + std::to_string(getpid()));
    std::filesystem::copy_file("/bin/sh", helper_);
  }
  void TearDown() override {
    std::error_code error;
    std::filesystem::remove(helper_, error);
    LiveSensorTest::TearDown();
  }

  // As an agent that starts: nothing is known to it.
  void start_agent() {
    table_.reset();
    live_.reset();
    seen_ = log_.all().size();
    start();
    live_ = std::make_unique<MachineProcesses>(*sensor_, clock_);
    ProcessTableOptions options;
    options.live = live_.get();
    table_ = std::make_unique<ProcessTable>(options);
    std::vector<OriginDefinition> definitions(1);
    definitions[0] = {.name = "helper",
                      .origin = Origin::ai_agent,
                      .programs = {helper_.string()},
                      .environment = {"PICKET_HELPER"}};
    table_->set_origins(std::make_shared<Origins>(std::move(definitions)));
  }

  // Reads until the table knows the process by an event of this type.
  const Process* learn(pk_type type, pid_t pid) {
    const auto event = wait_for([&, start = seen_, at = size_t{0}](const Event& e) mutable {
      return ++at > start && of(type, pid)(e);
    });
    if (!event) return nullptr;
    for (; seen_ < log_.all().size(); ++seen_) table_->apply(*Event::parse(log_.all()[seen_]));
    return table_->find({event->header().pid, event->header().start_ns});
  }

  pk_lineage kernel_label(const Process& process) {
    return live_->read(process.key).value_or(pk_lineage{});
  }

  Child start_helper(const TestCgroup& box) {
    return spawn_in(box, [&] {
      setenv("PICKET_HELPER", "1", 1);
      int next = 3;
      for (const int fd : {report_.writer(), go_.reader(), stop_.reader(), end_.reader()})
        if (dup2(fd, 20 + next++) < 0) return 1;
      for (int fd = 3; fd < 7; ++fd)
        if (dup2(20 + fd, fd) < 0) return 1;
      for (int fd = 7; fd < 64; ++fd) close(fd);
      execl(helper_.c_str(), "anything", "-c", kAgentScript, nullptr);
      return 127;
    });
  }

  std::filesystem::path helper_;
  SystemClock clock_;
  std::unique_ptr<MachineProcesses> live_;
  std::unique_ptr<ProcessTable> table_;
  size_t seen_ = 0;  // records that the table knows
  Pipe report_, go_, stop_, end_;
};

TEST_F(LineageLabels, DaemonKeepsItsAgentInTheKernelAndAfterANewStart) {
  const auto box = workspace();
  start_agent();
  Child agent = start_helper(*box);
  const pid_t agent_pid = agent.pid();
  const pid_t daemon = report_.number();
  ASSERT_GT(daemon, 0);
  stop_.close_writer();
  ASSERT_EQ(agent.wait(), 0);  // nobody of those who made the daemon is left

  const Process* known = learn(PK_EXIT, agent_pid);
  ASSERT_NE(known, nullptr);
  EXPECT_EQ(known->driver.agent, "helper");
  const ProcessKey session = known->key;
  const Process* orphan = table_->find_pid(static_cast<uint32_t>(daemon));
  ASSERT_NE(orphan, nullptr);
  EXPECT_NE(status_line(daemon, "PPid:"), std::to_string(agent_pid));
  EXPECT_NE(getsid(daemon), getsid(0));
  EXPECT_EQ(orphan->driver.origin, Origin::ai_agent);
  EXPECT_EQ(orphan->driver.agent, "helper");
  EXPECT_EQ(orphan->driver.agent_session, session);
  EXPECT_EQ(kernel_label(*orphan).driver, PK_BY_AI_AGENT);
  EXPECT_EQ(kernel_label(*orphan).agent, agent_hash("helper"));
  EXPECT_EQ(kernel_label(*orphan).agent_pid, static_cast<uint32_t>(agent_pid));

  // What it starts now has the label in the kernel before anybody read of it.
  go_.close_writer();
  const pid_t late = report_.number();
  ASSERT_GT(late, 0);
  const std::optional<Event> exec = wait_for(of(PK_EXEC, late));
  ASSERT_TRUE(exec);
  const pk_process_key key{exec->header().start_ns, exec->header().pid, 0};
  const std::optional<pk_lineage> inherited = sensor_->lineage(key);
  ASSERT_TRUE(inherited);
  EXPECT_EQ(inherited->agent, agent_hash("helper"));
  EXPECT_EQ(inherited->agent_start_ns, session.start_ns);

  // The daemon by its environment, and who has none by who it lives below.
  start_agent();
  const Process* again = learn(PK_FOUND, daemon);
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->driver.agent, "helper");
  EXPECT_EQ(kernel_label(*again).agent, agent_hash("helper"));
  const Process* below = table_->find({exec->header().pid, exec->header().start_ns});
  if (below == nullptr) below = learn(PK_FOUND, late);
  ASSERT_NE(below, nullptr);
  EXPECT_EQ(below->driver.origin, Origin::ai_agent);
  EXPECT_EQ(below->driver.agent_session, table_->find_pid(static_cast<uint32_t>(daemon))->key);
  EXPECT_EQ(kernel_label(*below).agent_pid, static_cast<uint32_t>(daemon));
  end_.close_writer();
  EXPECT_TRUE(wait_for([&, from = seen_, at = size_t{0}](const Event& event) mutable {
    return ++at > from && of(PK_EXIT, daemon)(event);
  }));
  EXPECT_FALSE(sensor_->lineage(key));  // with the process its label is gone
}

TEST_F(LineageLabels, NobodyElseGetsALabel) {
  const auto box = workspace();
  start_agent();
  Child child = spawn_in(*box, [] {
    execl("/bin/true", "true", nullptr);
    return 127;
  });
  const pid_t pid = child.pid();
  ASSERT_EQ(child.wait(), 0);
  const Process* process = learn(PK_EXIT, pid);
  ASSERT_NE(process, nullptr);
  EXPECT_EQ(process->driver.origin, Origin::service);
  EXPECT_TRUE(process->driver.agent.empty());
  EXPECT_EQ(sensor_->lineage({process->key.start_ns, process->key.pid, 0}), std::nullopt);
  EXPECT_FALSE(sensor_->set_lineage({process->key.start_ns, process->key.pid, 0}, {}));
}

}  // namespace
}  // namespace picket::live
