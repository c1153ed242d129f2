#include "tests/live/live_sensor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "agent/sensor/recording.h"
#include "common/clock.h"
#include "tests/support/patience.h"

namespace picket::live {
namespace {

const std::chrono::seconds kDeadline{30 * test::patience()};

bool write_text(const std::string& file, const std::string& text) {
  const int fd = open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool done = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  return done;
}

}  // namespace

std::string why_not_live() {
  if (geteuid() != 0) return "live tests need root";
  const absl::Status status = check_requirements(Machine{});
  return status.ok() ? std::string() : std::string(status.message());
}

TestCgroup::TestCgroup(const CgroupTree& tree, const std::string& path)
    : path_(path), directory_(tree.directory(path).string()) {
  if (mkdir(directory_.c_str(), 0755) == 0) id_ = tree.id(path).value_or(0);
}

TestCgroup::~TestCgroup() { remove(); }

void TestCgroup::remove() {
  if (id_ == 0) return;
  write_text(directory_ + "/cgroup.kill", "1");
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (rmdir(directory_.c_str()) != 0 && errno == EBUSY &&
         std::chrono::steady_clock::now() < deadline)
    waitpid(-1, nullptr, WNOHANG),
        usleep(1000);  // killed processes leave the cgroup when they are reaped
  id_ = 0;
}

void wait_for_state(pid_t pid, char state) {
  const std::string file = fmt::format("/proc/{}/stat", pid);
  while (true) {
    std::string stat;
    std::getline(std::ifstream(file), stat);
    const size_t name_end = stat.rfind(')');
    if (name_end != std::string::npos && stat.substr(name_end + 2, 1) == std::string(1, state))
      return;
    sched_yield();
  }
}

std::string container_id(int number) { return fmt::format("{:0>8x}{:0>56x}", getpid(), number); }

bool join(const std::string& procs) { return write_text(procs, "0"); }

Child::~Child() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

int Child::wait() {
  int status = -1;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return status;
}

Child spawn(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  return Child(pid);
}

Child spawn_in(const TestCgroup& cgroup, const std::function<int()>& body) {
  const std::string procs = cgroup.procs();
  return spawn([&] { return join(procs) ? body() : 99; });
}

void RecordLog::on_record(std::span<const std::byte> record) {
  const std::optional<Event> event = Event::parse(record);
  if (!event) {
    ++refused_;
    return;
  }
  if (event->type() == PK_CGROUP_MKDIR &&
      event->text(event->as<pk_cgroup>()->path).starts_with(base_ + "/"))
    own_.insert(event->header().cgroup_id);
  auto& log = own_.contains(event->header().cgroup_id) ? records_ : foreign_;
  log.emplace_back(record.begin(), record.end());
}

void LiveSensorTest::SetUp() {
  const std::string reason = why_not_live();
  if (reason.empty()) {
    base_ = fmt::format("/picket-test-{}", getpid());
    base_cgroup_ = std::make_unique<TestCgroup>(tree(), base_);
    log_.set_base(base_);
    return;
  }
  const char* ci = std::getenv("CI");
  if (ci && std::string_view(ci) == "true") FAIL() << reason;
  GTEST_SKIP() << reason;
}

void LiveSensorTest::TearDown() {
  EXPECT_EQ(log_.refused(), 0u) << "the kernel sent records that do not parse";
  if (const char* folder = std::getenv("PICKET_RECORD_TO")) keep_records(folder);
}

void LiveSensorTest::keep_records(const std::string& folder) const {
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  const std::string file =
      fmt::format("{}/{}.{}.pkr", folder, test->test_suite_name(), test->name());
  utsname kernel{};
  uname(&kernel);
  const SystemClock clock;
  auto recording =
      RecordingWriter::create(file, {clock.wall_ns() - clock.boot_ns(), kernel.release});
  ASSERT_TRUE(recording.ok()) << recording.status();
  for (const auto& record : log_.all()) (*recording)->on_record(record);
  const absl::Status closed = (*recording)->close();
  EXPECT_TRUE(closed.ok()) << closed;
}

CgroupTree LiveSensorTest::tree() const {
  return *CgroupTree::find(read_text("/proc/self/mounts").value_or(""));
}

void LiveSensorTest::start(BpfSensorOptions options) {
  options.lsm = with_lsm_;
  own_sensor_ = std::make_unique<BpfSensor>(std::move(options));
  sensor_ = own_sensor_.get();
  const absl::Status status = sensor_->start();
  ASSERT_TRUE(status.ok()) << status;
}

void LiveSensorTest::share() {
  static std::unique_ptr<BpfSensor> shared[2];  // the second one with the LSM tier's hooks
  std::unique_ptr<BpfSensor>& sensor = shared[with_lsm_];
  if (!sensor) {
    start();
    if (!HasFatalFailure()) sensor = std::move(own_sensor_);
    return;
  }
  sensor_ = sensor.get();
  RecordLog of_others;
  while (sensor->poll(of_others, std::chrono::milliseconds(0)).value_or(0) > 0) {
  }
}

std::unique_ptr<TestCgroup> LiveSensorTest::workspace(int number) {
  return std::make_unique<TestCgroup>(tree(), base() + "/" + container_id(number));
}

std::optional<Event> LiveSensorTest::wait_for(const Match& match) {
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  for (size_t seen = 0;;) {
    for (; seen < log_.all().size(); ++seen) {
      const std::optional<Event> event = Event::parse(log_.all()[seen]);
      if (event && match(*event)) return event;
    }
    if (std::chrono::steady_clock::now() > deadline) return std::nullopt;
    const absl::StatusOr<size_t> got = sensor_->poll(log_, std::chrono::milliseconds(50));
    if (!got.ok()) return std::nullopt;
  }
}

size_t LiveSensorTest::count(const Match& match) const { return select(match).size(); }

std::vector<Event> LiveSensorTest::select(const Match& match) const {
  std::vector<Event> matching;
  for (const auto& record : log_.all()) {
    const std::optional<Event> event = Event::parse(record);
    if (event && match(*event)) matching.push_back(*event);
  }
  return matching;
}

bool LiveSensorTest::drain_until_exit(pid_t pid) { return wait_for(of(PK_EXIT, pid)).has_value(); }

std::function<bool(const Event&)> of(pk_type type, pid_t pid) {
  return [=](const Event& event) {
    return event.type() == type && event.header().pid == static_cast<uint32_t>(pid);
  };
}

std::string exe_of(const Event& event) {
  const pk_exec* exec = event.as<pk_exec>();
  return exec ? std::string(event.text(exec->exe)) : std::string();
}

}  // namespace picket::live
