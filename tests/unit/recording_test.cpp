#include "agent/sensor/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "agent/enrich/identity_json.h"
#include "agent/event/event.h"
#include "agent/event/record_builder.h"

namespace picket {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

struct Collected final : EventSink {
  void on_record(std::span<const std::byte> record) override {
    EXPECT_TRUE(Event::parse(record));
    records.emplace_back(record.begin(), record.end());
  }
  std::vector<std::vector<std::byte>> records;
};

std::vector<std::byte> exec_of(uint32_t pid) {
  RecordBuilder builder(PK_EXEC);
  builder.header().pid = pid;
  EXPECT_TRUE(builder.set_list("argv", {"program", std::to_string(pid)}).ok());
  return builder.bytes();
}

class Recording : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string directory = ::testing::TempDir() + "pkrXXXXXX";
    ASSERT_NE(mkdtemp(directory.data()), nullptr);
    directory_ = directory;
    path_ = directory_ / "test.pkr";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(uint32_t count) {
    auto writer = RecordingWriter::create(path_, {.wall_minus_boot_ns = 99, .kernel = "6.1.0"});
    ASSERT_TRUE(writer.ok()) << writer.status();
    for (uint32_t pid = 1; pid <= count; ++pid) (*writer)->on_record(exec_of(pid));
    ASSERT_TRUE((*writer)->close().ok());
  }

  std::string read_file() {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write_file(std::string_view bytes) {
    std::ofstream out(path_, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  // Everything the recording delivers, and the status that ended it.
  absl::Status replay(Collected& sink, RecordingDamage* damage = nullptr) {
    RecordingSource source(
        path_, [this](std::string_view identity) { identities_.emplace_back(identity); });
    absl::Status status = source.start();
    info_ = source.info();
    while (status.ok()) status = source.poll(sink, 0ms).status();
    if (damage) *damage = source.damage();
    return status;
  }

  std::filesystem::path directory_, path_;
  std::vector<std::string> identities_;
  RecordingInfo info_;
};

TEST_F(Recording, DeliversWhatWasWritten) {
  write(1000);
  Collected sink;
  RecordingDamage damage = RecordingDamage::kEnd;
  EXPECT_EQ(replay(sink, &damage).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(damage, RecordingDamage::none);
  EXPECT_EQ(info_.wall_minus_boot_ns, 99u);
  EXPECT_EQ(info_.kernel, "6.1.0");
  ASSERT_EQ(sink.records.size(), 1000u);
  for (uint32_t pid = 1; pid <= 1000; ++pid) EXPECT_EQ(sink.records[pid - 1], exec_of(pid));
}

TEST_F(Recording, KeepsIdentitiesInTheirPlace) {
  auto writer = RecordingWriter::create(path_, {});
  ASSERT_TRUE(writer.ok());
  Workspace workspace;
  workspace.id = "abc";
  workspace.name = "dev";
  workspace.image = "debian:12";
  workspace.labels = {{"owner", "ann"}};
  (*writer)->on_record(exec_of(1));
  (*writer)->on_identity(identity_to_json(7, workspace));
  (*writer)->on_identity(identity_to_json(8, absl::NotFoundError("no such container")));
  (*writer)->on_record(exec_of(2));
  ASSERT_TRUE((*writer)->close().ok());

  Collected sink;
  EXPECT_EQ(replay(sink).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(sink.records.size(), 2u);
  ASSERT_EQ(identities_.size(), 2u);
  const auto known = identity_from_json(identities_[0]);
  ASSERT_TRUE(known.ok()) << known.status();
  EXPECT_EQ(known->cgroup_id, 7u);
  ASSERT_TRUE(known->workspace.ok());
  EXPECT_EQ(known->workspace->name, "dev");
  EXPECT_EQ(known->workspace->image, "debian:12");
  EXPECT_EQ(known->workspace->labels.at("owner"), "ann");
  EXPECT_TRUE(known->workspace->resolved);
  const auto unknown = identity_from_json(identities_[1]);
  ASSERT_TRUE(unknown.ok());
  EXPECT_THAT(std::string(unknown->workspace.status().message()), HasSubstr("no such container"));
}

TEST(IdentityJson, RefusesWhatIsIncomplete) {
  for (const char* text :
       {"", "[]", "{}", R"({"cgroup_id":1})", R"({"cgroup_id":1,"workspace":{"id":"x"}})",
        R"({"cgroup_id":-1,"workspace":5})", R"({"cgroup_id":"1","error":"e"})"}) {
    EXPECT_FALSE(identity_from_json(text).ok()) << text;
  }
}

TEST_F(Recording, EveryCutIsReportedAndWhatCameBeforeIsDelivered) {
  write(3);
  const std::string whole = read_file();
  const size_t record_frame = sizeof(FrameHeader) + exec_of(1).size();
  const size_t header = sizeof(RecordingHeader) + std::string("6.1.0").size() + sizeof(uint64_t);
  for (size_t size = 0; size < whole.size(); ++size) {
    write_file(whole.substr(0, size));
    Collected sink;
    RecordingDamage damage = RecordingDamage::none;
    const absl::Status status = replay(sink, &damage);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << size;
    EXPECT_EQ(damage,
              size < kRecordingMagic.size() ? RecordingDamage::foreign : RecordingDamage::truncated)
        << size;
    EXPECT_EQ(sink.records.size(),
              size < header ? 0 : std::min<size_t>((size - header) / record_frame, 3))
        << size;
    if (size >= kRecordingMagic.size()) {
      EXPECT_THAT(std::string(status.message()), HasSubstr("byte " + std::to_string(size))) << size;
      EXPECT_THAT(std::string(status.message()), HasSubstr(path_.string()));
    }
  }
}

TEST_F(Recording, EveryFlippedByteIsNoticed) {
  write(2);
  const std::string whole = read_file();
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    write_file(flipped);
    Collected sink;
    RecordingDamage damage = RecordingDamage::none;
    EXPECT_EQ(replay(sink, &damage).code(), absl::StatusCode::kDataLoss) << at;
    EXPECT_NE(damage, RecordingDamage::none) << at;
  }
}

TEST_F(Recording, SaysWhatIsWrongWithAForeignFile) {
  Collected sink;
  RecordingDamage damage = RecordingDamage::none;
  EXPECT_EQ(replay(sink, &damage).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(damage, RecordingDamage::unreadable);

  write_file("#!/bin/sh\necho a long enough text that is no recording\n");
  EXPECT_THAT(std::string(replay(sink, &damage).message()), HasSubstr("not a recording"));
  EXPECT_EQ(damage, RecordingDamage::foreign);

  write(1);
  const std::string whole = read_file();
  const auto rewrite_header = [&](auto change) {
    RecordingHeader header;
    std::memcpy(&header, whole.data(), sizeof header);
    change(header);
    const uint64_t checksum = header_checksum(header, "6.1.0");
    std::string bytes = whole;
    std::memcpy(bytes.data(), &header, sizeof header);
    std::memcpy(bytes.data() + sizeof header + 5, &checksum, sizeof checksum);
    write_file(bytes);
    return std::string(replay(sink, &damage).message());
  };
  EXPECT_THAT(rewrite_header([](RecordingHeader& header) { header.version = 9; }),
              HasSubstr("version 9"));
  EXPECT_EQ(damage, RecordingDamage::version);
  EXPECT_THAT(rewrite_header([](RecordingHeader& header) { header.abi = PK_ABI + 1; }),
              HasSubstr("ABI"));
  EXPECT_EQ(damage, RecordingDamage::abi);
  EXPECT_TRUE(sink.records.empty());

  write_file(whole + "x");
  EXPECT_THAT(std::string(replay(sink, &damage).message()), HasSubstr("follows the end mark"));
  EXPECT_EQ(damage, RecordingDamage::bad_frame);
}

TEST_F(Recording, AWriterThatWasKilledLeavesATruncatedFile) {
  auto writer = RecordingWriter::create(path_, {});
  ASSERT_TRUE(writer.ok());
  (*writer)->on_record(exec_of(1));
  ASSERT_TRUE((*writer)->flush().ok());
  Collected sink;
  RecordingDamage damage = RecordingDamage::none;
  EXPECT_EQ(replay(sink, &damage).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(damage, RecordingDamage::truncated);
  EXPECT_EQ(sink.records.size(), 1u);
}

TEST_F(Recording, AFullRecordingIsCompleteAndCountsWhatItRefused) {
  auto writer = RecordingWriter::create(path_, {}, 4096);
  ASSERT_TRUE(writer.ok());
  for (uint32_t pid = 1; pid <= 100; ++pid) (*writer)->on_record(exec_of(pid));
  EXPECT_EQ((*writer)->frames() + (*writer)->refused(), 100u);
  EXPECT_GT((*writer)->refused(), 0u);
  const uint64_t written = (*writer)->frames();
  ASSERT_TRUE((*writer)->close().ok());
  EXPECT_LE(std::filesystem::file_size(path_), 4096u);
  Collected sink;
  EXPECT_EQ(replay(sink).code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(sink.records.size(), written);
}

TEST_F(Recording, AFailingDiskStopsTheWriterOnce) {
  auto writer = RecordingWriter::create("/dev/full", {});
  EXPECT_THAT(std::string(writer.status().message()), HasSubstr("/dev/full"));
  EXPECT_FALSE(RecordingWriter::create(directory_ / "no" / "where.pkr", {}).ok());
}

TEST_F(Recording, IsReadableByItsOwnerOnly) {
  write(1);
  EXPECT_EQ(std::filesystem::status(path_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(Recording, APollBeforeTheStartFails) {
  Collected sink;
  EXPECT_EQ(RecordingSource(path_).poll(sink, 0ms).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace picket
