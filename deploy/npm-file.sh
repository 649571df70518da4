#!/usr/bin/env bash
# Usage: deploy/npm-file.sh PACKAGE DEST
# Takes one file out of an npm package that deploy/npm-pins names, checks the tarball against the checksum there, and
# puts the file at DEST in one rename, so that an interrupted download leaves nothing behind that looks complete.
# PACKAGE "libchdb" stands for the engine library of this machine.
# NPM_FILE_SHA512 gives the checksum of a package that is not pinned yet.
set -euo pipefail

name=$1 dest=$2
here=$(cd "$(dirname "$0")" && pwd)

fail() {
	echo "error: $1" >&2
	echo "hint: $2" >&2
	exit 1
}

if [ "$name" = libchdb ]; then
	case "$(uname -s)-$(uname -m)" in
	Linux-x86_64) name=@chdb/lib-linux-x64-gnu ;;
	Linux-aarch64 | Linux-arm64) name=@chdb/lib-linux-arm64-gnu ;;
	Darwin-arm64) name=@chdb/lib-darwin-arm64 ;;
	Darwin-x86_64) name=@chdb/lib-darwin-x64 ;;
	*) fail "libchdb: no package for $(uname -s) on $(uname -m)" \
		"use Linux or macOS on x86-64 or ARM64, or start Loadline with --storage.dsn and your own ClickHouse" ;;
	esac
fi

command -v npm >/dev/null || fail "npm is not installed" "install Node.js 18 or newer, which brings npm"

read -r version file want < <(awk -v name="$name" '$1 == name {print $2, $3, $4}' "$here/npm-pins") ||
	fail "$name is not listed in deploy/npm-pins" "add a line for it"
want=${NPM_FILE_SHA512:-$want}
[ "$want" != - ] || fail "$name@$version has no checksum in deploy/npm-pins" \
	"look it up with 'npm view $name@$version dist.integrity' and run again with NPM_FILE_SHA512=sha512-..."

mkdir -p "$(dirname "$dest")"
work=$(mktemp -d "$(dirname "$dest")/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

echo "fetching $name@$version with npm" >&2
npm pack "$name@$version" --pack-destination "$work" >/dev/null 2>"$work/npm.log" || {
	cat "$work/npm.log" >&2
	fail "npm cannot fetch $name@$version" "check the network and 'npm config get registry'"
}
tarball=$(ls "$work"/*.tgz)
got=sha512-$(node -e '
	const hash = require("crypto").createHash("sha512")
	require("fs").createReadStream(process.argv[1]).on("data", d => hash.update(d)).on("end", () => console.log(hash.digest("base64")))
' "$tarball")
[ "$got" = "$want" ] || fail "$name@$version has checksum $got, not $want" \
	"do not use this file; if the pin in deploy/npm-pins is wrong, correct it in a reviewed change"

tar -xzf "$tarball" -C "$work" "package/$file"
chmod 0644 "$work/package/$file"
touch "$work/package/$file"
mv -f "$work/package/$file" "$dest"
echo "$dest" >&2
