#!/usr/bin/env bash
# exfat-fuse gives one file another inode number for each spelling of its name.
#
# exFAT takes `x` and `X` for one name. Expected where two names lead to one file, as with hard links or on the kernel's own
# exFAT: one inode number, so that a program which compares numbers sees that both are the same file. Seen with exfat-fuse
# 1.3.0: two numbers. Only a listing of the directory tells which of the names is there.
#
# Needs root, loop devices, /dev/fuse, and Debian's package archive. Ends with 1 if it is not so any more.
set -euo pipefail
folder=$(mktemp -d)
device=
tidy() {
  umount "$folder/mounted" 2>/dev/null || true
  [ -z "$device" ] || losetup -d "$device"
  rm -rf "$folder"
}
trap tidy EXIT
cd "$folder"
apt-get download -qq exfat-fuse=1.3.0+git20220115-2 exfatprogs=1.2.0-1+deb12u1
for package in *.deb; do dpkg -x "$package" packages; done
export PATH="$folder/packages/usr/sbin:$folder/packages/sbin:$PATH"
truncate -s 64M image
mkfs.exfat image >/dev/null
device=$(losetup -f --show image)
mkdir mounted
mount.exfat-fuse "$device" mounted >/dev/null 2>&1
echo one >mounted/x
[ "$(cat mounted/X)" = one ]
small=$(stat -c %i mounted/x)
large=$(stat -c %i mounted/X)
echo "exfat-fuse 1.3.0: x has the number $small, X has $large, and the directory lists: $(ls mounted)"
[ "$small" != "$large" ] && [ "$(ls mounted)" = x ]
