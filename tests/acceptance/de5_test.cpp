// DE5, its short form: what has a shell and a connection without handing the one to the other is no
// reverse shell. Servers that accepted, a port forward between two of them, a language server's
// pipes beside a connection, a program that connects through another one.
#include "tests/acceptance/egress_test.h"

namespace picket::test {
namespace {

TEST_F(EgressTest, WhatLooksLikeAReverseShellStaysSilent) {
  deploy();
  if (HasFatalFailure()) return;
  auto container = make_container({.image = "tools"});
  ASSERT_TRUE(container);
  run(*container, {"servers", "inetd", "4700"});
  run(*container, {"relayed_shell", "forward", "4701", "4700"});
  run(*container, {"servers", "client", "4701"});
  run(*container, {"servers", "editor", "4702"});
  run(*container, {"servers", "client", "4702"});
  run(*container, {"contact", "serve", "127.0.0.1", "4704"});
  run(*container, {"servers", "language", "4704"});
  // Of the kind of a proxy command: the one below has the connection, the one above the terminal.
  run(*container, {"servers", "inetd", "4703"});
  run(*container, {"python3", "-c",
                   "import subprocess\n"
                   "p = subprocess.Popen(['relayed_shell', 'client', '4703'],\n"
                   "                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
                   "p.communicate(b'exit\\n')\n"});
  for (const Alert& alert : accusations(alerts_so_far(*container))) ADD_FAILURE() << alert.dump(1);
}

}  // namespace
}  // namespace picket::test
