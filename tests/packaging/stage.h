// What `cmake --install` makes of this build, in a temporary folder as the root of a system. For
// tests, one thread. Errors: abort, because no test can go on.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/subprocess.h"

namespace picket::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-pack-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The units and documents of one component ("agent"); programs too.
inline void install(const std::string& component, const std::filesystem::path& root) {
  auto done = output_of({"env", "DESTDIR=" + root.string(), "cmake", "--install", PICKET_BINARY_DIR,
                         "--prefix", "/", "--component", component});
  if (!done.ok()) {
    ADD_FAILURE() << done.status();
    std::abort();
  }
}

// Whether a program that a test needs is there; in CI it must be.
inline bool must_have(const std::string& program) {
  auto found = run_program({.argv = {"sh", "-c", "command -v " + program}});
  if (found.ok() && found->exit_code == 0) return true;
  const char* ci = std::getenv("CI");
  if (ci != nullptr && std::string_view(ci) == "true")
    ADD_FAILURE() << "must run here: " << program << " is not installed";
  return false;
}

}  // namespace picket::test
