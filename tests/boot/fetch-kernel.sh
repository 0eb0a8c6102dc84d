#!/usr/bin/env bash
# Downloads the cloud kernel package of a Debian suite and unpacks it into DIR.
# usage: fetch-kernel.sh SUITE PACKAGE-PREFIX DIR
set -euo pipefail
suite=$1 prefix=$2
mkdir -p "$3"
dir=$(realpath "$3")
apt=("$(dirname "$(realpath "$0")")/../../ci/private-apt" "$suite" "$dir/apt")
package=$("${apt[@]}" apt-cache depends linux-image-cloud-amd64 | awk -v prefix="$prefix" '/Depends:/ && index($2, prefix) == 1 && !found { found = $2 } END { print found }')
cd "$dir/apt"
"${apt[@]}" apt-get download "$package"
dpkg-deb -x ./"$package"_*.deb "$dir"
rm -r "$dir/apt"
