#!/usr/bin/env bash
# Once its object cache is full, libgit2 reads objects more slowly than without a cache.
#
# Expected: a cache of one mebibyte (GIT_OPT_SET_CACHE_MAX_SIZE) costs next to nothing where no object is read twice. Seen with
# pygit2 1.19.3 (libgit2 1.9.4): three times the processor time of reading without a cache (GIT_OPT_ENABLE_CACHING), for 400,000
# small trees; a cache that is not full costs a fifth more. To evict an entry, libgit2 searches a hash table from its first bucket
# (`cache_evict_entries`), past all buckets that it emptied before, and removed entries leave marks that slow down each lookup.
# The default limit of 256 MiB only delays this.
#
# Needs git, python3 with venv, and its package index. Ends with 1 if it is not so any more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export HOME=$folder GIT_CONFIG_NOSYSTEM=1
python3 -m venv python
python/bin/pip install --quiet pygit2==1.19.3
cat >history.py <<'PYTHON'
for n in range(400000):
    print(f"commit refs/heads/main\ncommitter A <a@example.invalid> {n} +0000\ndata 0\nM 100644 inline f\ndata {len(str(n))}\n{n}")
PYTHON
git init --quiet --bare repository
python/bin/python history.py | git -C repository fast-import --quiet
git -C repository log --format=%T main >trees
cat >read.py <<'PYTHON'
import sys
import time
import pygit2

MEBIBYTE = 1 << 20
if sys.argv[1] == "none":
    pygit2.settings.enable_caching(False)
else:
    pygit2.settings.cache_max_size(int(sys.argv[1]) * MEBIBYTE)
trees = [pygit2.Oid(hex=line.strip()) for line in open("trees")]
odb = pygit2.Repository("repository").odb
start = time.process_time()
for tree in trees:
    odb.read(tree)
print(time.process_time() - start)
PYTHON
time_of() { python/bin/python read.py "$@"; }
none=$(time_of none)
large=$(time_of 256)
limited=$(time_of 1)
python/bin/python -c "import pygit2; print('libgit2', pygit2.LIBGIT2_VERSION)"
echo "no cache $none s, 256 MiB $large s, 1 MiB $limited s"
python/bin/python -c "raise SystemExit(not $limited > 2 * $none)" && echo "as described"
