# A virtual environment, a package with an extension in C installed into it, its tests, a language server.
. "$(dirname "$0")/lib.sh"
mkdir -p pkg/src
cat >pkg/setup.py <<'TEXT'
from setuptools import Extension, setup
setup(name="worked", version="1.0", packages=["worked"], package_dir={"": "src"},
      ext_modules=[Extension("worked.fast", ["fast.c"], optional=True)], entry_points={"console_scripts": ["worked = worked:main"]})
TEXT
mkdir -p pkg/src/worked
printf 'import subprocess\ndef main():\n    print(subprocess.check_output(["uname"], text=True))\n' >pkg/src/worked/__init__.py
echo 'int answer(void) { return 42; }' >pkg/fast.c
python3 -m venv --system-site-packages venv
venv/bin/pip install --quiet --no-index --no-build-isolation ./pkg
venv/bin/worked >/dev/null
printf 'import unittest, tempfile, os\nclass T(unittest.TestCase):\n    def test(self):\n        with tempfile.TemporaryDirectory() as d:\n            open(os.path.join(d, "x"), "w").write("x")\n' >test_it.py
venv/bin/python -m unittest -q test_it 2>/dev/null
# A language server as an editor drives it: over pipes.
python3 - <<'TEXT'
import json, subprocess, sys
for command in (["pylsp"], ["node", "/usr/share/nodejs/typescript/lib/tsserver.js"]):
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if command[0] == "pylsp":
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}})
        server.stdin.write(f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
    else:
        server.stdin.write(json.dumps({"seq": 1, "type": "request", "command": "status"}).encode() + b"\n")
    server.stdin.flush()
    if not server.stdout.readline().startswith(b"Content-Length"):
        sys.exit(f"{command} said nothing")
    server.terminate()
    server.wait()
TEXT
