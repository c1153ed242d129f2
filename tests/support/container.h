// A real container, made by runc for one test: own cgroup below the sandbox's, own PID, mount,
// network, UTS and IPC namespaces, an overlay over an image, loopback up and nothing else on the
// network. Owner: the test's thread. Its first process ends when the test does (it reads the test's
// pipe); the destructor removes the rest. Errors: a Status with runc's own words.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/sandbox.h"
#include "tests/support/subprocess.h"

namespace picket::test {

struct ContainerOptions {
  std::string id = {};            // empty: 64 random hex digits, as container runtimes choose them
  std::string image = "busybox";  // or "tools": packaging/dev/image
  std::map<std::string, std::string> annotations = {};
  // In the v1 hierarchies too, as where a node has both. Otherwise runc sees cgroup v2 only.
  bool v1 = false;
  // Every capability of this machine's root but CAP_SYS_RESOURCE, all devices, nothing masked, and
  // a cgroup file system to write to: what another runtime needs inside.
  bool privileged = false;
  std::vector<std::string> binds = {};  // files and folders of the machine, read-only, same place
  std::vector<std::string> writable_binds = {};
  // Without a pid namespace of its own: it sees the machine's numbers.
  bool host_pids = false;
  bool host_network = false;  // without a network namespace of its own
  uint32_t network_of = 0;    // a process in whose network namespace it is started; 0: its own
  uint32_t uid = 0;           // of the first process and so of all; its files are root's
  // "": no filter; "default": one, as runtimes put one by default; else the file of a profile.
  std::string seccomp = {};
  // The first process. Empty: the init of the tests, which run() and launch() need.
  std::vector<std::string> command = {};
};

class Container {
 public:
  // A program started by the container's init: a descendant of PID 1, not an exec from outside.
  struct Job {
    uint32_t number = 0;
    uint32_t vpid = 0;  // inside the container
    uint32_t pid = 0;   // on the machine
  };

  // Created but not started: the workload's first instruction has not run.
  static absl::StatusOr<std::unique_ptr<Container>> create(Sandbox& sandbox,
                                                           ContainerOptions options = {});
  static absl::StatusOr<std::unique_ptr<Container>> run_new(Sandbox& sandbox,
                                                            ContainerOptions options = {});
  ~Container();
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  absl::Status start();
  absl::Status wait_for_end();  // of the first process

  absl::StatusOr<Job> launch(const std::vector<std::string>& argv);
  absl::StatusOr<int> wait_for(const Job& job);
  absl::StatusOr<std::string> output_so_far(const Job& job) const;
  // A job's processes by their numbers inside, on the machine; 0: it has ended.
  uint32_t pid_of(uint32_t vpid) const;
  // launch and wait_for; `err` stays empty, both streams are in `out`.
  absl::StatusOr<ProgramResult> run(const std::vector<std::string>& argv);

  // Through `runc exec`: the process comes from outside.
  absl::StatusOr<ProgramResult> exec(std::vector<std::string> argv);
  absl::StatusOr<uint32_t> exec_detached(std::vector<std::string> argv);
  // The same at a terminal, as a person comes in: what the shell said to the lines that were typed.
  absl::StatusOr<ProgramResult> type(std::vector<std::string> shell, std::string_view lines);

  absl::Status pause();  // by runc: on v1 by its freezer, of which v2 does not know

  absl::Status remove();  // what the destructor does, with its outcome

  const std::string& id() const { return options_.id; }
  std::string cgroup() const;         // from the cgroup v2 root
  std::string cgroup_folder() const;  // on this machine
  uint32_t init_pid() const { return init_pid_; }
  std::string rootfs() const { return folder_ + "/rootfs"; }
  // Where the machine finds what the container wrote at `path`.
  std::string written(std::string_view path) const;
  std::vector<uint32_t> pids() const;

 private:
  Container(Sandbox& sandbox, ContainerOptions options);

  absl::Status write_bundle() const;
  absl::Status runc_create();
  absl::Status bring_loopback_up() const;
  absl::StatusOr<int> await(uint32_t job, std::string_view what);
  std::vector<std::string> runc(std::vector<std::string> arguments) const;
  std::string complaint_of_runc() const;

  Sandbox& sandbox_;
  ContainerOptions options_;
  std::string folder_;
  uint32_t init_pid_ = 0;
  uint32_t last_job_ = 0;
  Fd orders_;
  std::unique_ptr<LineReader> answers_;
  std::map<std::pair<uint32_t, std::string>, int> received_;
};

}  // namespace picket::test
