// The dispatch probe loaded for one number of watched calls, and its ways of attaching.
// Owner: the driver's only thread. Errors: a Status that names the program; a destroyed Probe
// leaves nothing attached.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

struct bpf_link;
struct dispatch;

namespace picket::bench {

enum class Dispatch {
  none,
  raw_empty,  // an empty raw sys_enter program: the floor of every raw dispatcher
  raw_enter,  // table of calls, then interface, then scope
  raw_exit,
  raw_both,
  raw_scope_first,  // scope, then table
  calls_enter,      // one tracepoint per watched call
  calls_exit,
  calls_both,
  calls_and_compat,  // one tracepoint per call, and a raw program for 32-bit calls only
};
std::string_view to_string(Dispatch dispatch);

struct Seen {
  uint64_t native = 0, compat = 0;
};

class Probe {
 public:
  static absl::StatusOr<Probe> load(size_t watched_calls);
  Probe(Probe&&) noexcept;
  ~Probe();

  absl::Status watch(int pid) const;
  absl::Status attach(Dispatch dispatch);
  void detach();
  absl::StatusOr<Seen> seen() const;  // since load, over all CPUs

 private:
  Probe(dispatch* object, size_t watched_calls);
  struct Destroy {
    void operator()(dispatch* object) const;
  };
  absl::Status add(bpf_link* link, std::string_view what);
  absl::Status attach_calls(bool enter, bool exit);

  std::unique_ptr<dispatch, Destroy> object_;
  std::vector<bpf_link*> links_;
  size_t watched_calls_;
};

}  // namespace picket::bench
