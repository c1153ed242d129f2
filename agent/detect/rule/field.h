// What a rule can ask: one table of fields over an observation, with type, meaning and reader. The
// fields of the event schema are reached as event.NAME. Immutable after static initialisation;
// every thread may read. Errors: resolve_field() answers with a sentence for the rule's author; a
// reader that has no value adds none, and a comparison without a value is false.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/detect/rule/ast.h"
#include "agent/detect/rule/file_classes.h"
#include "agent/enrich/observation.h"
#include "agent/event/schema.h"

namespace picket::rule {

// How many values a field can have, and what that means for a comparison.
enum class Values {
  one,
  any,   // true when one of them is as asked (proc.aname without index)
  ends,  // "=" asks for one of them, "!=" for all (fd.ip: either end of the connection)
  list,  // like ends, but "in" asks for all (arguments)
};

// What alone decides a field's value, of the things that the kernel looks at before it tells an
// event or wakes the agent (policy.h). Of an exec: layer, exec_in, and `inet`: without an IP socket
// among descriptors 0 to 2 the value follows from the descriptor's kind. `call`: which event it is.
// Of an open: `open_mode`, `failed`, `file_name`, whose last component the kernel looks up, and
// `of_interest`: the field has a value only for what the kernel itself finds worth telling
// (PK_OF_*).
enum class Trait : uint8_t {
  none,
  layer,
  exec_in,
  inet,
  call,
  open_mode,
  failed,
  file_name,
  of_interest,
};

enum class Argument { none, index, index_or_none, key, key_or_none, anything };

struct FieldRequest;

// Filled by a reader; reused from event to event, so that reading allocates nothing once it has
// grown.
struct FieldResult {
  std::vector<FieldValue> values;
  std::string text;  // where a reader builds a text that exists nowhere else; at most one a field
  std::string transformed;  // what transformers made of the values

  void clear() {
    values.clear();
    text.clear();
  }
  void add(const FieldValue& value) { values.push_back(value); }
  void add_present(std::string_view value) {  // an empty text of a process was never told: missing
    if (!value.empty()) values.push_back(value);
  }
};

using EventMask = uint64_t;  // bit of a pk_type
constexpr EventMask mask_of(pk_type type) { return EventMask{1} << type; }
constexpr EventMask kAllEvents = (EventMask{1} << PK_TYPE_END) - 2;

struct Field {
  std::string_view name;
  FieldType type;
  std::string_view doc;
  void (*read)(const FieldRequest&, FieldResult&);
  Values values = Values::one;
  Argument argument = Argument::none;
  EventMask events = kAllEvents;  // of the others it never has a value
  // A text that is one of a few words: the i-th, or empty behind the last.
  std::string_view (*word)(size_t i) = nullptr;
  bool subnet = false;                // compared with networks: 10.0.0.0/8
  std::string_view constant = {};     // of a text: what it always is
  std::optional<int64_t> least = {};  // of a number: it is never smaller
  Trait trait = Trait::none;
  std::string_view gap = {};  // why no event fills it: it never has a value
};

constexpr Field decided_by(Trait trait, Field field) {
  field.trait = trait;
  return field;
}

std::span<const Field> process_fields();
std::span<const Field> session_fields();  // of the process too: its session, group and age
std::span<const Field> source_fields();   // where what it runs comes from
std::span<const Field> package_fields();  // for which package it runs
std::span<const Field> descriptor_fields();
std::span<const Field> network_fields();
std::span<const Field> file_fields();
std::span<const Field> file_class_fields();
std::span<const Field> call_fields();
std::span<const Field> message_fields();
std::span<const Field> system_fields();
std::span<const Field> target_fields();  // whom a call or a signal is about
std::span<const Field> owner_fields();   // names of users, what the container is allowed
std::span<const Field> resource_fields();
std::span<const Field> sequence_fields();
std::span<const Field> place_fields();   // container, workspace, user, event
std::span<const Field> absent_fields();  // of Falco, without a source here: they have a gap

// Of a sequence's output only: how far its last counting step came.
inline constexpr std::string_view kSequenceCount = "sequence.count";

// What of an event is not in its record.
struct Moment {
  uint64_t number = 0;  // how many events were evaluated, this one included
  std::optional<uint64_t> wall_minus_boot_ns = {};  // nullopt: nobody knows the time of day
};

// A field as a rule names it.
struct FieldReference {
  std::string text;  // "proc.aname[2]"
  const Field* field = nullptr;
  FieldType type = FieldType::text;
  Values values = Values::one;
  EventMask events = kAllEvents;
  bool has_argument = false;
  size_t index = 0;
  std::string key;
  std::array<const FieldRow*, PK_TYPE_END> rows{};  // event.NAME
  std::vector<Transform> transforms;                // the innermost first
  bool counts = false;                              // len() of a list
  std::shared_ptr<const FileClasses> file_classes;  // of the program that it belongs to

  std::string_view gap() const { return field != nullptr ? field->gap : std::string_view(); }

  void read(const Observation& observation, const Moment& moment, FieldResult& result) const;

 private:
  void read_row(const Event& event, FieldResult& result) const;
};

struct FieldRequest {
  const Observation& observation;
  const FieldReference& reference;
  const Moment& moment;
};

// A sentence when there is no such field, or its argument is wrong; `suggest`: with the name that
// was probably meant, which takes a while to find.
std::variant<FieldReference, std::string> resolve_field(std::string_view name,
                                                        const std::optional<std::string>& argument,
                                                        bool suggest = true);
std::variant<FieldReference, std::string> resolve_field(const Operand& operand,
                                                        bool suggest = true);

// Every field with its documentation, in the order of its class: `picketctl rules fields`.
struct FieldDoc {
  std::string name;  // "proc.aname[N]"
  FieldType type;
  std::string doc;
  std::vector<std::string> events;  // schema names; empty: all
  std::string gap;                  // why it never has a value; empty: it can have one
};
std::vector<FieldDoc> field_docs();

// The names under which evt.type knows an event of a type that a call caused; without call all that
// it can have.
std::span<const std::string_view> event_names(pk_type type, pk_call call = PK_CALL_NONE);
// The calls that can cause it, PK_CALL_NONE among them.
std::span<const pk_call> calls_of(pk_type type);

}  // namespace picket::rule
