// Threads that change a call's arguments while it runs. What is recorded is what the kernel used:
// 120,000 opens and as many connects, each compared with what the process got. Also what is left on
// the tracepoint tier: a thread that swaps the descriptor itself. An emulated machine
// makes fewer of those that swap it.
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <thread>

#include "tests/live/live_sensor.h"
#include "tests/live/sockets.h"
#include "tests/support/patience.h"

namespace picket::live {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kCalls = 120'000;
constexpr uint32_t kFirstGroup = 100'000;
const uint32_t kSwapped = test::patience() == 1 ? kCalls : kCalls / 6;
// Opens that a thread hides which does nothing but swap the descriptor: one or two in a thousand
// where each has a processor of its own, more where they take turns.
const uint32_t kFooledMax = kSwapped / 4;
constexpr int kNumber = 100;  // the descriptor that is swapped

// Written by the child, read by the test.
class Truth {
 public:
  Truth()
      : values_(
            static_cast<uint64_t*>(mmap(nullptr, kCalls * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  ~Truth() { munmap(values_, kCalls * sizeof(uint64_t)); }
  uint64_t& operator[](size_t i) const { return values_[i]; }

 private:
  uint64_t* values_;
};

// Runs `change` again and again while `work` runs.
template <class Change, class Work>
int while_changing(const Change& change, const Work& work) {
  std::atomic<bool> stop = false;
  std::thread changer([&] {
    while (!stop.load(std::memory_order_relaxed)) change();
  });
  const int result = work();
  stop = true;
  changer.join();
  return result;
}

// The group makes each open another one, so that none is a repeat, and numbers its record. Of this
// thread alone: the library would tell the other one with a signal.
bool number_call(uint32_t i) { return syscall(SYS_setresgid, -1, kFirstGroup + i, -1) == 0; }

// A listener whose connections are taken and closed, outside of every workspace.
class Sink {
 public:
  Sink() : taker_([this] { take_all(); }) {}
  ~Sink() {
    shutdown(listener_.fd(), SHUT_RD);  // accept fails from now on
    taker_.join();
  }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  uint16_t port() const { return listener_.port(); }

 private:
  void take_all() const {
    for (int fd = accept(listener_.fd(), nullptr, nullptr); fd >= 0;
         fd = accept(listener_.fd(), nullptr, nullptr))
      close(fd);
  }

  const Listener listener_;
  std::thread taker_;
};

// Leaves `number` the lowest descriptor that is free, and `other` below and above it: the one
// above.
int fill_descriptors(int number, int other) {
  const int above = fcntl(other, F_DUPFD, number + 1);
  for (int fd = 3; fd < number; ++fd) dup2(above, fd);
  close(number);
  return above;
}

// Puts what `other` is in the place of `number` for a moment. What is kept has another number even
// when `number` is closed meanwhile: the close of it would take what was opened there since.
void swap_descriptor(int number, int other) {
  const int kept = fcntl(number, F_DUPFD, number + 1);
  if (kept < 0) return;
  dup2(other, number);
  dup2(kept, number);
  close(kept);
}

class Race : public LiveSensorTest {
 protected:
  Race() { with_lsm_ = true; }
  void SetUp() override {
    LiveSensorTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    fs::create_directories(folder_);
    for (const char* name : {"a", "b"}) std::ofstream(folder_ / name) << name;
    BpfSensorOptions options;
    options.ring_bytes = 256 << 20;  // room for all of it
    start(options);
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    LiveSensorTest::TearDown();
  }

  void run(const std::function<int()>& body) {
    const auto box = workspace();
    Child child = spawn_in(*box, body);
    const pid_t pid = child.pid();
    // So many calls take longer than a step where a busy machine emulates the processor.
    bool ended = false;
    for (int steps = 0; steps < 4 && !ended; ++steps) ended = drain_until_exit(pid);
    ASSERT_TRUE(ended);
    ASSERT_EQ(child.wait(), 0);
    pid_ = pid;
  }

  // The opens by the number of their call.
  std::map<uint32_t, Event> opens() const {
    std::map<uint32_t, Event> found;
    for (const Event& event : select(of(PK_OPEN, pid_)))
      if (event.header().gid >= kFirstGroup) found.emplace(event.header().gid - kFirstGroup, event);
    return found;
  }

  static uint64_t inode_of(const fs::path& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
  }

  const fs::path folder_ = fs::temp_directory_path() / ("picket-race-" + std::to_string(getpid()));
  const Truth truth_;
  pid_t pid_ = 0;
};

TEST_F(Race, TheRecordedFileIsTheOneThatWasOpened) {
  run([&] {
    std::string path = (folder_ / "a").string();
    volatile char* last = &path.back();
    return while_changing([&] { *last = 'a' + (*last == 'a'); },
                          [&] {
                            for (uint32_t i = 0; i < kCalls; ++i) {
                              if (!number_call(i)) return 1;
                              const int fd = open(path.c_str(), O_RDONLY);
                              struct stat status {};
                              if (fd < 0 || fstat(fd, &status)) return 2;
                              truth_[i] = status.st_ino;
                              close(fd);
                            }
                            return 0;
                          });
  });
  const std::map<uint64_t, std::string> names = {{inode_of(folder_ / "a"), folder_ / "a"},
                                                 {inode_of(folder_ / "b"), folder_ / "b"}};
  const auto told = opens();
  EXPECT_EQ(told.size(), kCalls);
  uint32_t wrong = 0, fooled = 0;
  for (const auto& [i, event] : told) {
    const pk_open& record = *event.as<pk_open>();
    const std::string& right = names.at(truth_[i]);
    if (record.object.inode != truth_[i] || event.text(record.path) != right) ++wrong;
    if (event.text(record.raw) != right) ++fooled;
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(fooled, 0u) << "nothing raced: the test proves nothing";
  RecordProperty("user_memory_wrong", static_cast<int>(fooled));
  printf("user memory was wrong for %u of %u opens, the kernel's file for %u\n", fooled, kCalls,
         wrong);
}

// What the tracepoint tier leaves open, measured: between the kernel's last step and the hook the
// descriptor can be given another file. The LSM tier knows the file before it has a descriptor.
TEST_F(Race, ASwappedDescriptorFoolsFewOpensAndNoneOfTheLsmTier) {
  const uint64_t right = inode_of(folder_ / "a");
  run([&] {
    const std::string path = (folder_ / "a").string();
    const int null = fill_descriptors(kNumber, open("/dev/null", O_RDONLY));
    return while_changing([&] { swap_descriptor(kNumber, null); },
                          [&] {
                            for (uint32_t i = 0; i < kSwapped; ++i) {
                              if (!number_call(i)) return 1;
                              const int fd = open(path.c_str(), O_RDONLY);
                              if (fd < 0) return 2;
                              close(fd);
                              close(kNumber);
                            }
                            return 0;
                          });
  });
  const auto told = opens();
  EXPECT_EQ(told.size(), kSwapped) << "also an open of which nothing was left is told";
  uint32_t wrong = 0, empty = 0;
  for (const auto& [i, event] : told) {
    const pk_object& object = event.as<pk_open>()->object;
    if (object.kind == PK_FD_NONE)
      ++empty;
    else if (object.inode != right)
      ++wrong;
  }
  const std::string tier = sensor_->coverage().tier;
  EXPECT_LE(wrong + empty, tier == "lsm" ? 0 : kFooledMax);
  printf("of %u opens a swapped descriptor showed another file for %u, none for %u\n", kSwapped,
         wrong, empty);
}

TEST_F(Race, TheRecordedPeerIsTheOneThatWasConnected) {
  constexpr uint16_t kPorts[] = {9001, 9002};
  const Truth changed;  // [0]: how often the caller's memory named another peer after the call
  run([&] {
    sockaddr_in peer = loopback4(kPorts[0]);
    volatile in_port_t* port = &peer.sin_port;
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    return while_changing(
        [&] { *port = htons(kPorts[*port == htons(kPorts[0])]); },
        [&] {
          for (uint32_t i = 0; i < kCalls; ++i) {
            if (connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer))) return 1;
            const in_port_t now = *port;
            sockaddr_in got{};
            socklen_t length = sizeof(got);
            if (getpeername(fd, reinterpret_cast<sockaddr*>(&got), &length)) return 2;
            truth_[i] = ntohs(got.sin_port);
            changed[0] += now != got.sin_port;
          }
          return 0;
        });
  });
  const auto told = select(of(PK_CONNECT, pid_));
  ASSERT_EQ(told.size(), kCalls);
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < kCalls; ++i)  // one thread's records are in the order of its calls
    if (told[i].as<pk_connect>()->remote_port != truth_[i]) ++wrong;
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(changed[0], 0u) << "nothing raced: the test proves nothing";
  printf("user memory was wrong for %llu of %u connects, the record for %u\n",
         static_cast<unsigned long long>(changed[0]), kCalls, wrong);
}

// The same of a TCP connect, with a datagram socket. Each call is told once: with the peer that the
// call named, whichever of the two sockets the kernel took.
TEST_F(Race, ASwappedDescriptorHidesNoTcpPeer) {
  const uint32_t kConnects = kSwapped / 12;
  const Sink sinks[2];
  const Truth changed;  // [0]: how often another socket was in the descriptor after the call
  run([&] {
    const int other = fill_descriptors(kNumber, socket(AF_INET, SOCK_DGRAM, 0));
    const linger at_once{1, 0};
    return while_changing(
        [&] { swap_descriptor(kNumber, other); },
        [&] {
          for (uint32_t done = 0; done < kConnects;) {
            const int fd = socket(AF_INET, SOCK_STREAM, 0);
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
            truth_[done] = sinks[done * 2654435761u >> 31].port();
            const sockaddr_in peer = loopback4(static_cast<uint16_t>(truth_[done]));
            // The other thread may have put back what was closed already.
            if (connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) == 0)
              ++done;
            else if (errno != EISCONN)
              return errno;
            int type = 0;
            socklen_t length = sizeof(type);
            getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
            changed[0] += type == SOCK_DGRAM;
            close(fd);
            close(kNumber);
          }
          return 0;
        });
  });
  const auto told = select(of(PK_CONNECT, pid_));
  ASSERT_EQ(told.size(), kConnects);
  uint32_t wrong = 0, tcp = 0;
  for (uint32_t i = 0; i < kConnects; ++i) {
    wrong += told[i].as<pk_connect>()->remote_port != truth_[i];
    tcp += told[i].as<pk_connect>()->proto == IPPROTO_TCP;
  }
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(tcp, kConnects / 2);
  EXPECT_GT(changed[0], 0u) << "nothing raced: the test proves nothing";
  printf("the descriptor was another after %llu of %u connects, the record wrong for %u\n",
         static_cast<unsigned long long>(changed[0]), kConnects, wrong);
}

// A connect that waits for a listener's full queue leaves all the time there is for it.
TEST_F(Race, ADescriptorThatIsSwappedWhileAConnectWaitsHidesNoPeer) {
  const Truth shown;  // [0], [1]: the listener's port and that of the descriptor after the call
  run([&] {
    const Listener listener;
    listen(listener.fd(), 0);
    const int first = connect_to(SOCK_STREAM, loopback4(listener.port()));  // the queue is full
    const int other = connect_to(SOCK_DGRAM, loopback4(53));
    const int fd = socket(AF_INET, SOCK_STREAM, 0), same = dup(fd);
    const sockaddr_in peer = loopback4(listener.port());
    int result = -1;
    std::thread connecting(
        [&] { result = connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)); });
    tcp_info info{};
    while (info.tcpi_state != TCP_SYN_SENT) {
      socklen_t length = sizeof(info);
      getsockopt(same, IPPROTO_TCP, TCP_INFO, &info, &length);
    }
    dup2(other, fd);
    const int taken = accept(listener.fd(), nullptr, nullptr);
    connecting.join();
    sockaddr_in got{};
    socklen_t length = sizeof(got);
    getpeername(fd, reinterpret_cast<sockaddr*>(&got), &length);
    shown[0] = listener.port();
    shown[1] = ntohs(got.sin_port);
    return first < 0 || taken < 0 || result != 0;
  });
  EXPECT_EQ(shown[1], 53u);
  std::vector<uint64_t> tcp;
  for (const Event& event : select(of(PK_CONNECT, pid_)))
    if (event.as<pk_connect>()->proto == IPPROTO_TCP)
      tcp.push_back(event.as<pk_connect>()->remote_port);
  EXPECT_EQ(tcp, (std::vector<uint64_t>{shown[0], shown[0]}));
}

}  // namespace
}  // namespace picket::live
