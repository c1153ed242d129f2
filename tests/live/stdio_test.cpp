// The stdio family on real kernel events: sockets that become standard descriptors, also through
// the 32-bit interface.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "tests/live/int80.h"
#include "tests/live/live_sensor.h"
#include "tests/live/sockets.h"

namespace picket::live {
namespace {

class Stdio : public LiveSensorTest {
 protected:
  std::vector<const pk_stdio*> bound_by(const TestCgroup& box, const std::function<int()>& body) {
    Child child = spawn_in(box, body);
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_TRUE(drain_until_exit(pid));
    std::vector<const pk_stdio*> found;
    for (const Event& event : select(of(PK_STDIO, pid))) found.push_back(event.as<pk_stdio>());
    return found;
  }
};

TEST_F(Stdio, EveryWayToDuplicateIsTold) {
  share();
  const auto box = workspace();
  const Listener listener;
  const auto told = bound_by(*box, [&] {
    const int fd = connect_to(SOCK_STREAM, loopback4(listener.port()));
    if (fd < 3) return 1;
    if (dup2(fd, 0) != 0 || dup3(fd, 1, 0) != 1) return 2;
    close(2);
    if (fcntl(fd, F_DUPFD, 0) != 2) return 3;
    close(2);
    if (fcntl(fd, F_DUPFD_CLOEXEC, 2) != 2) return 4;
    close(0);
    return dup(fd) == 0 ? 0 : 5;
  });
  ASSERT_EQ(told.size(), 5u);
  const uint32_t targets[] = {0, 1, 2, 2, 0};
  for (size_t i = 0; i < told.size(); ++i) {
    EXPECT_EQ(told[i]->target, targets[i]);
    EXPECT_GE(told[i]->source, 3u);
    const pk_fd& landed = told[i]->fd[targets[i]];
    EXPECT_EQ(landed.kind, PK_FD_INET);
    EXPECT_EQ(landed.direction, PK_DIR_OUTBOUND);
    EXPECT_EQ(landed.remote_port, listener.port());
    EXPECT_FALSE(told[i]->header.flags & PK_COMPAT);
  }
}

// dup2 first, connect then: nothing is duplicated any more when the socket becomes a connection.
TEST_F(Stdio, ConnectOfWhatIsStandardInputAndOutputIsTold) {
  share();
  const auto box = workspace();
  const Listener listener;
  const sockaddr_in peer = loopback4(listener.port());
  const auto told = bound_by(*box, [&] {
    close(0);
    if (socket(AF_INET, SOCK_STREAM, 0) != 0 || dup2(0, 1) != 1) return 1;
    return connect(0, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) ? 2 : 0;
  });
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0]->target, 1u);
  EXPECT_EQ(told[0]->fd[1].direction, PK_DIR_UNKNOWN);
  EXPECT_EQ(told[1]->target, 0u);
  EXPECT_EQ(told[1]->source, told[1]->target);
  for (int fd : {0, 1}) {
    EXPECT_EQ(told[1]->fd[fd].direction, PK_DIR_OUTBOUND);
    EXPECT_EQ(told[1]->fd[fd].remote_port, listener.port());
    EXPECT_TRUE(is_loopback4(told[1]->fd[fd].remote_addr));
  }
}

// A daemon that closed its descriptors: its connections land on 0 and 1, each of them another.
TEST_F(Stdio, ConnectionsThatHappenToBeZeroAndOneAreNot) {
  share();
  const auto box = workspace();
  const Listener listener;
  const auto told = bound_by(*box, [&] {
    close(0), close(1);
    return connect_to(SOCK_STREAM, loopback4(listener.port())) == 0 &&
                   connect_to(SOCK_STREAM, loopback4(listener.port())) == 1
               ? 0
               : 1;
  });
  EXPECT_TRUE(told.empty());
}

TEST_F(Stdio, CallsThroughThe32BitInterfaceAreTold) {
  if (!takes_32bit_calls()) GTEST_SKIP() << "this machine takes no 32-bit calls";
  share();
  const auto box = workspace();
  const Listener listener;
  const auto told = bound_by(*box, [&] {
    const int fd = connect_to(SOCK_STREAM, loopback4(listener.port()));
    if (int80(63, fd, 0, 0) != 0) return 2;   // dup2
    if (int80(330, fd, 1, 0) != 1) return 3;  // dup3
    close(2);
    return int80(221, fd, F_DUPFD, 2) == 2 ? 0 : 4;  // fcntl64
  });
  ASSERT_EQ(told.size(), 3u);
  for (uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(told[i]->target, i);
    EXPECT_TRUE(told[i]->header.flags & PK_COMPAT);
    EXPECT_EQ(told[i]->fd[i].remote_port, listener.port());
  }
}

TEST_F(Stdio, WithoutCompatCallsCoverageNamesTheHole) {
  BpfSensorOptions options;
  options.compat_calls = false;
  start(options);
  const std::vector<CoverageLine> lines = sensor_->coverage().lines;
  const auto find = [&](std::string_view hook) {
    return std::find_if(lines.begin(), lines.end(),
                        [&](const CoverageLine& line) { return line.hook == hook; });
  };
  ASSERT_NE(find("tp_btf/sys_exit"), lines.end());
  EXPECT_EQ(find("tp_btf/sys_exit")->state, CoverageLine::State::off);
  EXPECT_NE(find("tp_btf/sys_exit")->effect.find("32-bit"), std::string::npos);
  ASSERT_NE(find("tp/syscalls/sys_exit_*"), lines.end());
  if (find("tp/syscalls/sys_exit_*")->state == CoverageLine::State::refused)
    GTEST_SKIP() << "no tracefs here: " << find("tp/syscalls/sys_exit_*")->reason;

  const auto box = workspace();
  const Listener listener;
  const auto told = bound_by(*box, [&] {
    const int fd = connect_to(SOCK_STREAM, loopback4(listener.port()));
    if (takes_32bit_calls() && int80(63, fd, 1, 0) != 1) return 2;
    return dup2(fd, 0) == 0 && dup3(fd, 2, 0) == 2 ? 0 : 3;
  });
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0]->target, 0u);
  EXPECT_EQ(told[1]->target, 2u);
}

TEST_F(Stdio, FilesAndOtherDescriptorsAreNot) {
  share();
  const auto box = workspace();
  const auto told = bound_by(*box, [] {
    const int file = open("/dev/null", O_RDWR);
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return 1;
    if (dup2(file, 0) != 0) return 2;
    if (fcntl(0, F_GETFD) != 0 || fcntl(1, F_SETFD, 0) != 0) return 3;
    return dup2(pair[0], 1) == 1 && dup2(pair[0], 9) == 9 ? 0 : 4;
  });
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0]->target, 1u);
  EXPECT_EQ(told[0]->fd[1].kind, PK_FD_UNIX);
  EXPECT_EQ(told[0]->fd[0].kind, PK_FD_NULL);
}

TEST_F(Stdio, KindsOfDescriptorsAtExec) {
  share();
  const auto box = workspace();
  const std::string fifo = testing::TempDir() + "picket-live-fifo-" + std::to_string(getpid());
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const auto kinds_with = [&](const std::function<int()>& open_one) {
    Child child = spawn_in(*box, [&] {
      const int fd = open_one();
      if (fd < 0) return 1;
      dup2(fd, 0), dup2(fd, 1), close(2);
      execl("/bin/true", "true", nullptr);
      return 127;
    });
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    const std::optional<Event> exec = wait_for(of(PK_EXEC, pid));
    return exec ? exec->as<pk_exec>() : nullptr;
  };
  const std::map<pk_fd_kind, std::function<int()>> ways = {
      {PK_FD_FILE, [] { return open("/etc/passwd", O_RDONLY); }},
      {PK_FD_DIR, [] { return open("/etc", O_RDONLY); }},
      {PK_FD_NULL, [] { return open("/dev/null", O_RDWR); }},
      {PK_FD_CHAR, [] { return open("/dev/zero", O_RDWR); }},
      {PK_FD_TTY, [] { return open("/dev/ptmx", O_RDWR | O_NOCTTY); }},
      {PK_FD_FIFO, [&] { return open(fifo.c_str(), O_RDWR); }},
      {PK_FD_PIPE,
       [] {
         int ends[2];
         return pipe(ends) ? -1 : ends[0];
       }},
      {PK_FD_SOCKET, [] { return socket(AF_NETLINK, SOCK_RAW, 0); }},
  };
  for (const auto& [kind, open_one] : ways) {
    const pk_exec* exec = kinds_with(open_one);
    ASSERT_NE(exec, nullptr);
    EXPECT_EQ(exec->fd[0].kind, kind);
    EXPECT_EQ(exec->fd[1].kind, kind);
    EXPECT_NE(exec->fd[0].inode, 0u);
    EXPECT_EQ(exec->fd[2].kind, PK_FD_NONE);
  }
  unlink(fifo.c_str());
}

}  // namespace
}  // namespace picket::live
