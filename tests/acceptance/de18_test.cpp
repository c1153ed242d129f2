// DE18: a program from memory, one without a name, and one that is handed to the loader, whatever
// that is called, are one alert each, with the hash of what runs while it runs; the same programs
// started by their names, and ldd's questions, are none.
#include "tests/acceptance/escape_test.h"
#include "tests/acceptance/stored_alerts.h"

namespace picket::test {
namespace {

constexpr char kLoader[] = "/lib64/ld-linux-x86-64.so.2";

class DE18 : public EscapeTest {};

TEST_F(DE18, ProgramsThatAreNotWhatRuns) {
  deploy();
  auto container = make_container({.binds = {"/lib/x86_64-linux-gnu", "/lib64", "/usr/bin/true"}});
  ASSERT_TRUE(container);
  expect_one_alert_each(
      *container,
      {{"memory", "memfd_exec", {"escape", "memfd", "/bin/busybox", "true"}},
       {"deleted",
        "deleted_exec",
        {"sh", "-c", "cp /opt/picket-test/escape /tmp/x && escape deleted /tmp/x module-less"}},
       {"loader", "loader_exec", {kLoader, "/usr/bin/true"}},
       {"loader by another way",
        "loader_exec",
        {"sh", "-c",
         "ln -s /lib64 /tmp/l && /proc/self/root/tmp/l/ld-linux-x86-64.so.2 "
         "--argv0 git /usr/bin/true"}},
       {"a copy of the loader",
        "loader_exec",
        {"sh", "-c", std::string("cp ") + kLoader + " /tmp/notes && /tmp/notes /usr/bin/true"}},
       {"a copy with two names",
        "loader_exec",
        {"sh", "-c",
         std::string("cp ") + kLoader +
             " /tmp/a && ln /tmp/a /tmp/git && rm /tmp/a && /tmp/git --library-path "
             "/lib/x86_64-linux-gnu /usr/bin/true"}}});
}

TEST_F(DE18, TheContentOfWhatRunsIsHashed) {
  deploy();
  auto container = make_container({.binds = {"/lib/x86_64-linux-gnu", "/lib64", "/usr/bin/sleep"}});
  ASSERT_TRUE(container);
  const auto sum = [&](const std::string& path) {
    const auto said = container->run({"sha256sum", path});
    return said.ok() ? said->out.substr(0, 64) : "";
  };
  const std::string busybox = sum("/bin/busybox"), sleep = sum("/usr/bin/sleep");
  ASSERT_EQ(busybox.size(), 64u);
  const struct {
    const char* rule;
    std::vector<std::string> command;
    std::string sha256;
  } kinds[] = {
      {"memfd_exec", {"escape", "memfd", "/bin/busybox", "sleep", "1000"}, busybox},
      {"deleted_exec",
       {"sh", "-c", "cp /bin/busybox /tmp/busybox && escape deleted /tmp/busybox sleep 1000"},
       busybox},
      {"loader_exec", {kLoader, "/usr/bin/sleep", "1000"}, sleep}};
  for (const auto& kind : kinds) {
    const auto job = container->launch(kind.command);
    ASSERT_TRUE(job.ok()) << job.status();
    // It is told at once; the hash comes when the file is read.
    std::vector<Alert> alerts;
    EXPECT_TRUE(until([&] {
      alerts = stored_alerts(deployment(), kind.rule);
      return !alerts.empty() && alerts[0]["fields"].contains("proc.exe_sha256");
    })) << Alert(alerts).dump(1);
    ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
    EXPECT_EQ(alerts[0]["fields"]["proc.exe_sha256"], kind.sha256) << kind.rule;
    EXPECT_EQ(alerts[0]["count"], 1u) << alerts[0];
  }
}

TEST_F(DE18, TheSameProgramsByTheirNamesAreSilent) {
  deploy();
  auto container = make_container({.binds = {"/lib/x86_64-linux-gnu", "/lib64", "/usr/bin/true"}});
  ASSERT_TRUE(container);
  const auto ended = container->run(
      {"sh", "-c",
       std::string("/usr/bin/true && cp /bin/busybox /tmp/true && /tmp/true x && rm /tmp/true && "
                   "cp /usr/bin/true /tmp/true && /tmp/true x && ") +
           kLoader + " --verify /usr/bin/true && " + kLoader + " --list /usr/bin/true"});
  ASSERT_TRUE(ended.ok()) << ended.status();
  ASSERT_EQ(ended->exit_code, 0) << ended->out;
  const auto alerts = accusations(alerts_so_far(*container));
  EXPECT_TRUE(alerts.empty()) << Alert(alerts).dump(1);
}

}  // namespace
}  // namespace picket::test
