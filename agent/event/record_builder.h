// Builds the bytes of a record as the kernel would have sent it: tests, rule tests and fuzz seeds.
// Not used on the data path. Owner: whoever builds; a value without shared state. Errors: set()
// answers with a Status that names the event, the field and what was expected.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "agent/event/schema.h"

namespace picket {

class RecordBuilder {
 public:
  // A record that parses: empty strings, closed descriptors, a connect seen by the cgroup hook,
  // loginuid never set.
  explicit RecordBuilder(pk_type type);

  pk_header& header();

  // By schema name; enum fields (fd0.kind, layer, direction) take their word, addresses an
  // IpAddress or their text form (which also sets the address family), lists a vector joined by NUL
  // through set_list().
  absl::Status set(std::string_view field, const FieldValue& value);
  // Parsed by the field's type: "true", "4444", "0x1f", "10.0.0.1"; a list is split at blanks.
  absl::Status set_text(std::string_view field, std::string_view value);
  absl::Status set_list(std::string_view field, const std::vector<std::string>& values);

  std::vector<std::byte> bytes() const;  // header.size, abi and type are filled in

 private:
  absl::Status store(const FieldRow& row, const FieldValue& value);
  absl::Status store_tail(const FieldRow& row, std::string value);
  absl::Status wrong(std::string_view field, std::string_view expected) const;

  std::vector<std::byte> fixed_;
  std::vector<std::pair<size_t, std::string>> tail_;  // offset of the pk_str in fixed_, its bytes
  pk_type type_;
};

}  // namespace picket
