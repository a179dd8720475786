#!/usr/bin/env bash
# dulwich and GitPython tell of a split index as of damage.
#
# git writes one for `git update-index --split-index`: most entries are in a file of their own, and the extension `link` names it.
# gitformat-index(5) says that whoever does not know an extension with a small letter cannot use the index. Expected: an error
# that names what is not supported, as of libgit2 ("unsupported mandatory extension"), or the entries. Seen: dulwich 1.2.21 says
# that the checksum is wrong, and shows four bytes of the extension as part of it; GitPython 3.2.1 says that a path in the
# repository is invalid. Who believes that makes the index again, and loses what is staged. git finds no fault with it.
#
# Needs git, python3 with venv, and its package index. Ends with 1 if it is not so any more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export HOME=$folder GIT_CONFIG_NOSYSTEM=1
python3 -m venv python
python/bin/pip install --quiet dulwich==1.2.21 GitPython==3.2.1
git init --quiet repository
cd repository
git config user.name A
git config user.email a@example.invalid
# So that git leaves the base as it is.
git config splitIndex.maxPercentChange 100
for n in 1 2 3; do echo "$n" >"file$n"; done
git add .
git commit --quiet --message 1
git update-index --split-index
echo staged >file1
git add file1
cd ..
cat >ask.py <<'PYTHON'
import dulwich.repo
import git

def ask(name, entries):
    try:
        print(f"{name}: {entries()} entries")
    except Exception as error:
        print(f"{name}: {type(error).__name__}")

print("git:", len(git.Repo("repository").git.ls_files("--stage").splitlines()), "entries")
ask("dulwich", lambda: len(dulwich.repo.Repo("repository").open_index()))
ask("GitPython", lambda: len(git.Repo("repository").index.entries))
PYTHON
git -C repository fsck --cache --strict
python/bin/python ask.py | tee seen
cat >expected <<'TEXT'
git: 3 entries
dulwich: ChecksumMismatch
GitPython: ValueError
TEXT
diff expected seen && echo "as described"
