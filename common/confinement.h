// The filter of system calls that a daemon puts on itself once it has started, from a seccomp
// profile in the form that container runtimes read: one list for its container and for itself. Any
// thread. Errors: InvalidArgument with what is wrong in the profile; what the kernel refused.
#pragma once

#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace picket {

struct ReleaseFilter {
  void operator()(void* filter) const;
};
using SeccompFilter = std::unique_ptr<void, ReleaseFilter>;  // of libseccomp

// Entries with "until": "started", of which a runtime takes no notice, are calls that a program
// makes until it has started and never again.
enum class Stage { starting, started };

// A call that nobody knows is an error: it is a slip of the pen.
absl::StatusOr<SeccompFilter> compile_profile(std::string_view profile, Stage stage);

// Leaves every thread of this process and all that they start the profile's calls of a program that
// has started; any other gives what the profile says, and nothing takes that back.
absl::Status confine(std::string_view profile);

}  // namespace picket
