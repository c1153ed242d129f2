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
  // What picket-pki would not make: a client's certificate with these names, as openssl writes them
  // in subjectAltName.
  void issue_with_names(const std::string& name, const std::string& alternative_names) const {
    const std::string base = (folder_ / name).string(), ca = (folder_ / "ca").string();
    shell("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + name +
          " -keyout " + base + ".key -out " + base + ".csr 2>/dev/null && printf '%s\\n' " +
          "'extendedKeyUsage = clientAuth' 'subjectAltName = " + alternative_names + "' >" + base +
          ".ext && openssl x509 -req -in " + base + ".csr -CA " + ca + ".crt -CAkey " + ca +
          ".key -days 1 -extfile " + base + ".ext -out " + base + ".crt 2>/dev/null");
  }
  TlsFiles files(const std::string& name) const {
    return {folder_ / "ca.crt", folder_ / (name + ".crt"), folder_ / (name + ".key")};
  }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  static void run(const std::string& arguments) {
    shell(PICKET_SOURCE_DIR "/packaging/pki/picket-pki " + arguments);
  }
  static void shell(const std::string& command) {
    if (std::system(command.c_str()) != 0) std::abort();
  }
  std::filesystem::path folder_;
};

}  // namespace picket
