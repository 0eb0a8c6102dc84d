#!/usr/bin/env bash
# Downloads the cloud kernel package of a Debian suite, and others by name, and unpacks them into DIR.
# usage: fetch-kernel.sh SUITE PACKAGE-PREFIX DIR [PACKAGE...]
set -euo pipefail
suite=$1 prefix=$2
mkdir -p "$3"
dir=$(realpath "$3")
shift 3
apt=("$(dirname "$(realpath "$0")")/../../ci/private-apt" "$suite" "$dir/apt")
package=$("${apt[@]}" apt-cache depends linux-image-cloud-amd64 | awk -v prefix="$prefix" '/Depends:/ && index($2, prefix) == 1 && !found { found = $2 } END { print found }')
cd "$dir/apt"
"${apt[@]}" apt-get download "$package" "$@"
for name in "$package" "$@"; do dpkg-deb -x ./"$name"_*.deb "$dir"; done
rm -r "$dir/apt"
