#include "agent/event/record_builder.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace picket {
namespace {

std::optional<int64_t> parse_number(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return static_cast<int64_t>(negative ? 0 - value : value);
}

std::optional<IpAddress> parse_address(std::string_view text) {
  const std::string terminated(text);
  IpAddress address{.v6 = text.find(':') != text.npos};
  if (inet_pton(address.v6 ? AF_INET6 : AF_INET, terminated.c_str(), address.bytes.data()) != 1)
    return std::nullopt;
  return address;
}

std::optional<FieldValue> parse_value(FieldType type, std::string_view text) {
  switch (type) {
    case FieldType::boolean:
      if (text == "true") return true;
      if (text == "false") return false;
      return std::nullopt;
    case FieldType::number:
      if (const auto number = parse_number(text)) return *number;
      return std::nullopt;
    case FieldType::ip:
      if (const auto address = parse_address(text)) return *address;
      return std::nullopt;
    case FieldType::text:
    case FieldType::list:
      return text;
  }
  return std::nullopt;
}

// The integer that stands for `value` in the record, if the field can hold it.
std::optional<uint64_t> integer_of(const FieldLayout& layout, const FieldValue& value) {
  if (const auto* truth = std::get_if<bool>(&value)) {
    if (layout.encoding == Encoding::truth) return *truth;
    return std::nullopt;
  }
  if (const auto* word = std::get_if<std::string_view>(&value);
      word && layout.encoding == Encoding::word) {
    for (const Word& row : layout.words) {
      if (row.word == *word) return row.value;
    }
    return std::nullopt;
  }
  const auto* number = std::get_if<int64_t>(&value);
  if (number == nullptr || layout.encoding == Encoding::truth) return std::nullopt;
  const uint64_t max = layout.width == 8 ? UINT64_MAX : (uint64_t{1} << (layout.width * 8)) - 1;
  if (layout.encoding == Encoding::id && *number == -1) return max;
  const auto bits = static_cast<uint64_t>(*number);
  if (bits > max || (layout.limit != 0 && bits >= layout.limit)) return std::nullopt;
  const bool named =
      std::ranges::any_of(layout.words, [&](const Word& row) { return row.value == bits; });
  if (layout.closed && !named) return std::nullopt;
  return bits;
}

std::string expectation(const FieldRow& row) {
  if (row.layout.encoding != Encoding::word) {
    return fmt::format("a {} of at most {} bytes", to_string(row.type), row.layout.width);
  }
  std::string words;
  for (const Word& word : row.layout.words)
    words += fmt::format("{}{}", words.empty() ? "" : ", ", word.word);
  return fmt::format("one of {}", words);
}

}  // namespace

RecordBuilder::RecordBuilder(pk_type type) : type_(type) {
  const EventRow* row = event_row(type);
  fixed_.resize(row == nullptr ? sizeof(pk_header) : row->fixed_size);
  if (type == PK_EXEC || type == PK_FOUND) {
    auto& exec = *reinterpret_cast<pk_exec*>(fixed_.data());
    exec.loginuid = UINT32_MAX;
    exec.exe_nlink = 1;
  }
  if (type == PK_CONNECT) reinterpret_cast<pk_connect*>(fixed_.data())->source = PK_CONNECT_CGROUP;
}

pk_header& RecordBuilder::header() { return *reinterpret_cast<pk_header*>(fixed_.data()); }

absl::Status RecordBuilder::wrong(std::string_view field, std::string_view expected) const {
  const EventRow* row = event_row(type_);
  return absl::InvalidArgumentError(
      fmt::format("event {}, field {}: expected {}", row ? row->name : "unknown", field, expected));
}

absl::Status RecordBuilder::set(std::string_view field, const FieldValue& value) {
  const EventRow* event = event_row(type_);
  const FieldRow* row = event ? field_row(*event, field) : nullptr;
  if (row == nullptr) return wrong(field, "a field of this event");
  return store(*row, value);
}

absl::Status RecordBuilder::set_text(std::string_view field, std::string_view value) {
  const EventRow* event = event_row(type_);
  const FieldRow* row = event ? field_row(*event, field) : nullptr;
  if (row == nullptr) return wrong(field, "a field of this event");
  if (row->type == FieldType::list) {
    std::vector<std::string> items;
    for (size_t start = value.find_first_not_of(' '); start != value.npos;) {
      const size_t end = std::min(value.find(' ', start), value.size());
      items.emplace_back(value.substr(start, end - start));
      start = value.find_first_not_of(' ', end);
    }
    return set_list(field, items);
  }
  if (row->layout.encoding == Encoding::word) {  // a value without a word is given as its number
    if (const auto number = parse_number(value)) return store(*row, *number);
  }
  const auto parsed = parse_value(row->type, value);
  if (!parsed) return wrong(field, fmt::format("{}, got \"{}\"", expectation(*row), value));
  return store(*row, *parsed);
}

absl::Status RecordBuilder::set_list(std::string_view field,
                                     const std::vector<std::string>& values) {
  std::string joined;
  for (const std::string& value : values) {
    if (value.find('\0') != value.npos) return wrong(field, "elements without NUL");
    joined.append(value).push_back('\0');
  }
  return set(field, NulList{joined});
}

absl::Status RecordBuilder::store(const FieldRow& row, const FieldValue& value) {
  const FieldLayout& layout = row.layout;
  auto* at = const_cast<std::byte*>(layout.at(fixed_.data()));
  switch (layout.encoding) {
    case Encoding::flag: {
      const auto* on = std::get_if<bool>(&value);
      if (on == nullptr) return wrong(row.name, "a boolean");
      header().flags = *on ? header().flags | layout.mask : header().flags & ~layout.mask;
      return absl::OkStatus();
    }
    case Encoding::name: {
      const auto* name = std::get_if<std::string_view>(&value);
      if (name == nullptr || name->size() >= layout.width) {
        return wrong(row.name, fmt::format("text of at most {} bytes", layout.width - 1));
      }
      std::memset(at, 0, layout.width);
      std::memcpy(at, name->data(), name->size());
      return absl::OkStatus();
    }
    case Encoding::text:
      if (const auto* text = std::get_if<std::string_view>(&value))
        return store_tail(row, std::string(*text));
      return wrong(row.name, "text");
    case Encoding::list: {
      const auto* items = std::get_if<NulList>(&value);
      if (items == nullptr) return wrong(row.name, "a list");
      const auto count = static_cast<uint16_t>(std::ranges::count(items->bytes, '\0'));
      if (layout.companion) {
        std::memcpy(const_cast<std::byte*>(layout.companion(fixed_.data())), &count, sizeof count);
      }
      return store_tail(row, std::string(items->bytes));
    }
    case Encoding::address: {
      std::optional<IpAddress> address;
      if (const auto* given = std::get_if<IpAddress>(&value)) address = *given;
      if (const auto* text = std::get_if<std::string_view>(&value)) address = parse_address(*text);
      if (!address) return wrong(row.name, "an IPv4 or IPv6 address");
      std::memcpy(at, address->bytes.data(), address->bytes.size());
      const auto family = static_cast<uint8_t>(address->v6 ? AF_INET6 : AF_INET);
      std::memcpy(const_cast<std::byte*>(layout.companion(fixed_.data())), &family, sizeof family);
      return absl::OkStatus();
    }
    default: {
      const auto integer = integer_of(layout, value);
      if (!integer) return wrong(row.name, expectation(row));
      std::memcpy(at, &*integer, layout.width);
      return absl::OkStatus();
    }
  }
}

absl::Status RecordBuilder::store_tail(const FieldRow& row, std::string value) {
  const auto offset = static_cast<size_t>(row.layout.at(fixed_.data()) - fixed_.data());
  std::erase_if(tail_, [&](const auto& entry) { return entry.first == offset; });
  size_t size = fixed_.size() + value.size();
  for (const auto& entry : tail_) size += entry.second.size();
  if (size > PK_RECORD_MAX) {
    return wrong(row.name,
                 fmt::format("strings that fit into a record of {} bytes", PK_RECORD_MAX));
  }
  tail_.emplace_back(offset, std::move(value));
  return absl::OkStatus();
}

std::vector<std::byte> RecordBuilder::bytes() const {
  std::vector<std::byte> record = fixed_;
  for (const auto& [at, value] : tail_) {
    const pk_str string{static_cast<uint16_t>(record.size()), static_cast<uint16_t>(value.size())};
    std::memcpy(record.data() + at, &string, sizeof string);
    const auto bytes = std::as_bytes(std::span(value));
    record.insert(record.end(), bytes.begin(), bytes.end());
  }
  auto& header = *reinterpret_cast<pk_header*>(record.data());
  header.size = static_cast<uint32_t>(record.size());
  header.abi = PK_ABI;
  header.type = static_cast<uint16_t>(type_);
  return record;
}

}  // namespace picket
