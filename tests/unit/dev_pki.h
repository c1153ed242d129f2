// A certificate authority in a temporary folder, made by packaging/pki/picket-pki. For tests, one
// thread. Errors: abort, because no test can go on.
#pragma once

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/tls_files.h"

namespace picket {

class DevPki {
 public:
  DevPki() {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-pki-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    folder_ = pattern;
    run("init " + folder_.string());
  }
  DevPki(const DevPki&) = delete;
  DevPki& operator=(const DevPki&) = delete;
  ~DevPki() { std::filesystem::remove_all(folder_); }

  // `who` as picket-pki takes it: "node n1", "operator admin alice --days -1".
  void issue(const std::string& who) const { run("issue " + folder_.string() + " " + who); }
  TlsFiles files(const std::string& name) const {
    return {folder_ / "ca.crt", folder_ / (name + ".crt"), folder_ / (name + ".key")};
  }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  static void run(const std::string& arguments) {
    const std::string command = PICKET_SOURCE_DIR "/packaging/pki/picket-pki " + arguments;
    if (std::system(command.c_str()) != 0) std::abort();
  }
  std::filesystem::path folder_;
};

}  // namespace picket
