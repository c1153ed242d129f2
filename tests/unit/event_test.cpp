#include "agent/event/event.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <set>

#include "agent/event/json.h"
#include "agent/event/record_builder.h"
#include "agent/event/schema.h"

namespace picket {
namespace {

using ::testing::HasSubstr;

RecordBuilder exec_builder() {
  RecordBuilder builder(PK_EXEC);
  builder.header().pid = 42;
  builder.header().start_ns = 7;
  EXPECT_TRUE(builder.set_text("comm", "bash").ok());
  EXPECT_TRUE(builder.set_text("exe", "/bin/bash").ok());
  EXPECT_TRUE(builder.set_list("argv", {"bash", "-c", "echo hi", ""}).ok());
  EXPECT_TRUE(builder.set_text("fd0.kind", "inet").ok());
  EXPECT_TRUE(builder.set_text("fd0.direction", "outbound").ok());
  EXPECT_TRUE(builder.set_text("fd0.remote_addr", "10.1.2.3").ok());
  EXPECT_TRUE(builder.set_text("fd0.remote_port", "4444").ok());
  EXPECT_TRUE(builder.set_text("fd0.proto", "tcp").ok());
  return builder;
}

FieldValue read(const Event& event, std::string_view name) {
  const FieldRow* row = field_row(*event_row(event.type()), name);
  EXPECT_NE(row, nullptr) << name;
  return row->read(event);
}

RecordError parse_error(std::vector<std::byte> bytes) {
  RecordError why = RecordError::none;
  const bool parsed = Event::parse(bytes, &why).has_value();
  EXPECT_EQ(parsed, why == RecordError::none);
  return why;
}

TEST(Schema, EveryTypeHasItsRowAndUniqueFieldNames) {
  std::set<std::string_view> events;
  for (const EventRow& row : event_rows()) {
    EXPECT_TRUE(events.insert(row.name).second) << row.name;
    EXPECT_EQ(event_row(row.type), &row);
    EXPECT_EQ(event_row(row.name), &row);
    std::set<std::string_view> fields;
    for (const FieldRow& field : row.fields) {
      EXPECT_TRUE(fields.insert(field.name).second) << row.name << "." << field.name;
      EXPECT_FALSE(field.doc.empty());
    }
  }
  EXPECT_EQ(events.size(), PK_TYPE_END - 1u);
  EXPECT_EQ(event_row(PK_NONE), nullptr);
  EXPECT_EQ(event_row(PK_TYPE_END), nullptr);
  EXPECT_EQ(event_row("none"), nullptr);
}

TEST(Schema, EveryEmptyRecordParsesAndReadsEveryField) {
  for (const EventRow& row : event_rows()) {
    const auto bytes = RecordBuilder(row.type).bytes();
    const auto event = Event::parse(bytes);
    ASSERT_TRUE(event) << row.name;
    for (const FieldRow& field : row.fields) {
      const FieldValue value = field.read(*event);
      if (std::holds_alternative<std::monostate>(value)) continue;
      const bool typed =
          (field.type == FieldType::boolean && std::holds_alternative<bool>(value)) ||
          (field.type == FieldType::number && std::holds_alternative<int64_t>(value)) ||
          (field.type == FieldType::text && std::holds_alternative<std::string_view>(value)) ||
          (field.type == FieldType::list && std::holds_alternative<NulList>(value)) ||
          (field.type == FieldType::ip && std::holds_alternative<IpAddress>(value));
      EXPECT_TRUE(typed) << row.name << "." << field.name;
    }
  }
}

TEST(Event, ReadsWhatWasBuilt) {
  const auto bytes = exec_builder().bytes();
  const auto event = Event::parse(bytes);
  ASSERT_TRUE(event);
  ASSERT_NE(event->as<pk_exec>(), nullptr);
  EXPECT_EQ(event->as<pk_fork>(), nullptr);
  EXPECT_EQ(event->text(event->as<pk_exec>()->exe), "/bin/bash");
  EXPECT_EQ(std::get<int64_t>(read(*event, "argc")), 4);
  EXPECT_EQ(to_text(read(*event, "argv")), "bash -c echo hi ");
  EXPECT_EQ(std::get<std::string_view>(read(*event, "fd0.kind")), "inet");
  EXPECT_EQ(std::get<std::string_view>(read(*event, "fd0.proto")), "tcp");
  EXPECT_EQ(std::get<std::string_view>(read(*event, "fd0.family")), "ipv4");
  EXPECT_EQ(to_text(read(*event, "fd0.remote_addr")), "10.1.2.3");
  EXPECT_EQ(std::get<int64_t>(read(*event, "loginuid")), -1);
  EXPECT_EQ(std::get<std::string_view>(read(*event, "interp")), "");
}

TEST(Event, ClosedDescriptorsHaveNoAddressAndUnboundConnectsNoPort) {
  const auto bytes = exec_builder().bytes();
  const auto event = Event::parse(bytes);
  for (const char* name : {"fd1.family", "fd1.proto", "fd1.direction", "fd1.local_addr",
                           "fd1.remote_port", "fd1.inode"}) {
    EXPECT_TRUE(std::holds_alternative<std::monostate>(read(*event, name))) << name;
  }
  RecordBuilder connect(PK_CONNECT);
  ASSERT_TRUE(connect.set_text("remote_addr", "2001:db8::1").ok());
  const auto connect_bytes = connect.bytes();
  const auto connect_event = Event::parse(connect_bytes);
  ASSERT_TRUE(connect_event);
  EXPECT_EQ(to_text(read(*connect_event, "remote_addr")), "2001:db8::1");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(read(*connect_event, "local_port")));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(read(*connect_event, "local_addr")));
  EXPECT_EQ(std::get<std::string_view>(read(*connect_event, "proto")), "other");
}

TEST(Event, FoundIsAnExecAndTheThreeCgroupTypesShareOneStruct) {
  const auto found = RecordBuilder(PK_FOUND).bytes();
  EXPECT_NE(Event::parse(found)->as<pk_exec>(), nullptr);
  for (const pk_type type : {PK_CGROUP_MKDIR, PK_CGROUP_RMDIR, PK_CGROUP_ATTACH}) {
    const auto bytes = RecordBuilder(type).bytes();
    EXPECT_NE(Event::parse(bytes)->as<pk_cgroup>(), nullptr);
    EXPECT_EQ(Event::parse(bytes)->as<pk_exec>(), nullptr);
  }
}

TEST(EventParse, RefusesForeignAndBrokenHeaders) {
  auto bytes = exec_builder().bytes();
  EXPECT_EQ(parse_error(bytes), RecordError::none);
  EXPECT_EQ(parse_error({}), RecordError::too_short);

  auto longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_EQ(parse_error(longer), RecordError::size_mismatch);

  auto header = [&](auto change) {
    auto changed = bytes;
    change(*reinterpret_cast<pk_exec*>(changed.data()));
    return parse_error(changed);
  };
  EXPECT_EQ(header([](pk_exec& exec) { exec.header.abi = PK_ABI + 1; }), RecordError::foreign_abi);
  EXPECT_EQ(header([](pk_exec& exec) { exec.header.type = PK_NONE; }), RecordError::unknown_type);
  EXPECT_EQ(header([](pk_exec& exec) { exec.header.type = PK_TYPE_END; }),
            RecordError::unknown_type);
  EXPECT_EQ(header([](pk_exec& exec) { exec.header.type = 38; }), RecordError::unknown_type);
  EXPECT_EQ(header([](pk_exec& exec) { exec.header.size -= 1; }), RecordError::size_mismatch);

  std::vector<std::byte> fork = RecordBuilder(PK_FORK).bytes();
  fork.resize(sizeof(pk_header));
  reinterpret_cast<pk_header*>(fork.data())->size = sizeof(pk_header);
  EXPECT_EQ(parse_error(fork), RecordError::too_short);

  std::vector<std::byte> shifted(bytes.size() + 1);
  std::memcpy(shifted.data() + 1, bytes.data(), bytes.size());
  RecordError why = RecordError::none;
  EXPECT_FALSE(Event::parse(std::span(shifted).subspan(1), &why));
  EXPECT_EQ(why, RecordError::misaligned);
}

TEST(EventParse, RefusesStringsOutsideTheTailAndValuesOutsideTheirEnum) {
  const auto bytes = exec_builder().bytes();
  auto changed = [&](auto change) {
    auto copy = bytes;
    change(*reinterpret_cast<pk_exec*>(copy.data()));
    return parse_error(copy);
  };
  EXPECT_EQ(changed([](pk_exec& exec) { exec.exe.offset = 0; }), RecordError::bad_string);
  EXPECT_EQ(changed([](pk_exec& exec) {
              exec.cwd = {sizeof(pk_exec) - 1, 1};
            }),
            RecordError::bad_string);
  EXPECT_EQ(changed([](pk_exec& exec) { exec.argv.length = UINT16_MAX; }), RecordError::bad_string);
  EXPECT_EQ(changed([](pk_exec& exec) { exec.interp = {UINT16_MAX, 1}; }), RecordError::bad_string);
  EXPECT_EQ(changed([](pk_exec& exec) { std::memset(exec.comm, 'x', sizeof exec.comm); }),
            RecordError::bad_string);
  EXPECT_EQ(changed([](pk_exec& exec) { exec.layer = PK_LAYER_END; }), RecordError::bad_value);
  EXPECT_EQ(changed([](pk_exec& exec) { exec.tty = 2; }), RecordError::bad_value);
  EXPECT_EQ(changed([](pk_exec& exec) { exec.fd[2].kind = PK_FD_KIND_END; }),
            RecordError::bad_value);
  EXPECT_EQ(changed([](pk_exec& exec) { exec.fd[1].direction = PK_DIR_END; }),
            RecordError::bad_value);

  auto connect = RecordBuilder(PK_CONNECT).bytes();
  reinterpret_cast<pk_connect*>(connect.data())->source = 0;
  EXPECT_EQ(parse_error(connect), RecordError::bad_value);

  auto stdio = RecordBuilder(PK_STDIO).bytes();
  reinterpret_cast<pk_stdio*>(stdio.data())->target = 3;
  EXPECT_EQ(parse_error(stdio), RecordError::bad_value);
}

TEST(EventParse, EveryPrefixOfARecordIsRefused) {
  const auto bytes = exec_builder().bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    auto cut = bytes;
    cut.resize(size);
    EXPECT_NE(parse_error(cut), RecordError::none) << size;
    if (size < sizeof(pk_header)) continue;
    reinterpret_cast<pk_header*>(cut.data())->size = static_cast<uint32_t>(size);
    EXPECT_NE(parse_error(cut), RecordError::none) << size;
  }
}

TEST(RecordBuilder, NamesEventFieldAndExpectation) {
  RecordBuilder builder(PK_EXEC);
  const auto message = [](const absl::Status& status) { return std::string(status.message()); };
  EXPECT_THAT(message(builder.set_text("nope", "1")), HasSubstr("event exec, field nope"));
  EXPECT_THAT(message(builder.set_text("layer", "moon")), HasSubstr("unknown, image, upper"));
  EXPECT_THAT(message(builder.set_text("vpid", "4294967296")), HasSubstr("vpid"));
  EXPECT_THAT(message(builder.set_text("vpid", "x")), HasSubstr("number"));
  EXPECT_THAT(message(builder.set_text("comm", "0123456789abcdef")), HasSubstr("15 bytes"));
  EXPECT_THAT(message(builder.set_text("fd0.remote_addr", "10.0.0")), HasSubstr("fd0.remote_addr"));
  EXPECT_THAT(message(builder.set("tty", int64_t{1})), HasSubstr("tty"));
  EXPECT_THAT(message(builder.set("layer", int64_t{PK_LAYER_END})), HasSubstr("layer"));
  EXPECT_FALSE(builder.set_text("exe", std::string(PK_RECORD_MAX, 'x')).ok());
  EXPECT_FALSE(builder.set_list("argv", {std::string("a\0b", 3)}).ok());
  EXPECT_EQ(parse_error(builder.bytes()), RecordError::none);
}

TEST(RecordBuilder, LaterValueReplacesTheEarlier) {
  RecordBuilder builder(PK_EXEC);
  ASSERT_TRUE(builder.set_text("exe", "/bin/a").ok());
  ASSERT_TRUE(builder.set_text("argv", "  a  b ").ok());
  ASSERT_TRUE(builder.set_text("exe", "/bin/b").ok());
  ASSERT_TRUE(builder.set_text("exec_in", "true").ok());
  ASSERT_TRUE(builder.set_text("truncated", "true").ok());
  ASSERT_TRUE(builder.set_text("exec_in", "false").ok());
  ASSERT_TRUE(builder.set_text("uid", "-1").ok());
  ASSERT_TRUE(builder.set_text("cap_effective", "0x1ffffffffff").ok());
  const auto bytes = builder.bytes();
  const auto event = Event::parse(bytes);
  ASSERT_TRUE(event);
  EXPECT_EQ(to_text(read(*event, "exe")), "/bin/b");
  EXPECT_EQ(to_text(read(*event, "argv")), "a b");
  EXPECT_EQ(std::get<int64_t>(read(*event, "argc")), 2);
  EXPECT_EQ(event->header().flags, PK_TRUNCATED);
  EXPECT_EQ(event->header().uid, UINT32_MAX);
  EXPECT_EQ(event->header().cap_effective, 0x1ffffffffffu);
}

TEST(Json, HasTheSchemasNamesAndLeavesMissingValuesOut) {
  auto builder = exec_builder();
  ASSERT_TRUE(builder.set("cwd", std::string_view("/tmp/\xff")).ok());
  const auto bytes = builder.bytes();
  const auto parsed = nlohmann::json::parse(to_json_line(*Event::parse(bytes)));
  EXPECT_EQ(parsed["event"], "exec");
  EXPECT_EQ(parsed["pid"], 42);
  EXPECT_EQ(parsed["argv"], nlohmann::json({"bash", "-c", "echo hi", ""}));
  EXPECT_EQ(parsed["fd0.remote_addr"], "10.1.2.3");
  EXPECT_EQ(parsed["tty"], false);
  EXPECT_EQ(parsed["cwd"], "/tmp/\xEF\xBF\xBD");
  EXPECT_FALSE(parsed.contains("fd1.remote_addr"));
}

TEST(NulList, TakesEveryElementAlsoATruncatedLastOne) {
  std::vector<std::string_view> items;
  for (std::string_view rest("a\0\0bc", 5); !rest.empty();) items.push_back(NulList::take(rest));
  EXPECT_THAT(items, ::testing::ElementsAre("a", "", "bc"));
}

}  // namespace
}  // namespace picket
