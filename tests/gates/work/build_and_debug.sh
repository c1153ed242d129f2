# cmake and ninja, the tests of what was built, a debugger and a tracer on it, a package and an archive of it.
. "$(dirname "$0")/lib.sh"
c_project app $((6 * SCALE))
cmake -G Ninja -S app -B build -DCMAKE_BUILD_TYPE=Debug >/dev/null
ninja -C build >/dev/null
(cd build && ctest --output-on-failure >/dev/null)
gdb -q -batch -ex 'break f1' -ex run -ex bt -ex 'print n' -ex continue build/work >gdb.log 2>&1
grep -q 'f1 (n=5000)' gdb.log
strace -f -o trace.log build/work
grep -q exit_group trace.log
cp build/work ./renamed && ./renamed && strip renamed && ./renamed
touch app/main.cpp && ninja -C build >/dev/null
cat >Makefile <<'TEXT'
all: hello
hello: hello.c
	gcc -O2 -shared -fPIC -o libhello.so hello.c && gcc -o $@ hello.c
TEXT
echo 'int main(void) { return 0; }' >hello.c
make -s && ./hello && LD_LIBRARY_PATH=. ./hello
gcc -static-pie -o hello-alone hello.c && ./hello-alone hello # runs without a loader, as a loader does
mkdir -p deb/DEBIAN deb/usr/bin && cp hello deb/usr/bin/
printf 'Package: hello\nVersion: 1\nArchitecture: amd64\nMaintainer: Dev <dev@example.com>\nDescription: Work\n' >deb/DEBIAN/control
dpkg-deb -b deb hello.deb >/dev/null && dpkg-deb -x hello.deb unpacked && unpacked/usr/bin/hello
tar czf app.tar.gz app build && mkdir -p there && tar xzf app.tar.gz -C there && there/build/work
