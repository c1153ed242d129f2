// Makes the records of a test's events: gives every process of the case, known by a word of the
// author, a key, and fills in what a rule author would not want to write. Lives for one case, one
// thread. Errors: as Status, in the words of RecordBuilder.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "agent/detect/replay/test_messages.h"
#include "agent/event/record_builder.h"

namespace picket {

class TestRecords {
 public:
  static constexpr uint64_t kCgroup = 4242;  // of the case's workspace
  static constexpr uint64_t kFirstTimeNs = 100'000'000'000, kTimeStepNs = 10'000'000;

  // Begins an event of `process`, whose parent is `parent` (empty: a process outside of the
  // workspace).
  absl::Status begin(std::string_view event, std::string_view process, std::string_view parent);
  // Of the current event: seconds from the first one; never before the one above it.
  absl::Status set_time(std::string_view seconds);
  // By the schema's name, or that of a rule field for the same thing.
  absl::Status set(std::string_view field, std::string_view value);
  absl::Status set(std::string_view field, const std::vector<std::string>& values);
  void end();

  std::vector<std::vector<std::byte>> take() { return std::move(records_); }

 private:
  struct Key {
    uint32_t pid;
    uint64_t start_ns;
  };
  Key key_of(std::string_view process);
  absl::Status set_number(std::string_view field, uint64_t value);
  bool set_in_message(std::string_view field, const std::vector<std::string>& values);
  absl::Status set_defaults();
  absl::Status set_open_defaults();

  std::map<std::string, Key, std::less<>> keys_;
  std::vector<std::vector<std::byte>> records_;
  uint64_t last_ns_ = kFirstTimeNs;     // time of the event above
  uint64_t next_ns_ = kFirstTimeNs;     // time of the next event, unless it says its own
  std::vector<RecordBuilder> current_;  // at most one
  pk_type type_ = PK_NONE;
  std::map<std::string, std::string, std::less<>> given_;  // fields of the current event
  TestDnsMessage dns_;                                     // of the current event
  std::string message_;                                    // bytes of the message that it carries
};

}  // namespace picket
