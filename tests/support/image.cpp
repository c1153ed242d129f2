#include "tests/support/image.h"

#include <fmt/format.h>

#include "tests/support/subprocess.h"

namespace picket::test {
namespace {

// Fetching and unpacking the packages of an image takes minutes on a slow line.
constexpr std::chrono::minutes kImageDeadline{20};

}  // namespace

absl::StatusOr<std::string> image_layers(const std::string& image) {
  auto made =
      run_program({.argv = {PICKET_SOURCE_DIR "/packaging/dev/image", image}}, kImageDeadline);
  if (!made.ok()) return made.status();
  if (made->exit_code != 0)
    return absl::InternalError(fmt::format("make the image {}: {}", image, made->err));
  std::string folder = made->out.substr(0, made->out.find('\n'));
  return fmt::format("{}:{}", PICKET_TEST_PROGRAMS, folder);
}

}  // namespace picket::test
