// DE22: more repositories than the configured number taken within a time by one owner, over all of
// the owner's workspaces, are an alert, and so is one at an hour that is none of the usual. Making
// repositories, local clones, packing, and fetching one again and again are none. Real git, from a
// real git daemon.
#include <ctime>

#include "tests/acceptance/egress_test.h"

namespace picket::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// As a site would set another number, and its hours: all but this one and the next.
std::string limits() {
  std::string hours;
  const time_t now = time(nullptr);
  const int hour = static_cast<int>(now / 3600 % 24);
  for (int i = 2; i < 24; ++i) hours += fmt::format("{}{}", i > 2 ? ", " : "", (hour + i) % 24);
  return fmt::format(R"(
- rule: clones.many
  override: {{sequence: replace}}
  sequence:
    by: owner
    within: 10m
    steps:
      - {{step: clone, condition: receives_repository, count: 4, distinct: fd.directory}}
- list: usual_hours
  items: [{}]
  override: {{items: replace}}
)",
                     hours);
}

class DE22 : public EgressTest {
 protected:
  void SetUp() override {
    EgressTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy({.rules = limits()});
  }

  std::unique_ptr<Container> workspace(const std::string& id, const std::string& owner,
                                       std::map<std::string, std::string> labels = {}) {
    labels["picket/owner"] = owner;
    auto container = make_container(
        {.id = id, .annotations = std::move(labels), .binds = {"/usr", "/lib", "/lib64"}});
    EXPECT_TRUE(container);
    if (!container) return nullptr;
    shell(*container,
          "mkdir /srv /src && for i in 1 2 3 4; do git init -q /srv/r$i && cd /srv/r$i && "
          "echo $i >a && git add a && git -c user.name=x -c user.email=x@example commit -q -m x; "
          "done; git daemon --detach --export-all --base-path=/srv; "
          "for try in $(seq 100); do git ls-remote git://127.0.0.1/r1 >/dev/null 2>&1 && exit 0; "
          "sleep 0.05; done; exit 1");
    return container;
  }

  static void shell(Container& container, const std::string& script) {
    run(container, {"/usr/bin/bash", "-c", "export PATH=$PATH:/usr/bin HOME=/root; " + script});
  }
  static std::string output(const Alert& alert) { return alert["output"]; }
};

TEST_F(DE22, ManyRepositoriesOfOneOwnerAreAnAlert) {
  auto first = workspace("de22-a", "ann@example.org"),
       second = workspace("de22-b", "ann@example.org");
  auto other = workspace("de22-c", "bob@example.org");
  ASSERT_TRUE(first && second && other);
  shell(*first, "git clone -q git://127.0.0.1/r1 /src/r1; git clone -q git://127.0.0.1/r2 /src/r2");
  shell(*other, "git clone -q git://127.0.0.1/r1 /src/r1; git clone -q git://127.0.0.1/r2 /src/r2");
  // Nothing of this is another repository.
  shell(*first,
        "cd /src; for i in 1 2 3 4; do git init -q n$i; git clone -q /srv/r$i l$i; done; "
        "for i in 1 2 3 4; do git -C /srv/r$i gc -q; done; "
        "for i in 1 2 3 4; do git -C r1 fetch -q --refetch; done");
  EXPECT_THAT(found(*first, "clones.many"), IsEmpty());

  // Bare, into a hidden folder, by a git of another name.
  shell(*second,
        "cp /usr/bin/git /tmp/notes; /tmp/notes clone -q --bare git://127.0.0.1/r3 /tmp/.x; "
        "cd /tmp && ./notes clone -q --mirror git://127.0.0.1/r4 .y");
  const auto alerts = found(*second, "clones.many");
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  EXPECT_THAT(output(alerts[0]),
              AllOf(HasSubstr("4 repositories taken"), HasSubstr("ann@example.org"),
                    HasSubstr("/tmp/.y/objects/pack")));
  EXPECT_EQ(alerts[0]["steps"].size(), 4u);
  expect_identity(alerts[0], *second);
  EXPECT_THAT(found(*other, "clones.many"), IsEmpty());
}

TEST_F(DE22, OneAtAnUnusualHourIsAnAlertWhereHoursAreUsual) {
  auto usual = workspace("de22-d", "ann@example.org", {{"picket/hours", "usual"}});
  auto any = workspace("de22-e", "bob@example.org");
  ASSERT_TRUE(usual && any);
  for (Container* one : {usual.get(), any.get()})
    shell(*one, "git clone -q git://127.0.0.1/r1 /src/r1");
  const auto alerts = found(*usual, "clones.unusual_hour");
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  EXPECT_THAT(output(alerts[0]),
              AllOf(HasSubstr("by ann@example.org"), HasSubstr("/src/r1/.git/objects/pack")));
  EXPECT_THAT(found(*any, "clones.unusual_hour"), IsEmpty());
}

}  // namespace
}  // namespace picket::test
