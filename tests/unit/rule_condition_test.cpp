// The condition language: grammar, precedence, every operator, missing values, fields, lists and
// macros.
#include <gmock/gmock.h>

#include "agent/detect/rule/parser.h"
#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

std::string written(const rule::Operand& operand) {
  std::string text = operand.field;
  if (operand.argument) text += "[" + *operand.argument + "]";
  for (const rule::Transform transform : operand.transforms) {
    text = std::string(rule::to_string(transform)) + "(" + text + ")";
  }
  return text;
}

// The shape of an expression: every operator and bracket made explicit.
std::string shape(const rule::Expression& expression) {
  using Kind = rule::Expression::Kind;
  std::string text;
  switch (expression.kind) {
    case Kind::macro:
      return expression.macro;
    case Kind::comparison:
      text = written(expression.comparison.left);
      text += std::string(rule::to_string(expression.comparison.op));
      for (const auto& value : expression.comparison.values) text += "<" + value.text + ">";
      if (expression.comparison.right) text += written(*expression.comparison.right);
      return text;
    case Kind::negation:
      return "!" + shape(*expression.children[0]);
    case Kind::all:
    case Kind::any:
      for (const auto& child : expression.children) {
        if (!text.empty()) text += expression.kind == Kind::all ? " & " : " | ";
        text += shape(*child);
      }
      return "(" + text + ")";
  }
  return text;
}

std::string parsed(std::string_view condition) {
  auto result = rule::parse_condition(condition);
  if (auto* error = std::get_if<rule::SyntaxError>(&result)) {
    return std::to_string(error->offset) + ": " + error->message;
  }
  return shape(*std::get<std::unique_ptr<rule::Expression>>(result));
}

TEST(RuleGrammar, AndBindsTighterThanOr) {
  EXPECT_EQ(parsed("a or b and c or d"), "(a | (b & c) | d)");
  EXPECT_EQ(parsed("(a or b) and c"), "((a | b) & c)");
}

TEST(RuleGrammar, NotBindsTightest) {
  EXPECT_EQ(parsed("not a and b"), "(!a & b)");
  EXPECT_EQ(parsed("not (a and b)"), "!(a & b)");
  EXPECT_EQ(parsed("not not a"), "!!a");
  EXPECT_EQ(parsed("not proc.name = bash or b"), "(!proc.name=<bash> | b)");
}

TEST(RuleGrammar, KeywordsAreWholeWords) {
  EXPECT_EQ(parsed("notable and orange or android"), "((notable & orange) | android)");
  EXPECT_EQ(parsed("not(a)and(b)or(c)"), "((!a & b) | c)");
}

TEST(RuleGrammar, ValuesBareAndQuoted) {
  EXPECT_EQ(parsed("f = /usr/bin/x-1.2:3"), "f=</usr/bin/x-1.2:3>");
  EXPECT_EQ(parsed("f = <NA>"), "f=<<NA>>");
  EXPECT_EQ(parsed(R"(f = "a b \"c\" \\ \n")"), "f=<a b \"c\" \\ \n>");
  EXPECT_EQ(parsed("f = 'it is \"so\"'"), "f=<it is \"so\">");
  EXPECT_EQ(parsed(R"(f regex "\d+\.so")"), R"(fregex<\d+\.so>)");
  EXPECT_EQ(parsed("f=a"), "f=<a>");
  EXPECT_EQ(parsed("f==a"), "f=<a>");
}

TEST(RuleGrammar, ListsAndArguments) {
  EXPECT_EQ(parsed("f in (a, \"b c\" ,d)"), "fin<a><b c><d>");
  EXPECT_EQ(parsed("f in ()"), "fin");
  EXPECT_EQ(parsed("f in names"), "fin<names>");
  EXPECT_EQ(parsed("f[2] startswith x and g[a/b] exists"), "(f[2]startswith<x> & g[a/b]exists)");
  EXPECT_EQ(parsed("f[\"a ]b\"] exists"), "f[a ]b]exists");
}

TEST(RuleGrammar, ErrorsNameOffsetAndExpectation) {
  EXPECT_EQ(parsed(""), "0: the condition is empty");
  EXPECT_EQ(parsed("a and"), "5: a field or macro expected, not the end of the condition");
  EXPECT_EQ(parsed("a or and b"), "5: a field or macro expected, not 'and'");
  EXPECT_EQ(parsed("(a or b"), "7: ')' expected, not the end of the condition");
  EXPECT_EQ(parsed("a b"), "2: an operator expected after 'a', not 'b'");
  EXPECT_EQ(parsed("f = "), "4: a value expected, not the end of the condition");
  EXPECT_EQ(parsed("f in (a b)"), "8: ',' or ')' expected in the list, not 'b)'");
  EXPECT_EQ(parsed("f = \"a"), "4: this value has no closing \"");
  EXPECT_EQ(parsed("f[2 = a"), "2: ']' expected after the field's argument");
  EXPECT_EQ(parsed("f ~ a"), "2: an operator expected after 'f', not '~'");
  EXPECT_EQ(parsed("f = a b"), "6: 'and', 'or' or the end of the condition expected, not 'b'");
}

TEST(RuleGrammar, NestingIsBounded) {
  const std::string deep(100'000, '(');
  EXPECT_EQ(parsed(deep), "100: nested deeper than 100 levels");
  std::string nots;
  for (int i = 0; i < 100'000; ++i) nots += "not ";
  EXPECT_THAT(parsed(nots + "a"), testing::HasSubstr("nested deeper"));
}

TEST(RuleOperators, Text) {
  const Scene scene;
  EXPECT_TRUE(scene.matches("proc.name = bash"));
  EXPECT_FALSE(scene.matches("proc.name = bas"));
  EXPECT_TRUE(scene.matches("proc.name != zsh"));
  EXPECT_FALSE(scene.matches("proc.name != bash"));
  EXPECT_TRUE(scene.matches("proc.name in (zsh, bash)"));
  EXPECT_FALSE(scene.matches("proc.name in (zsh, sh)"));
  EXPECT_FALSE(scene.matches("proc.name in ()"));
  EXPECT_TRUE(scene.matches("proc.name intersects (zsh, bash)"));
  EXPECT_TRUE(scene.matches("proc.exepath startswith /usr/"));
  EXPECT_FALSE(scene.matches("proc.exepath startswith usr"));
  EXPECT_TRUE(scene.matches("proc.exepath endswith /bash"));
  EXPECT_FALSE(scene.matches("proc.exepath endswith /bas"));
  EXPECT_TRUE(scene.matches("proc.cmdline contains \"echo h\""));
  EXPECT_FALSE(scene.matches("proc.cmdline contains \"Echo\""));
  EXPECT_TRUE(scene.matches("proc.cmdline icontains \"ECHO H\""));
  EXPECT_FALSE(scene.matches("proc.cmdline icontains \"ECHO X\""));
  EXPECT_TRUE(scene.matches("proc.exepath exists"));
}

TEST(RuleOperators, Glob) {
  const Scene scene;
  EXPECT_TRUE(scene.matches("proc.exepath glob /usr/*/ba?h"));
  EXPECT_TRUE(scene.matches("proc.exepath glob \"*\""));
  EXPECT_TRUE(scene.matches("proc.exepath glob /*bash"));
  EXPECT_TRUE(scene.matches("proc.name glob [a-c]as[!x]"));
  EXPECT_FALSE(scene.matches("proc.name glob [!a-c]ash"));
  EXPECT_FALSE(scene.matches("proc.name glob bas"));
  EXPECT_FALSE(scene.matches(R"(proc.name glob "ba\\*")"));
}

TEST(RuleOperators, PathPrefixes) {
  const Scene scene;
  EXPECT_TRUE(scene.matches("proc.exepath pmatch (/etc, /usr/bin)"));
  EXPECT_TRUE(scene.matches("proc.exepath pmatch (/usr/bin/bash)"));
  EXPECT_TRUE(scene.matches("proc.exepath pmatch (/*/bin)"));
  EXPECT_FALSE(scene.matches("proc.exepath pmatch (/usr/bi)"));
  EXPECT_FALSE(scene.matches("proc.exepath pmatch (/usr/bin/bash/x)"));
}

TEST(RuleOperators, RegexTakesTheWholeText) {
  const Scene scene;
  EXPECT_TRUE(scene.matches(R"(proc.exepath regex "/usr/(local/)?bin/[a-z]+")"));
  EXPECT_FALSE(scene.matches("proc.exepath regex /usr/bin"));
  EXPECT_TRUE(scene.matches(R"(proc.name regex "\w+")"));
}

TEST(RuleOperators, Numbers) {
  const Scene scene;
  EXPECT_TRUE(scene.matches("user.uid = 1000"));
  EXPECT_TRUE(scene.matches("user.uid = 0x3e8"));
  EXPECT_TRUE(scene.matches("user.uid != 0"));
  EXPECT_TRUE(scene.matches("user.uid < 1001 and user.uid <= 1000"));
  EXPECT_FALSE(scene.matches("user.uid < 1000"));
  EXPECT_TRUE(scene.matches("user.uid > 999 and user.uid >= 1000"));
  EXPECT_FALSE(scene.matches("user.uid > 1000"));
  EXPECT_TRUE(scene.matches("user.uid in (0, 1000)"));
  EXPECT_FALSE(scene.matches("user.uid in (0, 10000)"));
  EXPECT_TRUE(scene.matches("user.loginuid = -1"));
}

TEST(RuleOperators, Booleans) {
  const Scene scene;
  EXPECT_TRUE(scene.matches("proc.is_exe_from_memfd = false"));
  EXPECT_TRUE(scene.matches("proc.is_exe_from_memfd != true"));
  EXPECT_FALSE(scene.matches("proc.is_exe_from_memfd = true"));
  EXPECT_TRUE(scene.matches("proc.is_exe_from_memfd exists"));
}

Scene connection() {
  Scene scene(PK_CONNECT);
  scene.with("remote_addr", "10.1.2.3").with("remote_port", "443").with("proto", "tcp");
  scene.with("local_addr", "172.17.0.2").with("local_port", "40000");
  return scene;
}

TEST(RuleOperators, AddressesAndNetworks) {
  const Scene scene = connection();
  EXPECT_TRUE(scene.matches("fd.sip = 10.1.2.3"));
  EXPECT_TRUE(scene.matches("fd.sip != 10.1.2.4"));
  EXPECT_TRUE(scene.matches("fd.sip in (1.1.1.1, 10.1.2.3)"));
  EXPECT_TRUE(scene.matches("fd.snet in (10.0.0.0/8)"));
  EXPECT_TRUE(scene.matches("fd.snet = 10.1.2.0/23"));
  EXPECT_FALSE(scene.matches("fd.snet in (10.1.3.0/24, 192.168.0.0/16)"));
  EXPECT_FALSE(scene.matches("fd.snet in (::/0)"));
}

TEST(RuleOperators, EitherEndOfAConnection) {
  const Scene scene = connection();
  EXPECT_TRUE(scene.matches("fd.ip = 10.1.2.3 and fd.ip = 172.17.0.2"));
  EXPECT_FALSE(scene.matches("fd.ip != 10.1.2.3"));  // "!=" means that both ends differ
  EXPECT_TRUE(scene.matches("fd.ip != 10.9.9.9"));
  EXPECT_TRUE(scene.matches("fd.port = 443 and fd.port = 40000"));
  EXPECT_FALSE(scene.matches("fd.port != 443"));
  EXPECT_TRUE(scene.matches("fd.net in (172.16.0.0/12)"));
}

TEST(RuleMissingValues, AComparisonIsFalseWhateverTheOperator) {
  Scene scene;
  scene.process.parent = nullptr;
  EXPECT_FALSE(scene.matches("proc.pname = make"));
  EXPECT_FALSE(scene.matches("proc.pname != make"));
  EXPECT_TRUE(scene.matches("not proc.pname = make"));
  EXPECT_TRUE(scene.matches("not proc.pname != make"));
  EXPECT_FALSE(scene.matches("proc.pname in (make)"));
  EXPECT_FALSE(scene.matches("proc.pname exists"));
  EXPECT_TRUE(scene.matches("not proc.pname exists"));
  EXPECT_FALSE(scene.matches("proc.pname contains \"\""));
  EXPECT_FALSE(scene.matches("proc.aname = make"));
  EXPECT_FALSE(scene.matches("proc.aname != make"));
}

TEST(RuleMissingValues, FieldsOfOtherEvents) {
  const Scene scene;  // an exec has no connection
  EXPECT_FALSE(scene.matches("fd.sip != 1.2.3.4"));
  EXPECT_FALSE(scene.matches("fd.port >= 0"));
  EXPECT_FALSE(scene.matches("event.remote_port != 1"));
  EXPECT_TRUE(scene.matches("not fd.sip exists"));
}

TEST(RuleMissingValues, DescriptorsThatAreNoSockets) {
  Scene scene;
  scene.process.fd[0].kind = PK_FD_TTY;
  EXPECT_TRUE(scene.matches("proc.stdin.kind = tty"));
  EXPECT_FALSE(scene.matches("proc.stdin.direction != outbound"));
  EXPECT_FALSE(scene.matches("proc.stdin.remote_port >= 0"));
  EXPECT_TRUE(scene.matches("proc.stdout.kind = none"));
}

TEST(RuleFields, Processes) {
  Scene scene;
  scene.process.cap_effective = (1u << 21) | (1u << 12);
  EXPECT_TRUE(scene.matches("proc.cmdline = \"bash -c echo hello\""));
  EXPECT_TRUE(scene.matches("proc.args = \"-c echo hello\""));
  EXPECT_TRUE(scene.matches("proc.exe = /bin/bash"));
  EXPECT_TRUE(scene.matches("proc.exepath = /usr/bin/bash"));
  EXPECT_TRUE(scene.matches("proc.pname = make and proc.pcmdline = \"make -j8 all\""));
  EXPECT_TRUE(scene.matches("proc.pexepath = /usr/bin/make and proc.pexe = make"));
  EXPECT_TRUE(scene.matches("proc.pid = 102 and proc.ppid = 101"));
  EXPECT_TRUE(scene.matches("proc.layer = image"));
  EXPECT_TRUE(scene.matches("thread.cap_effective contains CAP_SYS_ADMIN"));
  EXPECT_TRUE(scene.matches("thread.cap_effective = \"CAP_NET_ADMIN CAP_SYS_ADMIN\""));
  EXPECT_TRUE(scene.matches("not thread.cap_permitted contains CAP_SYS_ADMIN"));
}

TEST(RuleFields, Ancestors) {
  const Scene scene;
  EXPECT_TRUE(scene.matches("proc.aname[0] = bash"));
  EXPECT_TRUE(scene.matches("proc.aname[1] = make"));
  EXPECT_TRUE(scene.matches("proc.aname[2] = sleep"));
  EXPECT_FALSE(scene.matches("proc.aname[3] exists"));
  EXPECT_TRUE(scene.matches("proc.aname = sleep"));
  EXPECT_TRUE(scene.matches("proc.aname in (nothing, make)"));
  EXPECT_FALSE(scene.matches("proc.aname = bash"));  // itself is no ancestor
  EXPECT_TRUE(scene.matches("proc.aexepath[2] = /usr/bin/sleep"));
  EXPECT_TRUE(scene.matches("proc.aexepath startswith /usr/bin/sl"));
  EXPECT_TRUE(scene.matches("proc.apid[2] = 100 and proc.acmdline[2] = \"sleep inf\""));
  EXPECT_TRUE(scene.matches("proc.apid = 100 and proc.apid = 101 and not proc.apid = 102"));
  EXPECT_TRUE(scene.matches("proc.apid[*] = 100 and proc.apid[*] in (101, 7)"));
  EXPECT_FALSE(scene.matches("proc.apid[*] = 102 or proc.apid[*] > 101"));
  EXPECT_TRUE(scene.matches("proc.acmdline = \"sleep inf\" and proc.acmdline = \"make -j8 all\""));
  EXPECT_FALSE(scene.matches("proc.acmdline contains bash"));
  EXPECT_TRUE(scene.matches("proc.aargs[0] = \"-c echo hello\" and proc.aargs[1] = \"-j8 all\""));
  EXPECT_TRUE(scene.matches("proc.aargs = inf and not proc.aargs contains echo"));
  EXPECT_FALSE(scene.matches("proc.aargs[3] exists"));
  EXPECT_EQ(scene.output("%proc.aargs[2]"), "inf");
}

TEST(RuleFields, Places) {
  Scene scene;
  EXPECT_TRUE(scene.matches("container.id = 0123456789ab"));
  EXPECT_TRUE(scene.matches("container.full_id = 0123456789abcdef0123456789abcdef"));
  EXPECT_TRUE(scene.matches("container.id != host"));
  EXPECT_TRUE(scene.matches("container.image.repository = registry.example:5000/dev/base"));
  EXPECT_TRUE(scene.matches("container.image.tag = 1.2"));
  EXPECT_TRUE(scene.matches("container.image.digest = sha256:beef"));
  EXPECT_TRUE(scene.matches("workspace.name = demo and workspace.label[team] = blue"));
  EXPECT_FALSE(scene.matches("workspace.label[other] exists"));
  scene.workspace.cgroup_id = 0;
  EXPECT_TRUE(scene.matches("container.id = host"));
}

TEST(RuleFields, Connections) {
  const Scene scene = connection();
  EXPECT_TRUE(scene.matches("fd.name = 172.17.0.2:40000->10.1.2.3:443"));
  EXPECT_TRUE(scene.matches("fd.typechar = 4 and fd.type = ipv4 and fd.l4proto = tcp"));
  EXPECT_TRUE(scene.matches("fd.sport = 443 and fd.cport = 40000 and fd.cip = 172.17.0.2"));
  Scene v6(PK_CONNECT);
  v6.with("remote_addr", "2001:db8::1").with("remote_port", "53").with("proto", "udp");
  EXPECT_TRUE(v6.matches("fd.typechar = 6 and fd.rip = 2001:db8::1 and fd.l4proto = udp"));
  EXPECT_TRUE(v6.matches("fd.rnet in (2001:db8::/32)"));
  EXPECT_FALSE(v6.matches("fd.cip exists"));
}

TEST(RuleFields, EventSchema) {
  Scene scene(PK_STDIO);
  scene.with("target", "1").with("source", "5");
  EXPECT_TRUE(scene.matches("event.target = 1 and event.stdio.source = 5"));
  EXPECT_FALSE(scene.matches("event.connect.source exists"));
  Scene exec;
  exec.with("argv", "/bin/bash -c echo");
  EXPECT_TRUE(exec.matches("event.argv = -c"));
  EXPECT_TRUE(exec.matches("event.argv intersects (x, echo)"));
  EXPECT_FALSE(exec.matches("event.argv in (x, echo)"));  // of a list: all
  EXPECT_TRUE(exec.matches("event.argv in (/bin/bash, -c, echo, x)"));
  EXPECT_FALSE(exec.matches("event.argv != -c"));
}

TEST(RuleFields, DescriptorsOfTheParent) {
  Scene scene;
  for (Process* process : {&scene.process, &scene.parent}) {
    process->fd[0] = process->fd[1] = {};
    process->fd[0].kind = process->fd[1].kind = PK_FD_INET;
    process->fd[0].inode = process->fd[1].inode = 9;
  }
  EXPECT_TRUE(scene.matches("proc.stdio.inherited = true"));
  scene.process.fd[1].inode = 10;
  EXPECT_TRUE(scene.matches("proc.stdio.inherited = false"));
  scene.process.fd[1].inode = 9;
  scene.process.fd[1].local_port = 40112;  // may be chosen later
  EXPECT_TRUE(scene.matches("proc.stdio.inherited = true"));
  scene.process.fd[1].direction = PK_DIR_OUTBOUND;  // connected since
  EXPECT_TRUE(scene.matches("proc.stdio.inherited = false"));
  scene.parent.fd[1].direction = PK_DIR_OUTBOUND;
  EXPECT_TRUE(scene.matches("proc.stdio.inherited = true"));
  scene.process.fd[1].remote_port = 4444;
  EXPECT_TRUE(scene.matches("proc.stdio.inherited = false"));
}

TEST(RuleEventTypes, NamesOfFalcoAndOwn) {
  const Scene exec;
  EXPECT_TRUE(exec.matches("evt.type = execve"));
  EXPECT_TRUE(exec.matches("evt.type in (execveat, open)"));
  EXPECT_TRUE(exec.matches("evt.type = exec"));
  EXPECT_FALSE(exec.matches("evt.type != execve"));
  EXPECT_TRUE(exec.matches("evt.type != connect"));
  EXPECT_TRUE(Scene(PK_EXIT).matches("evt.type = procexit"));
  EXPECT_TRUE(Scene(PK_FORK).matches("evt.type in (clone, fork, vfork)"));
}

TEST(RuleEventTypes, DispatchFollowsTheCondition) {
  const auto events = [](std::string_view condition) {
    return rules_of(rule_with(condition))->rules()[0].events;
  };
  using testing::ElementsAre;
  EXPECT_THAT(events("evt.type = execve"), ElementsAre("exec"));
  EXPECT_THAT(events("evt.type in (connect, stdio) and proc.name = x"),
              ElementsAre("connect", "stdio", "socket_call"));
  EXPECT_THAT(events("fd.sport = 1"),
              ElementsAre("connect", "stdio", "socket_call", "flow", "dns", "payload"));
  EXPECT_THAT(events("evt.type = connect or (evt.type = exit and event.code = 1)"),
              ElementsAre("exit", "connect", "socket_call"));
  EXPECT_THAT(events("evt.type = execve and evt.type = connect"), ElementsAre());
  EXPECT_EQ(events("not evt.type = exec").size(), static_cast<size_t>(PK_TYPE_END) - 2);
  // It may have been execveat.
  EXPECT_EQ(events("not evt.type = execve").size(), static_cast<size_t>(PK_TYPE_END) - 1);
}

TEST(RuleFolding, AlwaysAndNever) {
  EXPECT_TRUE(Scene().matches("evt.num >= 0"));
  EXPECT_FALSE(Scene().matches("evt.num = 0"));
  EXPECT_TRUE(Scene().matches("evt.dir = < and proc.name = bash"));
  EXPECT_FALSE(Scene().matches("evt.dir = >"));
  // What is never true leaves nothing to evaluate.
  EXPECT_TRUE(rules_of(rule_with("evt.num = 0 and proc.name = x"))->rules()[0].events.empty());
}

TEST(RuleLists, ExpandInPlaceAndInsideOneAnother) {
  const std::string lists =
      "- list: shells\n  items: [bash, zsh]\n- list: all\n  items: [shells, python3]\n"
      "- macro: in_shell\n  condition: proc.name in shells\n";
  const auto matches = [&](std::string_view condition) {
    RuleDetector detector(rules_of(lists + rule_with(condition)));
    return !Scene().run(detector).empty();
  };
  EXPECT_TRUE(matches("proc.name in shells"));
  EXPECT_TRUE(matches("proc.name in (shells)"));
  EXPECT_TRUE(matches("proc.name in (perl, all)"));
  EXPECT_FALSE(matches("proc.name in (\"shells\")"));  // quoted: the word itself
  EXPECT_TRUE(matches("in_shell and evt.type = execve"));
  EXPECT_FALSE(matches("not in_shell"));
}

TEST(RuleLists, SideBySideComparisonsBecomeOneSet) {
  const auto rules =
      rules_of(rule_with("proc.name = a or proc.name in (b, bash) or proc.exepath startswith /x or "
                         "proc.exepath startswith /usr/b or proc.exepath startswith /usr/bin/ba"));
  EXPECT_EQ(rules->program().comparisons.size(), 3u) << "one leaves failed execs out";
  RuleDetector detector(rules);
  EXPECT_EQ(Scene().run(detector).size(), 1u);
  Scene other;
  other.process.comm = "other";
  other.process.exe = "/usr/a";
  EXPECT_EQ(other.run(detector).size(), 0u);
  other.process.exe = "/usr/bin/x";
  EXPECT_EQ(other.run(detector).size(), 1u);
}

TEST(RuleOutput, FormatsFields) {
  const Scene scene;
  EXPECT_EQ(scene.output("%proc.name ran as %user.uid."), "bash ran as 1000.");
  EXPECT_EQ(scene.output("*%(proc.aname[2])x 100%% %workspace.label[team]"), "sleepx 100% blue");
  EXPECT_EQ(scene.output("%fd.name %proc.aname"), "<NA> make sleep");
  EXPECT_EQ(scene.output("%evt.type at %evt.time"), "execve at 5.000000123");
  EXPECT_EQ(scene.output("5 % 3"), "5 % 3");
}

TEST(RuleOutput, ControlCharactersCannotReachATerminal) {
  Scene scene;
  scene.process.argv = std::string_view("sh\0a\x1b[2Jb\n\0", 11);
  EXPECT_EQ(scene.output("%proc.args"), "a\\x1b[2Jb\\x0a");
}

}  // namespace
}  // namespace picket
