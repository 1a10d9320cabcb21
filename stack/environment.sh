#!/usr/bin/env bash
# Prints what a deployment needs to know, for a shell to take in:
#
#   (said=$(stack/environment.sh) && eval "$said" && docker stack deploy --with-registry-auth --compose-file stack/edge.yml edge)
#
# What is set already stays as it is: an image from a registry of one's own, a version to go back to. So do it in a shell of its own,
# as above: next time the rest may be another. The rest is
#   from versions.env          images and versions of other people's programs
#   …_SHA                      the hash of each config's file: a config that did not change restarts nothing
#   IMAGE_TAG                  which build of the services: this commit
#   PARTS_TAG, JENKINS_TAG     which build of the images around other people's programs (stack/parts-tag.sh)
#   …_V                        which version of secrets: the newest that services use now, if docker reaches a manager; else the
#                              files say 1 (and 2 for the next, which the servers of the bus and of the data accept already)
#   DATA_SECRETS_PARITY        odd or even: the users of that version
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root/stack"

# say NAME VALUE: unless it is set
say() { [[ -n ${!1:-} ]] || printf 'export %s=%q\n' "$1" "$2"; }

while IFS='=' read -r name value; do
    [[ $name =~ ^[A-Z][A-Z0-9_]*$ ]] && say "$name" "$value"
done <"$root/versions.env"

while read -r name file; do
    printf 'export %s=%s\n' "$name" "$(sha256sum "$file" | cut -c1-12)"
done < <(sed -nE 's/^ +[a-z_]+: \{name: "[a-z_]+_\$\{([A-Z_]+_SHA):-unset\}", file: ([^}]+)\}$/\1 \2/p' ./*.yml)

# Only where nothing else is said: files without their history have no commit to name.
if [[ -z ${IMAGE_TAG:-} ]]; then
    tag=$(git -C "$root" rev-parse --short=12 HEAD)
    say IMAGE_TAG "$tag"
fi
if [[ -z ${PARTS_TAG:-} ]]; then
    tag=$("$root/stack/parts-tag.sh")
    say PARTS_TAG "$tag"
fi
if [[ -z ${JENKINS_TAG:-} ]]; then
    tag=$("$root/stack/parts-tag.sh" jenkins)
    say JENKINS_TAG "$tag"
fi

# used NAME [odd|even]: the newest version of a secret that a service uses
used() {
    sed -nE "s/^$1_v([0-9]+)\$/\1/p" <<<"$in_use" | awk -v side="${2:-}" 'side == "" || $1 % 2 == (side == "odd")' | sort -n | tail -1
}

in_use=""
if services=$(docker service ls --quiet 2>/dev/null) && [[ -n $services ]]; then
    # shellcheck disable=SC2086 # one word for each service
    in_use=$(docker service inspect --format '{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}{{println .SecretName}}{{end}}' $services)
fi
declare -A newest=()
while read -r secret variable; do
    case $variable in
    *_ODD_V) version=$(used "$secret" odd) ;;
    *_EVEN_V) version=$(used "$secret" even) ;;
    *) version=$(used "$secret") ;;
    esac
    ((${version:-0} > ${newest[$variable]:-0})) && newest[$variable]=$version
done < <(sed -nE 's/^ +[a-z_]+: \{external: true, name: "([a-z_]+)_v\$\{([A-Z_]+_V):-[0-9]+\}"\}$/\1 \2/p' ./*.yml | sort -u)
for variable in "${!newest[@]}"; do say "$variable" "${newest[$variable]}"; done

version=${DATA_SECRETS_V:-${newest[DATA_SECRETS_V]:-1}}
say DATA_SECRETS_PARITY "$(if ((version % 2)); then echo odd; else echo even; fi)"
