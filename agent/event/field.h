// The vocabulary of agent/event/schemas.h: each function makes one FieldRow from a member of a
// record struct. Compile-time only; the rows it makes are immutable and free of state. Nothing
// fails at run time: a member of the wrong type does not compile.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "agent/event/schema.h"

namespace picket::schema {

template <class T>
struct MemberOf;
template <class R, class V>
struct MemberOf<V R::*> {
  using Record = R;
  using Value = V;
};

// A place in a record, as a type: a member, or a member of one descriptor in an array of them.
template <auto Member>
struct At {
  using Record = typename MemberOf<decltype(Member)>::Record;
  using Value = typename MemberOf<decltype(Member)>::Value;
  static const Value& of(const std::byte* record) {
    return reinterpret_cast<const Record*>(record)->*Member;
  }
};
template <auto Array, size_t Index, auto Member>
struct InFd {
  using Value = typename MemberOf<decltype(Member)>::Value;
  static const Value& of(const std::byte* record) { return At<Array>::of(record)[Index].*Member; }
};

template <auto Object, auto Member>
struct InObject {
  using Value = typename MemberOf<decltype(Member)>::Value;
  static const Value& of(const std::byte* record) { return At<Object>::of(record).*Member; }
};

template <class Place>
const std::byte* locate(const std::byte* record) {
  return reinterpret_cast<const std::byte*>(&Place::of(record));
}

// When a record has the value at all.
struct Always {
  static bool holds(const std::byte*) { return true; }
};
template <class Place>
struct NotZero {
  static bool holds(const std::byte* record) { return Place::of(record) != 0; }
};
template <class Kind, uint8_t... Kinds>
struct KindIs {
  static bool holds(const std::byte* record) { return ((Kind::of(record) == Kinds) || ...); }
};

template <class Place, class Present>
FieldValue read_number(const Event& event) {
  const std::byte* record = event.bytes().data();
  if (!Present::holds(record)) return {};
  return static_cast<int64_t>(Place::of(record));
}

template <class Place>
FieldValue read_id(const Event& event) {
  const auto value = Place::of(event.bytes().data());
  if (value == static_cast<decltype(value)>(-1)) return int64_t{-1};
  return static_cast<int64_t>(value);
}

template <class Place>
FieldValue read_truth(const Event& event) {
  return Place::of(event.bytes().data()) != 0;
}

template <uint32_t Mask>
FieldValue read_flag(const Event& event) {
  return (event.header().flags & Mask) != 0;
}

template <class Place>
FieldValue read_name(const Event& event) {
  const auto& name = Place::of(event.bytes().data());
  return std::string_view(name, strnlen(name, sizeof name));
}

template <class Place>
FieldValue read_text(const Event& event) {
  return event.text(Place::of(event.bytes().data()));
}

template <class Place>
FieldValue read_list(const Event& event) {
  return NulList{event.text(Place::of(event.bytes().data()))};
}

inline std::string_view word_of(std::span<const Word> words, uint32_t value,
                                std::string_view other) {
  for (const Word& row : words) {
    if (row.value == value) return row.word;
  }
  return other;
}

template <class Place, const auto& Words, class Present>
FieldValue read_word(const Event& event) {
  const std::byte* record = event.bytes().data();
  if (!Present::holds(record)) return {};
  return word_of(Words, Place::of(record), "other");
}

template <class Place, class Family, class Present>
FieldValue read_address(const Event& event) {
  const std::byte* record = event.bytes().data();
  const auto family = Family::of(record);
  if (!Present::holds(record) || (family != AF_INET && family != AF_INET6)) return {};
  IpAddress address{.v6 = family == AF_INET6};
  std::memcpy(address.bytes.data(), &Place::of(record), address.v6 ? 16 : 4);
  return address;
}

template <class Place>
constexpr uint8_t kWidth = sizeof(typename Place::Value);

template <class Place, class Present = Always>
constexpr FieldRow number_at(std::string_view name, std::string_view doc) {
  static_assert(std::is_integral_v<typename Place::Value>);
  return {name,
          FieldType::number,
          doc,
          &read_number<Place, Present>,
          {.encoding = Encoding::number, .width = kWidth<Place>, .at = &locate<Place>}};
}

// The plain case: the member's type says how it is read.
template <auto Member, class Present = Always>
constexpr FieldRow field(std::string_view name, std::string_view doc) {
  using Place = At<Member>;
  using Value = typename Place::Value;
  if constexpr (std::is_same_v<Value, pk_str>) {
    return {name,
            FieldType::text,
            doc,
            &read_text<Place>,
            {.encoding = Encoding::text, .width = kWidth<Place>, .at = &locate<Place>}};
  } else if constexpr (std::is_array_v<Value>) {
    static_assert(std::is_same_v<std::remove_extent_t<Value>, char>);
    return {name,
            FieldType::text,
            doc,
            &read_name<Place>,
            {.encoding = Encoding::name, .width = kWidth<Place>, .at = &locate<Place>}};
  } else {
    return number_at<Place, Present>(name, doc);
  }
}

template <auto Array, size_t Index>
struct Element {
  using Value = std::remove_extent_t<typename MemberOf<decltype(Array)>::Value>;
  static const Value& of(const std::byte* record) { return At<Array>::of(record)[Index]; }
};
template <auto Array, size_t Index>
constexpr FieldRow element(std::string_view name, std::string_view doc) {
  return number_at<Element<Array, Index>>(name, doc);
}

template <auto Array, size_t Index>
constexpr FieldRow element_text(std::string_view name, std::string_view doc) {
  using Place = Element<Array, Index>;
  return {name,
          FieldType::text,
          doc,
          &read_text<Place>,
          {.encoding = Encoding::text, .width = kWidth<Place>, .at = &locate<Place>}};
}

// A number that indexes something: from `Limit` on it is not valid.
template <auto Member, uint32_t Limit>
constexpr FieldRow below(std::string_view name, std::string_view doc) {
  FieldRow row = number_at<At<Member>>(name, doc);
  row.layout.limit = Limit;
  return row;
}

template <auto Member>
constexpr FieldRow id(std::string_view name, std::string_view doc) {
  using Place = At<Member>;
  return {name,
          FieldType::number,
          doc,
          &read_id<Place>,
          {.encoding = Encoding::id, .width = kWidth<Place>, .at = &locate<Place>}};
}

template <class Place>
constexpr FieldRow truth_at(std::string_view name, std::string_view doc) {
  return {name,
          FieldType::boolean,
          doc,
          &read_truth<Place>,
          {.encoding = Encoding::truth, .width = kWidth<Place>, .at = &locate<Place>}};
}

template <auto Member>
constexpr FieldRow truth(std::string_view name, std::string_view doc) {
  return truth_at<At<Member>>(name, doc);
}

template <uint32_t Mask>
constexpr FieldRow flag(std::string_view name, std::string_view doc) {
  using Place = At<&pk_header::flags>;
  return {name,
          FieldType::boolean,
          doc,
          &read_flag<Mask>,
          {.encoding = Encoding::flag, .width = kWidth<Place>, .mask = Mask, .at = &locate<Place>}};
}

enum class Values { open, closed };  // open: values without a word are valid and read as "other"

template <class Place, const auto& Words, Values Allowed, class Present = Always>
constexpr FieldRow word_at(std::string_view name, std::string_view doc) {
  return {name,
          FieldType::text,
          doc,
          &read_word<Place, Words, Present>,
          {.encoding = Encoding::word,
           .width = kWidth<Place>,
           .closed = Allowed == Values::closed,
           .words = Words,
           .at = &locate<Place>}};
}
template <auto Member, const auto& Words, Values Allowed, class Present = Always>
constexpr FieldRow word(std::string_view name, std::string_view doc) {
  return word_at<At<Member>, Words, Allowed, Present>(name, doc);
}

template <auto Member, auto Count>
constexpr FieldRow list(std::string_view name, std::string_view doc) {
  using Place = At<Member>;
  static_assert(std::is_same_v<typename Place::Value, pk_str>);
  static_assert(sizeof(typename At<Count>::Value) == 2);
  return {name,
          FieldType::list,
          doc,
          &read_list<Place>,
          {.encoding = Encoding::list,
           .width = kWidth<Place>,
           .at = &locate<Place>,
           .companion = &locate<At<Count>>}};
}

template <class Place, class Family, class Present>
constexpr FieldRow address_at(std::string_view name, std::string_view doc) {
  static_assert(kWidth<Place> == 16 && kWidth<Family> == 1);
  return {name,
          FieldType::ip,
          doc,
          &read_address<Place, Family, Present>,
          {.encoding = Encoding::address,
           .width = 16,
           .at = &locate<Place>,
           .companion = &locate<Family>}};
}
template <auto Member, auto Family, class Present = Always>
constexpr FieldRow address(std::string_view name, std::string_view doc) {
  return address_at<At<Member>, At<Family>, Present>(name, doc);
}

template <size_t... Sizes>
constexpr auto concat(const std::array<FieldRow, Sizes>&... parts) {
  std::array<FieldRow, (Sizes + ...)> all{};
  size_t next = 0;
  ((std::copy(parts.begin(), parts.end(), all.begin() + next), next += Sizes), ...);
  return all;
}

constexpr bool needs_check(const FieldLayout& layout) {
  return layout.encoding == Encoding::text || layout.encoding == Encoding::list ||
         layout.encoding == Encoding::name || layout.limit != 0 ||
         layout.encoding == Encoding::truth || (layout.encoding == Encoding::word && layout.closed);
}

template <const auto& Fields>
constexpr auto checks_of() {
  constexpr size_t count = std::count_if(
      Fields.begin(), Fields.end(), [](const FieldRow& row) { return needs_check(row.layout); });
  std::array<FieldLayout, count> checks{};
  size_t next = 0;
  for (const FieldRow& row : Fields) {
    if (needs_check(row.layout)) checks[next++] = row.layout;
  }
  return checks;
}

template <const auto& Fields>
inline constexpr auto kChecks = checks_of<Fields>();

template <class Record, const auto& Fields>
constexpr EventRow event(pk_type type, std::string_view name, std::string_view doc) {
  return {type, name, doc, Fields, kChecks<Fields>, sizeof(Record)};
}

}  // namespace picket::schema
