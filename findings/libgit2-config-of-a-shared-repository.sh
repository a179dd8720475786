#!/usr/bin/env bash
# libgit2 takes the group's permission from the configuration of a shared repository.
#
# In a repository made with `git init --shared=group` all files can be written by the group: `git config` keeps it so, and git's
# documentation of core.sharedRepository promises it. Expected of libgit2, which knows that setting: the same. Seen with
# libgit2 1.9.1 (pygit2 1.18.2): setting one value replaces the file by one with the permissions of the umask, so that no
# other user of the group can set anything any more.
#
# Needs python3 with venv, git, and a network for the package. Ends with 1 if it is not so any more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
umask 022
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pygit2==1.18.2
git init --quiet --bare --shared=group shared.git
git -C shared.git config user.name somebody
by_git=$(stat -c %a shared.git/config)
version=$(venv/bin/python - <<'PYTHON'
import pygit2

pygit2.Repository("shared.git").config["user.email"] = "somebody@example.org"
print(pygit2.LIBGIT2_VERSION)
PYTHON
)
by_libgit2=$(stat -c %a shared.git/config)
echo "libgit2 $version: the configuration has the permissions $by_git after git config, and $by_libgit2 after libgit2"
[ "$version" = 1.9.1 ] && [ "$by_git" = 664 ] && [ "$by_libgit2" = 644 ]
