# A coding agent at plain work. npm installs a stand-in under its real name, which does its real calls: it
# reads sources, edits, runs the build and the tests through a shell, commits, asks a model's address on loopback.
. "$(dirname "$0")/lib.sh"
mkdir -p package "$HOME/.claude" project
echo '{"name": "@anthropic-ai/claude-code", "version": "1.0.0", "bin": {"claude": "cli.js"}}' >package/package.json
cat >package/cli.js <<'TEXT'
#!/usr/bin/env node
const { execFileSync, spawn } = require("child_process");
const fs = require("fs"), os = require("os"), path = require("path");
const run = line => execFileSync("/bin/bash", ["-c", line], { env: { ...process.env, CLAUDECODE: "1", PYTHONDONTWRITEBYTECODE: "1" }, encoding: "utf8" });
const home = path.join(os.homedir(), ".claude");
fs.writeFileSync(path.join(home, "history.jsonl"), JSON.stringify({ display: "fix the test" }) + "\n", { flag: "a" });
fs.writeFileSync(path.join(home, ".credentials.json"), JSON.stringify({ token: "none" }), { mode: 0o600 });
fs.readFileSync(path.join(home, ".credentials.json"));
run("git init -q . ; git config user.name Agent; git config user.email agent@example.com");
fs.writeFileSync("sum.py", "def add(a, b):\n    return a - b\n");
fs.writeFileSync("test_sum.py", "import unittest, sum\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(sum.add(1, 2), 3)\n");
run("rg -n 'def add' . && python3 -m unittest -q 2>&1 || true");
fs.writeFileSync("sum.py", fs.readFileSync("sum.py", "utf8").replace("a - b", "a + b"));
run("python3 -m unittest -q 2>&1");
fs.writeFileSync("hello.c", "int main(void) { return 0; }\n");
run("gcc -o hello hello.c && ./hello && rm hello");
run("git add -A && git commit -q -m 'Fix the sum' && git log --oneline | head -1");
run("ls -la && find . -name '*.py' | xargs wc -l && cat sum.py && git diff HEAD~0 --stat");
const server = spawn("python3", ["-m", "http.server", "--bind", "127.0.0.1", "8004"], { stdio: "ignore", detached: true });
run("for i in $(seq 50); do curl -fs http://127.0.0.1:8004/sum.py && break; sleep 0.1; done");
process.kill(-server.pid);
TEXT
(cd package && npm pack --silent >/dev/null)
npm install --global --prefix "$HOME/.npm-global" --offline --silent ./package/anthropic-ai-claude-code-1.0.0.tgz
cd project
for i in $(seq "$SCALE"); do rm -rf .git && "$HOME/.npm-global/bin/claude" -p 'fix the test'; done
