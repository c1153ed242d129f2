# Everything that takes whole processors and is no miner: encoding, compressing, a stress test, hashing, a big build.
. "$(dirname "$0")/lib.sh"
c_project app $((4 * SCALE))
cmake -G Ninja -S app -B build -DCMAKE_BUILD_TYPE=Release >/dev/null && ninja -C build >/dev/null
head -c 30000000 /dev/zero | tr '\0' 'v' >raw.yuv
timeout $((3 * SCALE)) x264 --quiet --preset slow --input-res 640x480 --input-csp i420 --fps 25 -o out.h264 raw.yuv >/dev/null 2>&1 || [ $? -eq 124 ]
test -s out.h264
stress -q -c 2 -t $((2 * SCALE))
head -c 20000000 /dev/urandom | xz -1 -T2 >random.xz
for i in $(seq $((3 * SCALE))); do sha256sum random.xz >/dev/null; done
python3 -c "
import multiprocessing, hashlib
def work(n):
    d = b'x'
    for _ in range(200000): d = hashlib.sha256(d).digest()
    return d
with multiprocessing.Pool(2) as p: p.map(work, range($((2 * SCALE))))"
