// Forms of attack, each a line: what it is, which family of rules has to tell of it, and the script
// that does it, harmlessly. A family is the beginning of the rule's name; several are parted by
// blanks. PORT is a port of 127.0.0.1 on which somebody waits who types commands. Data.
#pragma once

#include <vector>

namespace picket::test {

struct Form {
  const char* name;
  const char* family;
  const char* script;  // for /bin/sh
};

// Run in a container with interpreters.
const std::vector<Form>& shell_forms();
const std::vector<Form>& script_forms();
// Run in a privileged container that sees the machine's programs.
const std::vector<Form>& escape_forms();
const std::vector<Form>& secret_forms();
const std::vector<Form>& persistence_forms();
const std::vector<Form>& other_forms();

}  // namespace picket::test
