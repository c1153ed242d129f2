// What rules ask of files: names, kinds, flags and modes as upstream rules know them.
#include <fcntl.h>
#include <gtest/gtest.h>

#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

Scene opened(std::string_view path) {
  Scene scene(PK_OPEN);
  scene.with("call", "openat").with("kind", "file").with("result", "5").with("path", path);
  return scene;
}

Scene changed(std::string_view call) {
  Scene scene(PK_FILE);
  scene.with("call", call);
  return scene;
}

TEST(RuleFile, AnOpenHasANameAndAKind) {
  Scene scene = opened("/etc/ssh/sshd_config");
  scene.with("raw", "../ssh/sshd_config").with("reads", "true");
  EXPECT_TRUE(scene.matches("evt.type = openat and fd.typechar = f and fd.num >= 0"));
  EXPECT_TRUE(scene.matches("evt.type in (open, openat, openat2) and evt.is_open_read = true"));
  EXPECT_FALSE(scene.matches("evt.type = open"));
  EXPECT_FALSE(scene.matches("evt.is_open_write = true"));
  EXPECT_TRUE(scene.matches("fd.name = /etc/ssh/sshd_config and fd.filename = sshd_config"));
  EXPECT_TRUE(scene.matches("fd.directory = /etc/ssh and fd.nameraw contains ../"));
  EXPECT_TRUE(scene.matches("evt.arg.name startswith /etc and evt.res = SUCCESS"));
  EXPECT_EQ(opened("/passwd").output("%fd.directory %fd.filename"), "/ passwd");
  EXPECT_EQ(opened("memfd:x").output("%fd.directory %fd.filename"), "<NA> memfd:x");
}

TEST(RuleFile, ARefusedOpenHasTheCallersPathAndNoFile) {
  Scene scene(PK_OPEN);
  scene.with("call", "open").with("result", "-13").with("raw", "../x/./shadow");
  scene.with("directory", "/home/dev").with("user_text", "true").with("writes", "true");
  EXPECT_TRUE(scene.matches("fd.name = /home/x/shadow and evt.res = EACCES and evt.rawres = -13"));
  EXPECT_TRUE(scene.matches("evt.failed = true and evt.user_text = true and fd.num = -1"));
  EXPECT_FALSE(scene.matches("fd.ino exists or fd.layer exists"));
  // Falco's rules ask for refused opens so; what the object is nobody knows.
  EXPECT_TRUE(scene.matches("fd.typechar = f and fd.type = file"));
}

TEST(RuleFile, FlagsAndModesAreWords) {
  Scene scene = opened("/tmp/x");
  scene.with("flags", std::to_string(O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC));
  scene.with("asked_mode", std::to_string(0751)).with("created", "true");
  EXPECT_EQ(scene.output("%evt.arg.flags"), "O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC");
  EXPECT_TRUE(scene.matches("evt.is_open_exec = true and evt.is_open_create = true"));
  EXPECT_TRUE(scene.matches("evt.arg.mode contains S_IXUSR and not evt.arg.mode contains S_ISUID"));
}

TEST(RuleFile, ObjectsAreKnownByWhatTheyAre) {
  Scene scene = opened("/proc/12/environ");
  scene.with("inode", "77").with("dev", "5").with("proc_pid", "12").with("layer", "mount");
  scene.with("foreign", "true").with("nlink", "1");
  EXPECT_TRUE(scene.matches("fd.ino = 77 and fd.dev = 5 and fd.proc.pid = 12"));
  EXPECT_TRUE(scene.matches("fd.proc.other = true and fd.foreign = true and fd.layer = mount"));
  EXPECT_FALSE(scene.matches("fd.is_upper_layer = true or fd.is_lower_layer = true"));
  scene.with("proc_pid", std::to_string(scene.process.key.pid));
  EXPECT_TRUE(scene.matches("fd.proc.other = false"));
}

TEST(RuleFile, TwoPathsAreOldAndNew) {
  Scene scene = changed("renameat2");
  scene.with("path", "a").with("directory", "/home/dev").with("path2", "../../etc/b");
  scene.with("directory2", "/home/dev");
  EXPECT_TRUE(scene.matches("evt.type in (rename, renameat, renameat2)"));
  EXPECT_TRUE(scene.matches("evt.arg.oldpath = /home/dev/a and evt.arg.newpath = /etc/b"));
  EXPECT_TRUE(scene.matches("fs.path.source = /home/dev/a and fs.path.target = /etc/b"));
  EXPECT_TRUE(scene.matches("fs.path.sourceraw = a and fs.path.targetraw = ../../etc/b"));
  EXPECT_TRUE(scene.matches("syscall.type = renameat2 and not syscall.type = rename"));
  EXPECT_TRUE(scene.matches("fs.path.nameraw = a and not fd.name exists"));
  EXPECT_FALSE(scene.matches("evt.arg.target exists or evt.arg.linkpath exists"));
}

TEST(RuleFile, ALinkSaysWhatItSays) {
  Scene scene = changed("symlinkat");
  scene.with("path", "link").with("directory", "/tmp").with("path2", "/etc/shadow");
  EXPECT_TRUE(scene.matches("evt.arg.target = /etc/shadow and evt.arg.linkpath = /tmp/link"));
  EXPECT_FALSE(scene.matches("evt.arg.oldpath exists"));
}

TEST(RuleFile, ChangesOfAttributes) {
  Scene mode = changed("fchmod");
  mode.with("kind", "file").with("path", "/tmp/x").with("asked_mode", std::to_string(04755));
  EXPECT_TRUE(mode.matches("evt.arg.mode contains S_ISUID and fd.name = /tmp/x"));
  Scene owner = changed("chown");
  owner.with("path", "/tmp/x").with("asked_owner", "0").with("asked_group", "-1");
  EXPECT_TRUE(owner.matches("evt.arg.filename = /tmp/x and evt.arg.owner = 0"));
  EXPECT_TRUE(owner.matches("evt.arg.group = -1"));
  Scene attribute = changed("setxattr");
  attribute.with("path", "/tmp/x").with("name", "security.capability").with("result", "-1");
  EXPECT_TRUE(attribute.matches("evt.arg.name = security.capability and evt.res = EPERM"));
}

TEST(RuleFile, OtherEventsHaveNoneOfIt) {
  Scene scene;
  EXPECT_FALSE(scene.matches("fd.name exists or fd.num exists or fs.path.name exists"));
  EXPECT_FALSE(scene.matches("evt.is_open_write = false"));
  EXPECT_TRUE(scene.matches("evt.user_text = false"));
}

}  // namespace
}  // namespace picket
