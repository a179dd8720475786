# Run in a clean Debian as root: installs the package in /tmp with what it depends on, and starts its programs.
set -eu
mount -t proc proc /proc
mount -t tmpfs tmpfs /dev/shm 2>/dev/null || { mkdir -p /dev/shm && mount -t tmpfs tmpfs /dev/shm; }

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# Only what it says that it needs: a missing dependency must show.
apt-get install --yes -qq --no-install-recommends /tmp/anabranch.deb >/tmp/installed 2>&1 || { cat /tmp/installed; exit 1; }
anabranch --version
anabranch-desktop --version
for file in /usr/share/applications/org.anabranch.Desktop.desktop /usr/share/man/man1/anabranch.1.gz \
    /usr/share/icons/hicolor/scalable/apps/org.anabranch.Desktop.svg /usr/share/bash-completion/completions/anabranch; do
    # A small Debian leaves manuals out.
    [ -e "$file" ] || case $file in */man/*) ;; *) echo "$file is not there"; exit 1 ;; esac
done
dpkg --verify anabranch
# What git-annex on another computer calls.
git-annex-shell 2>&1 | grep -q "other computers"

# A desktop for it: nothing of this is the package's.
apt-get install --yes -qq --no-install-recommends xvfb dbus x11-utils fonts-dejavu-core >/tmp/desktop 2>&1 ||
    { cat /tmp/desktop; exit 1; }
useradd --create-home ann
cat >/tmp/as-ann.sh <<'END'
set -eu
export HOME=/home/ann XDG_RUNTIME_DIR=/tmp/run-ann DISPLAY=:7
mkdir -m 700 $XDG_RUNTIME_DIR
mkdir ~/Photos
echo "a picture" >~/Photos/a.jpg
anabranch init ~/Photos
Xvfb :7 -screen 0 1280x800x24 -nolisten tcp >/tmp/xvfb.log 2>&1 &
until [ -e /tmp/.X11-unix/X7 ]; do sleep 0.1; done

await() {
    what=$1
    shift
    for _ in $(seq 200); do
        if "$@" >/tmp/answer 2>&1; then
            echo "seen: $what"
            return
        fi
        sleep 0.1
    done
    echo "not seen: $what"
    cat /tmp/answer /tmp/anabranch-desktop.log
    exit 1
}
in_step() { anabranch status ~/Photos; }
icon() { dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.ListNames | grep StatusNotifierItem; }
window() { xwininfo -root -tree | grep '"Anabranch".*"org.anabranch.Desktop"'; }
gone() { ! kill -0 $program; }

anabranch-desktop ~/Photos >/tmp/anabranch-desktop.log 2>&1 &
program=$!
await "the folder is up to date, says anabranch status" in_step
anabranch status ~/Photos
await "the icon is on the bus" icon
echo "another" >~/Photos/b.jpg
two_files() { anabranch status ~/Photos | grep "2 files"; }
await "a new file is kept" two_files
anabranch-desktop ~/Photos
await "a second start opens the window" window
kill $program
await "it ends when it is asked to" gone
cat /tmp/anabranch-desktop.log
END
runuser -u ann -- dbus-run-session -- sh /tmp/as-ann.sh

apt-get purge --yes -qq anabranch >/tmp/purged 2>&1 || { cat /tmp/purged; exit 1; }
left=$(find / -xdev -iname '*anabranch*' -not -path '/proc/*' -not -path '/tmp/*' -not -path '/home/*')
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
echo "installed, started, and removed without a trace"
