# npm with scripts and a compiled dependency (node-gyp), all from folders; tests, a bundle, a just-in-time compiler at work.
. "$(dirname "$0")/lib.sh"
mkdir -p native app
cat >native/package.json <<'TEXT'
{"name": "native", "version": "1.0.0", "main": "index.js", "scripts": {"install": "node-gyp rebuild --nodedir=/usr --quiet"}, "gypfile": true}
TEXT
cat >native/binding.gyp <<'TEXT'
{"targets": [{"target_name": "native", "sources": ["native.c"]}]}
TEXT
cat >native/native.c <<'TEXT'
#include <node_api.h>
static napi_value answer(napi_env env, napi_callback_info info) { napi_value v; (void)info; napi_create_int32(env, 42, &v); return v; }
static napi_value init(napi_env env, napi_value exports) { napi_value f; napi_create_function(env, "answer", 6, answer, 0, &f); napi_set_named_property(env, exports, "answer", f); return exports; }
NAPI_MODULE(native, init)
TEXT
echo 'module.exports = require("./build/Release/native.node");' >native/index.js
cat >app/package.json <<'TEXT'
{"name": "app", "version": "1.0.0", "dependencies": {"native": "file:../native.tgz"}, "scripts": {"postinstall": "node -e \"require('fs').writeFileSync('built', 'x')\"", "test": "node test.js", "start": "node server.js"}}
TEXT
echo 'require("assert").strictEqual(require("native").answer(), 42);' >app/test.js
(cd native && npm pack --silent >/dev/null) && mv native/native-1.0.0.tgz native.tgz
cd app
npm install --offline --no-audit --no-fund --foreground-scripts >npm.log 2>&1 || { cat npm.log && exit 1; }
npm test --silent
node -e "let s = 0; const t = Date.now(); while (Date.now() - t < $((2 * SCALE)) * 1000) for (let i = 0; i < 1e6; i++) s += Math.sqrt(i);"
node -e 'const { fork, execSync } = require("child_process"); execSync("git --version"); fork("test.js").on("exit", c => process.exit(c));'
