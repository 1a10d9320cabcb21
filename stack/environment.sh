#!/usr/bin/env bash
# Prints what a deployment needs to know, for a shell to take in:
#
#   eval "$(stack/environment.sh)" && docker stack deploy --compose-file stack/edge.yml --with-registry-auth edge
#
# What is set already stays as it is: an image from a registry of one's own, a version to go back to. The rest is
#   from versions.env          images and versions of other people's programs
#   …_SHA                      the hash of each config's file: a config that did not change restarts nothing
#   IMAGE_TAG                  which build of the services: this commit
#   PARTS_TAG                  which build of the images around other people's programs (stack/parts-tag.sh)
#   GROUP_SECRETS_V            which version of a group's secrets: the one that stack/secrets.sh current says, else 1
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root/stack"

# say NAME VALUE: unless it is set
say() { [[ -n ${!1:-} ]] || printf 'export %s=%q\n' "$1" "$2"; }

while IFS='=' read -r name value; do
    [[ $name =~ ^[A-Z][A-Z0-9_]*$ ]] && say "$name" "$value"
done <"$root/versions.env"

while read -r name file; do
    say "$name" "$(sha256sum "$file" | cut -c1-12)"
done < <(sed -nE 's/^ +[a-z_]+: \{name: "[a-z_]+_\$\{([A-Z_]+_SHA):-unset\}", file: ([^}]+)\}$/\1 \2/p' ./*.yml)

say IMAGE_TAG "$(git -C "$root" rev-parse --short=12 HEAD)"
say PARTS_TAG "$("$root/stack/parts-tag.sh")"
