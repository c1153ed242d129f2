// Short ways to make the records that tests of the tables are about. Times are in nanoseconds,
// chosen by the test. Any thread; a value set that the schema refuses fails the test.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "agent/enrich/process.h"
#include "agent/event/record_builder.h"

namespace picket::test {

using Bytes = std::vector<std::byte>;

struct At {
  uint64_t time_ns = 0;
  ProcessKey key;
  uint64_t workspace = 7;
  uint32_t uid = 0;
  uint32_t flags = 0;
};

inline RecordBuilder record(pk_type type, const At& at) {
  RecordBuilder builder(type);
  pk_header& header = builder.header();
  header.time_ns = at.time_ns;
  header.pid = header.tid = at.key.pid;
  header.start_ns = at.key.start_ns;
  header.cgroup_id = at.workspace;
  header.uid = at.uid;
  header.flags = at.flags;
  return builder;
}

inline void set(RecordBuilder& builder, std::string_view field, const std::string& value) {
  const absl::Status status = builder.set_text(field, value);
  EXPECT_TRUE(status.ok()) << status;
}

inline void set_parent(RecordBuilder& builder, ProcessKey parent) {
  set(builder, "parent_pid", std::to_string(parent.pid));
  set(builder, "parent_start_ns", std::to_string(parent.start_ns));
}

inline Bytes fork(const At& at, ProcessKey parent, uint64_t clone_flags = 0) {
  RecordBuilder builder = record(PK_FORK, at);
  set_parent(builder, parent);
  set(builder, "comm", "forked");
  set(builder, "clone_flags", std::to_string(clone_flags));
  return builder.bytes();
}

inline Bytes program(pk_type type, const At& at, ProcessKey parent, const std::string& exe) {
  RecordBuilder builder = record(type, at);
  set_parent(builder, parent);
  set(builder, "exe", exe);
  set(builder, "cwd", "/home/dev");
  set(builder, "comm", exe.substr(exe.find_last_of('/') + 1).substr(0, 15));
  set(builder, "mnt_ns", "100");
  set(builder, "net_ns", "200");
  EXPECT_TRUE(builder.set_list("argv", {exe, "--flag"}).ok());
  return builder.bytes();
}

inline Bytes exec(const At& at, ProcessKey parent, const std::string& exe) {
  return program(PK_EXEC, at, parent, exe);
}
inline Bytes found(const At& at, ProcessKey parent, const std::string& exe) {
  return program(PK_FOUND, at, parent, exe);
}
inline Bytes exit(const At& at) { return record(PK_EXIT, at).bytes(); }
inline Bytes connect(const At& at) { return record(PK_CONNECT, at).bytes(); }

inline Bytes cgroup(pk_type type, const At& at, uint64_t id, const std::string& path) {
  RecordBuilder builder = record(type, at);
  set(builder, "id", std::to_string(id));
  set(builder, "path", path);
  if (type == PK_CGROUP_ATTACH) set(builder, "attach", "enter");
  return builder.bytes();
}

}  // namespace picket::test
