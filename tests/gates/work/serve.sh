# Servers of one's own and their clients: HTTP by Node and Python, a proxy between them, a development server that reloads.
. "$(dirname "$0")/lib.sh"
cat >server.js <<'TEXT'
const http = require("http");
http.createServer((q, s) => http.get("http://127.0.0.1:8001" + q.url, r => r.pipe(s))).listen(8002, "127.0.0.1", () => require("fs").writeFileSync("ready", ""));
TEXT
seq 1 1000 >page.txt
python3 -m http.server --bind 127.0.0.1 8001 >python.log 2>&1 &
python=$!
node server.js &
node=$!
trap 'kill $python $node' EXIT
until_true test -e ready
until_true curl -fs http://127.0.0.1:8001/page.txt
for i in $(seq $((20 * SCALE))); do curl -fs http://127.0.0.1:8002/page.txt | cmp -s - page.txt; done
curl -fs http://127.0.0.1:8002/page.txt -o fetched.txt && wc -l fetched.txt >/dev/null
# A service of inetd's kind: who accepts hands the connection to a script.
printf 'read -r asked && echo "you said $asked"\n' >service.sh
python3 - <<'TEXT'
import socket, subprocess
listener = socket.create_server(("127.0.0.1", 8005))
client = socket.create_connection(listener.getsockname())
guest, _ = listener.accept()
client.sendall(b"hello\n")
subprocess.run(["sh", "service.sh"], stdin=guest, stdout=guest, check=True)
assert client.recv(100) == b"you said hello\n"
TEXT
