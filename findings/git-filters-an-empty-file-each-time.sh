#!/usr/bin/env bash
# git runs a clean filter on an empty file whenever it looks, whatever the index knows of the file.
#
# git remembers size and times of each file in the index, so that a file that was not touched is not read again. Expected of
# each file that a filter turns into something else, once `git status` has been run: the filter is not run again. Seen with
# git 2.39.5: so it is for files that hold something, but an entry of size 0 that stands for a blob that is not empty counts
# as changed, and the filter runs at each `git status`, once for every empty file. If its answer depends on the name of the
# file, as git-annex's does, an empty file that was renamed is shown as modified until it is added again.
#
# Needs Debian's package archive. Ends with 1 if it is not so any more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq git=1:2.39.5-0+deb12u3
dpkg -x git_*.deb packages
export GIT_EXEC_PATH="$folder/packages/usr/lib/git-core" HOME="$folder" GIT_CONFIG_NOSYSTEM=1
git() { "$folder/packages/usr/bin/git" -c user.name=n -c user.email=e -c init.defaultBranch=main "$@"; }

mkdir repository
git -C repository init -q
cat >filter <<'FILTER'
#!/bin/sh
cat >/dev/null
echo "$1" >>"$(dirname "$0")/calls"
echo "stands for $1"
FILTER
chmod +x filter
git -C repository config filter.stand.clean "$folder/filter %f"
echo '* filter=stand' >repository/.git/info/attributes
: >repository/empty
echo something >repository/full
git -C repository add empty full
git -C repository commit -qm files
# What is as young as the index is looked at again, for good reason; then the index is written a moment later.
sleep 1.1
touch -d '1 minute ago' repository/empty repository/full
git -C repository status --porcelain >/dev/null
: >calls
for _ in 1 2 3; do
  [ -z "$(git -C repository status --porcelain)" ]
done
# grep fails where it counts none.
empty=$(grep -c '^empty$' calls || true)
full=$(grep -c '^full$' calls || true)
echo "git 2.39.5: in three times 'git status' the filter ran $empty times on the empty file and $full times on the other"
[ "$empty" = 3 ] && [ "$full" = 0 ]
git -C repository mv empty renamed
git -C repository commit -qm renamed
seen=$(git -C repository status --porcelain)
echo "after a rename that was committed, git status says: $seen"
[ "$seen" = " M renamed" ]
