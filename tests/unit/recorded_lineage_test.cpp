// Who drives a process, on what the live test LineageLabels saw of a real daemon (tests/records).
#include <gtest/gtest.h>

#include "agent/enrich/process_table.h"
#include "agent/sensor/recording.h"

namespace picket {
namespace {

class IntoTable final : public EventSink {
 public:
  explicit IntoTable(ProcessTable& table) : table_(table) {}
  void on_record(std::span<const std::byte> record) override {
    const auto event = Event::parse(record);
    ASSERT_TRUE(event);
    const Process& process = table_.apply(*event);
    const bool driven = process.driver.agent == "helper";
    if (event->type() == PK_FORK) (driven ? forked_by_helper : forked_by_others) += 1;
    if (event->type() == PK_EXIT && driven) ++ended_by_helper;
  }
  int forked_by_helper = 0, forked_by_others = 0, ended_by_helper = 0;

 private:
  ProcessTable& table_;
};

TEST(RecordedLineage, EverythingBelowAnAgentIsItsDoingAlsoWhenNobodyAboveIsLeft) {
  ProcessTable table;
  std::vector<OriginDefinition> definitions;
  definitions.push_back(
      {.name = "helper", .origin = Origin::ai_agent, .programs = {"*/picket-helper-*"}});
  table.set_origins(std::make_shared<Origins>(std::move(definitions)));
  IntoTable sink(table);
  RecordingSource recording(PICKET_SOURCE_DIR "/tests/records/lineage.pkr");
  ASSERT_TRUE(recording.start().ok());
  while (recording.poll(sink, std::chrono::milliseconds(0)).ok()) continue;
  EXPECT_EQ(recording.damage(), RecordingDamage::none);
  EXPECT_GE(sink.forked_by_helper, 3);  // the session, the daemon, and what it starts at last
  EXPECT_EQ(sink.forked_by_others, 0);
  EXPECT_GE(sink.ended_by_helper, 4);
}

}  // namespace
}  // namespace picket
