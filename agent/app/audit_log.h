// Reads a Kubernetes audit log as it grows: JSON lines, from the end of the file on; a log that is
// rotated is read on in the new file. Own thread. Errors: start() tells what cannot be watched; a
// line that is no audit event, or too long, is counted and left out, the first one is logged.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "agent/app/audit_event.h"

namespace picket {

class AuditLog {
 public:
  using OnAccess = std::function<void(ApiAccess)>;  // of the log's thread

  AuditLog(std::filesystem::path file, OnAccess on_access);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  absl::Status start();
  void stop();

 private:
  void run();
  bool open_file();  // false: it is not there
  void read_on();
  void take_lines();
  void take(std::string_view line);

  const std::filesystem::path file_;
  const OnAccess on_access_;
  const int changes_, wake_;  // inotify; an eventfd
  int log_ = -1;
  uint64_t inode_ = 0, position_ = 0;
  std::string rest_;       // of a line that has no end yet
  bool skipping_ = false;  // the line is too long
  uint64_t bad_ = 0;
  std::thread thread_;
};

}  // namespace picket
