// What the 32-bit interface does otherwise than the native one, on real kernel events: short ids,
// lengths in two halves, arguments in memory, a program that is started by it.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>
#include <fstream>

#include "tests/live/int80.h"

namespace picket::live {
namespace {

namespace fs = std::filesystem;

constexpr char kTrue[] = "/bin/true";

class Compat : public LiveSensorTest {
 protected:
  void SetUp() override {
    LiveSensorTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (!takes_32bit_calls()) GTEST_SKIP() << "this machine takes no 32-bit calls";
    std::ofstream(file_) << "text";
  }
  void TearDown() override {
    std::error_code ignored;
    fs::remove(file_, ignored);
    LiveSensorTest::TearDown();
  }
  std::vector<Event> told_by(const TestCgroup& box, pk_type type,
                             const std::function<int()>& body) {
    Child child = spawn_in(box, body);
    const pid_t pid = child.pid();
    EXPECT_EQ(child.wait(), 0);
    EXPECT_TRUE(drain_until_exit(pid));
    return select([=](const Event& event) {
      return of(type, pid)(event) && (event.header().flags & PK_COMPAT) != 0;
    });
  }

  const std::string file_ =
      fs::temp_directory_path() / ("picket-compat-" + std::to_string(getpid()));
};

TEST_F(Compat, ShortIdsStayWhereTheyAreAllOnes) {
  share();
  const auto box = workspace();
  const auto told = told_by(*box, PK_FILE, [&] {
    LowMemory low;
    const long path = low.text(file_);
    return int80(182 /* chown */, path, 0xffff, 7) == 0 &&
                   int80(212 /* chown32 */, path, -1, 7) == 0
               ? 0
               : 1;
  });
  ASSERT_EQ(told.size(), 2u);
  for (const Event& event : told) {
    EXPECT_EQ(event.as<pk_file>()->asked_owner, 0xffffffffu) << event.header().call;
    EXPECT_EQ(event.as<pk_file>()->asked_group, 7u);
  }
  const auto ids = told_by(*box, PK_SYSTEM, [] {
    return int80(70 /* setreuid */, 0xffff, 0) == 0 && int80(203 /* setreuid32 */, -1, 0) == 0 ? 0
                                                                                               : 1;
  });
  ASSERT_EQ(ids.size(), 2u);
  for (const Event& event : ids) {
    EXPECT_EQ(event.as<pk_system>()->argument[0], 0xffffffffu) << event.header().call;
    EXPECT_EQ(event.as<pk_system>()->argument[1], 0u);
  }
}

TEST_F(Compat, ALengthHasItsUpperHalf) {
  share();
  const auto box = workspace();
  const auto told = told_by(*box, PK_FILE, [&] {
    LowMemory low;
    return int80(193 /* truncate64 */, low.text(file_), 5, 1) == 0 ? 0 : 1;
  });
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].header().call, PK_CALL_truncate64);
  EXPECT_EQ(told[0].as<pk_file>()->size, 0x1'0000'0005u);
}

TEST_F(Compat, AProgramThatItStartsSaysSo) {
  share();
  const auto box = workspace();
  const auto told = told_by(*box, PK_EXEC, [] {
    LowMemory low;
    const long program = low.text(kTrue);
    const uint32_t texts[2] = {static_cast<uint32_t>(program), 0};
    int80(11 /* execve */, program, low.put(texts, sizeof(texts)));
    return 1;
  });
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].text(told[0].as<pk_exec>()->filename), kTrue);
  const auto native = told_by(*box, PK_EXEC, [] {
    execl(kTrue, kTrue, nullptr);
    return 1;
  });
  EXPECT_TRUE(native.empty());
}

// Behind the last argument of socketcall there may be no memory.
TEST_F(Compat, ArgumentsAtTheEndOfMemoryAreRead) {
  share();
  const auto box = workspace();
  const auto told = told_by(*box, PK_SOCKET, [] {
    LowMemory low;
    sockaddr_un nobody{};
    nobody.sun_family = AF_UNIX;
    std::strcpy(nobody.sun_path, "/tmp/picket-nobody");
    const long page = static_cast<long>(sysconf(_SC_PAGESIZE));
    auto* pages =
        static_cast<char*>(mmap(nullptr, static_cast<size_t>(2 * page), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0));
    munmap(pages + page, static_cast<size_t>(page));
    const uint32_t arguments[3] = {static_cast<uint32_t>(socket(AF_UNIX, SOCK_STREAM, 0)),
                                   static_cast<uint32_t>(low.put(&nobody, sizeof(nobody))),
                                   sizeof(nobody)};
    char* last = pages + page - sizeof(arguments);
    std::memcpy(last, arguments, sizeof(arguments));
    return int80(102 /* socketcall */, 3 /* connect */,
                 static_cast<long>(reinterpret_cast<uintptr_t>(last))) == -ENOENT
               ? 0
               : 1;
  });
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].text(told[0].as<pk_socket>()->path), "/tmp/picket-nobody");
}

}  // namespace
}  // namespace picket::live
