#!/usr/bin/env bash
# Downloads the cloud kernel package of a Debian suite through the host's own apt configuration and unpacks it.
# usage: fetch-kernel.sh SUITE PACKAGE-PREFIX DIR
set -euo pipefail
suite=$1 prefix=$2 dir=$(realpath "$3")
mkdir -p "$dir"/apt/{sources,lists/partial,archives/partial}
uri=$(cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: *\([^ ]*\).*/\1/p' | grep -v security | head -n 1)
[ -n "$uri" ] || uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | sed -n 's/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\) .*/\2/p' | grep -v security | head -n 1)
printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$uri" "$suite" >"$dir/apt/sources/test.sources"
apt=(-qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$dir/apt/sources" -o Dir::State::lists="$dir/apt/lists"
    -o Dir::State::status=/dev/null -o Dir::Cache="$dir/apt" -o APT::Sandbox::User=root)
apt-get "${apt[@]}" update
package=$(apt-cache "${apt[@]}" depends linux-image-cloud-amd64 | sed -n "s/^ *Depends: \($prefix[^ ]*\)$/\1/p" | head -n 1)
cd "$dir/apt"
apt-get "${apt[@]}" download "$package"
dpkg-deb -x ./"$package"_*.deb "$dir"
