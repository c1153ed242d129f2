// A checked view of one kernel record. It never owns and never copies: the bytes (ring, recording,
// test) must outlive it. Owner: whoever holds the bytes; in the agent the pipeline thread. Errors:
// parse() refuses a bad record with a reason that the caller counts; no accessor can read outside
// the record.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "bpf/picket/events.h"

namespace picket {

enum class RecordError {
  none,
  too_short,
  size_mismatch,
  foreign_abi,
  unknown_type,
  bad_string,
  bad_value,
  misaligned,
  kEnd
};
std::string_view to_string(RecordError error);  // a word for metrics and messages: "bad_string"

class Event {
 public:
  // The record must be exactly `bytes` long and aligned to 8. Every string is bounds-checked and
  // every enum value range-checked here, once, by the record's schema.
  static std::optional<Event> parse(std::span<const std::byte> bytes, RecordError* why = nullptr);

  const pk_header& header() const { return *header_; }
  pk_type type() const { return static_cast<pk_type>(header_->type); }

  // nullptr when the record is of another type. pk_exec serves PK_EXEC and PK_FOUND, pk_cgroup the
  // three cgroup types.
  template <class Record>
  const Record* as() const;

  std::string_view text(pk_str string) const;
  std::span<const std::byte> bytes() const;

 private:
  explicit Event(const pk_header* header) : header_(header) {}
  const pk_header* header_;
};

template <>
const pk_fork* Event::as<pk_fork>() const;
template <>
const pk_exec* Event::as<pk_exec>() const;
template <>
const pk_exit* Event::as<pk_exit>() const;
template <>
const pk_connect* Event::as<pk_connect>() const;
template <>
const pk_stdio* Event::as<pk_stdio>() const;
template <>
const pk_cgroup* Event::as<pk_cgroup>() const;
template <>
const pk_system* Event::as<pk_system>() const;
template <>
const pk_open* Event::as<pk_open>() const;
template <>
const pk_file* Event::as<pk_file>() const;
template <>
const pk_socket* Event::as<pk_socket>() const;
template <>
const pk_flow* Event::as<pk_flow>() const;
template <>
const pk_dns* Event::as<pk_dns>() const;
template <>
const pk_payload* Event::as<pk_payload>() const;
template <>
const pk_oom* Event::as<pk_oom>() const;
template <>
const pk_cpu* Event::as<pk_cpu>() const;
template <>
const pk_holds* Event::as<pk_holds>() const;
template <>
const pk_relayed* Event::as<pk_relayed>() const;
template <>
const pk_started* Event::as<pk_started>() const;

}  // namespace picket
