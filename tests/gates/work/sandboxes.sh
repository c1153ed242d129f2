# Rootless builders and sandboxes: user namespaces with mounts in them, as bubblewrap and podman use.
. "$(dirname "$0")/lib.sh"
for i in $(seq $((2 * SCALE))); do
  bwrap --ro-bind / / --dev /dev --tmpfs /tmp --unshare-user --unshare-ipc --unshare-uts --die-with-parent sh -c 'echo built >/tmp/x; cat /tmp/x' >out
  grep -q built out
done
unshare --user --map-root-user --mount sh -c 'mount -t tmpfs none /mnt && mkdir /mnt/root && echo layer >/mnt/root/file && cat /mnt/root/file' >out
grep -q layer out
