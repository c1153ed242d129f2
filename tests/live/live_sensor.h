// What every live test needs: the real sensor, cgroups of its own, real processes in them, and the
// records they cause. Owner: the test's thread. Everything made is removed in the destructors, also
// when an assertion fails.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/event/event.h"
#include "agent/sensor/bpf_sensor.h"

namespace picket::live {

// Why live tests cannot run here; empty: they can.
std::string why_not_live();

// A directory below the cgroup root, with whatever the test makes in it. Processes left in it are
// killed at the end.
class TestCgroup {
 public:
  TestCgroup(const CgroupTree& tree, const std::string& path);  // creates it
  ~TestCgroup();
  TestCgroup(const TestCgroup&) = delete;
  TestCgroup& operator=(const TestCgroup&) = delete;

  uint64_t id() const { return id_; }
  const std::string& path() const { return path_; }
  std::string procs() const { return directory_ + "/cgroup.procs"; }
  const std::string& directory() const { return directory_; }
  void remove();

 private:
  std::string path_, directory_;
  uint64_t id_ = 0;
};

// The id of a container, different for each test and number.
std::string container_id(int number);

// Puts the calling process into a cgroup. Usable after fork().
bool join(const std::string& procs);

class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  ~Child();
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  pid_t pid() const { return pid_; }
  int wait();  // the wait status

 private:
  pid_t pid_;
};

// A process of its own that runs `body` and ends with its result.
Child spawn(const std::function<int()>& body);
// The same, but the process is in the cgroup before `body` runs.
Child spawn_in(const TestCgroup& cgroup, const std::function<int()>& body);

// Until the first thread of a process is in a state of /proc/PID/stat ('S' waits, 'Z' has ended).
// Nothing tells of it on 6.1, so it is asked for again and again; the test's time limit is the end.
void wait_for_state(pid_t pid, char state);

// Keeps what concerns the cgroups below `base`; the machine may run containers of its own
// meanwhile.
class RecordLog final : public EventSink {
 public:
  void set_base(std::string base) { base_ = std::move(base); }
  void on_record(std::span<const std::byte> record) override;
  const std::vector<std::vector<std::byte>>& all() const { return records_; }
  const std::vector<std::vector<std::byte>>& foreign() const { return foreign_; }
  size_t refused() const { return refused_; }

 private:
  std::string base_;
  std::set<uint64_t> own_;  // workspaces below base_
  std::vector<std::vector<std::byte>> records_, foreign_;
  size_t refused_ = 0;
};

class LiveSensorTest : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // A sensor of this test's own.
  void start(BpfSensorOptions options = {});
  // The one that the tests of this program share, as it is by default: to load the BPF programs
  // takes seconds on an emulated machine. Not for a test that changes how the sensor works or asks
  // what it finds when it starts.
  void share();
  CgroupTree tree() const;
  // "/picket-test-PID"; all cgroups of the test lie below it.
  const std::string& base() const { return base_; }
  std::unique_ptr<TestCgroup> workspace(int number = 1);

  using Match = std::function<bool(const Event&)>;
  // Polls until a record matches, at most until the dead line; nullopt then. The event's bytes stay
  // valid.
  std::optional<Event> wait_for(const Match& match);
  size_t count(const Match& match) const;
  std::vector<Event> select(const Match& match) const;
  // Polls until the exit of `pid` has come: everything the process caused lies before it in the
  // ring.
  bool drain_until_exit(pid_t pid);

  // To attach the LSM tier's hooks takes seconds on an emulated machine: whoever asks for what they
  // tell sets this.
  bool with_lsm_ = false;
  BpfSensor* sensor_ = nullptr;
  RecordLog log_;

 private:
  // As SUITE.TEST.pkr, where tests/records/record asks for it.
  void keep_records(const std::string& folder) const;

  std::string base_;
  std::unique_ptr<TestCgroup> base_cgroup_;
  std::unique_ptr<BpfSensor> own_sensor_;
};

// Common matches.
std::function<bool(const Event&)> of(pk_type type, pid_t pid);
std::string exe_of(const Event& event);

}  // namespace picket::live
