// An event that matches no rule allocates nothing. A program of its own, because it replaces
// operator new.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "tests/unit/rule_fixture.h"

namespace {
size_t allocations = 0;
}

void* operator new(size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace picket {
namespace {

// Every way to read a field that builds a text, and every kind of right-hand side.
constexpr const char* kRules = R"(
- list: names
  items: [nobody, nothing]
- macro: never
  condition: >
    proc.name in (names) or proc.cmdline contains "no such argument" or proc.pcmdline icontains "NO SUCH" or
    proc.acmdline[2] endswith nothing or proc.args glob "x*y*z" or proc.exepath regex "/nowhere/.*" or
    proc.exepath pmatch (/nowhere, /no/*/where) or proc.aname in (nothing, nobody) or
    thread.cap_effective contains CAP_NOTHING or user.uid in (1, 2, 3) or fd.name startswith 1.1.1.1 or
    fd.snet in (10.0.0.0/8, 2001:db8::/32) or evt.time = 0 or event.argv intersects (nothing, nobody) or
    container.image.repository = nothing or workspace.label[team] = red or proc.stdin.remote_ip = 9.9.9.9
- rule: all
  desc: d
  condition: never
  output: o
  priority: DEBUG
- rule: exec
  desc: d
  condition: evt.type in (execve, stdio) and never and not proc.name = x
  output: o %proc.cmdline
  priority: DEBUG
)";

class Ignore final : public FindingSink {
 public:
  void on_finding(Finding) override { ++findings; }
  size_t findings = 0;
};

void expect_no_allocation(const Scene& scene) {
  RuleDetector detector(rules_of(kRules));
  const std::vector<std::byte> bytes = scene.record.bytes();
  const auto event = Event::parse(bytes);
  ASSERT_TRUE(event.has_value());
  Ignore sink;
  detector.on_event({*event, scene.process, scene.workspace},
                    sink);  // the first one may grow buffers
  const size_t before = allocations;
  for (int i = 0; i < 1000; ++i) {
    detector.on_event({*event, scene.process, scene.workspace}, sink);
  }
  EXPECT_EQ(allocations - before, 0u);
  EXPECT_EQ(sink.findings, 0u);
}

TEST(RuleAllocation, NoneForAnExecThatMatchesNothing) {
  Scene scene;
  scene.with("argv", "/bin/bash -c echo");
  scene.process.fd[0].kind = PK_FD_INET;
  scene.process.cap_effective = ~0ull;
  expect_no_allocation(scene);
}

TEST(RuleAllocation, NoneForAConnectThatMatchesNothing) {
  Scene scene(PK_CONNECT);
  scene.with("remote_addr", "2001:db9::1234:5678:9abc:def0").with("remote_port", "65535");
  expect_no_allocation(scene);
}

TEST(RuleAllocation, TheCounterCounts) {
  const size_t before = allocations;
  delete new int(1);
  EXPECT_GT(allocations, before);
}

}  // namespace
}  // namespace picket
