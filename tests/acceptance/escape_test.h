// What DE1 and DE2 share: attempts that are harmless proofs, a process outside of the container
// that stands for the node, and the question whether each attempt was one alert. The test's thread
// only.
#pragma once

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "tests/acceptance/acceptance_test.h"

namespace picket::test {

struct Attempt {
  const char* name;
  const char* rule;
  std::vector<std::string> command;
};

// Of this machine, whose /usr some containers have: not every machine has every tool.
inline bool has_program(const char* path) { return std::filesystem::exists(path); }

class EscapeTest : public AcceptanceTest {
 protected:
  // In mount, network and UTS namespaces of its own, with a program and a file that only it has.
  void start_node_process() {
    auto pipe = make_pipe();
    ASSERT_TRUE(pipe.ok()) << pipe.status();
    auto started = Subprocess::start(
        {.argv = {"unshare", "-m", "-n", "-u", "sh", "-c",
                  "mount -t tmpfs none /mnt && cp /bin/sleep /mnt/runtime && echo 1 >/mnt/secret "
                  "&& cd /mnt && echo ready && exec /mnt/runtime 1000"},
         .out = pipe->write.get()});
    ASSERT_TRUE(started.ok()) << started.status();
    node_process_ = *std::move(started);
    pipe->write.reset();
    LineReader lines(std::move(pipe->read));
    ASSERT_EQ(lines.next(std::chrono::steady_clock::now() + kDeadline), "ready");
    const std::string exe = of_node_process("exe");
    ASSERT_TRUE(until([&] {
      std::error_code ignored;
      return std::filesystem::read_symlink(exe, ignored) == "/mnt/runtime";
    }));
  }
  std::string of_node_process(const std::string& entry) const {
    return fmt::format("/proc/{}/{}", node_process_->pid(), entry);
  }

  // A socket of that name on which this test, outside of every workspace, listens.
  std::string listen_as(const std::string& name) {
    const std::string path = sandbox().path(name);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    EXPECT_LT(path.size(), sizeof(address.sun_path));
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    listener_ = Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_.get(), 64), 0);
    return path;
  }

  // Each in a process of its own below the container's first one.
  void expect_one_alert_each(Container& container, const std::vector<Attempt>& attempts) {
    size_t expected = accusations(alerts_so_far(container)).size();  // of what was prepared
    std::vector<uint32_t> jobs;
    for (const Attempt& attempt : attempts) {
      auto job = container.launch(attempt.command);
      ASSERT_TRUE(job.ok()) << attempt.name << ": " << job.status();
      ASSERT_TRUE(container.wait_for(*job).ok()) << attempt.name;
      outputs_ += fmt::format("{}: {}\n", attempt.name, container.output_so_far(*job).value_or(""));
      jobs.push_back(job->pid);
    }
    const auto alerts = accusations(alerts_so_far(container));
    for (size_t i = 0; i < attempts.size(); ++i) {
      std::vector<Alert> own;
      for (const Alert& alert : alerts)
        if (std::ranges::count(tree_of(alert), jobs[i]) != 0) own.push_back(alert);
      ++expected;
      ASSERT_EQ(own.size(), 1u) << attempts[i].name << ": " << Alert(own).dump(1) << outputs_;
      EXPECT_EQ(own[0]["rule"], attempts[i].rule) << attempts[i].name << ": " << own[0].dump(1);
      EXPECT_FALSE(own[0]["why"].get<std::string>().empty());
      expect_identity(own[0], container);
    }
    EXPECT_EQ(alerts.size(), expected) << Alert(alerts).dump(1);
  }

  std::unique_ptr<Subprocess> node_process_;
  Fd listener_;
  std::string outputs_;
};

}  // namespace picket::test
