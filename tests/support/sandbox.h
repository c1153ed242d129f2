// What a test owns on the machine: one folder and one cgroup v2 subtree, both named after the
// test's process. Everything else that a test makes lies inside one of the two, so removing them
// removes everything. Owner: the test's thread. A test that crashed leaves both behind; the next
// Sandbox removes what belongs to dead processes.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace picket::test {

class Sandbox {
 public:
  static absl::StatusOr<std::unique_ptr<Sandbox>> create();
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  const std::string& folder() const { return folder_; }
  std::string path(std::string_view name) const;
  // From the cgroup v2 root: "/picket-test.123.4567".
  const std::string& cgroup() const { return cgroup_; }
  std::string cgroup_folder() const;

 private:
  Sandbox(std::string folder, std::string cgroup);

  std::string folder_, cgroup_;
};

// Where this machine has cgroup v2 mounted; empty: nowhere.
const std::string& cgroup2_mount();

// Kills what runs in the cgroup and below (thawing it first), waits until it is empty, removes it.
absl::Status remove_cgroup(const std::string& folder);

// What tests left behind whose process is gone.
void remove_leftovers();

bool is_installed(std::string_view program);

// Why tests with containers and probes cannot run here; empty: they can.
std::string missing_for_live_tests();

}  // namespace picket::test
