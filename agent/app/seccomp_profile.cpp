#include "agent/app/seccomp_profile.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "agent/app/seccomp_text.h"
#include "agent/app/version.h"

namespace picket {

absl::StatusOr<std::filesystem::path> write_seccomp_profile(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / fmt::format("picketd-{}.json", kVersion);
  const std::filesystem::path fresh = file.string() + ".new";
  errno = 0;
  std::ofstream out(fresh, std::ios::trunc);
  out << kSeccompProfile;
  out.close();
  if (!out)
    return absl::InternalError(
        fmt::format("write {}: {}", fresh.string(), std::strerror(errno != 0 ? errno : EIO)));
  std::error_code error;
  std::filesystem::rename(fresh, file, error);
  if (error) return absl::InternalError(fmt::format("make {}: {}", file.string(), error.message()));
  return file;
}

}  // namespace picket
