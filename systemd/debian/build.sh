#!/bin/sh
# Build the Debian package into a folder:  systemd/debian/build.sh FOLDER
# It needs the Build-Depends of the file control, and PyPI.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' proto/livehandle_proto/__init__.py)
# 1.0rc1 is before 1.0.
version=$(echo "$version" | sed -E 's/(a|b|rc|\.dev)([0-9]+)/~\1\2/')
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || date +%s)}"

# Debian's tools want their folder at the top.
umask 022
mkdir -p "$work/source/client"
cp -R pyproject.toml README.md LICENSE CHANGELOG.md proto daemon systemd "$work/source"
cp -R client/livehandle client/livectl "$work/source/client"
cd "$work/source"
mv systemd/debian .
cat >debian/changelog <<END
livehandle ($version-1) unstable; urgency=medium

  * See /usr/share/doc/livehandle/changelog.gz.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $(date -R -u -d "@$SOURCE_DATE_EPOCH")
END
dpkg-buildpackage --build=binary --no-sign
mv ../livehandle_* "$out"
