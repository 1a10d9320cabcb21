#!/usr/bin/env bash
# Deploys stacks and waits until they are what they should be.
#
#   DOMAIN=tickets.example.org REGISTRY=registry.example.org IMAGE_TAG=abc123 stack/deploy.sh [STACK...]
#
# Without names: edge bus data identity app observability ops, in this order. Configs get names by their content, so what did not change
# restarts nothing, and what did is rolled out as its service says.
#
#   DEPLOY_RESOLVE=always|never     whether tags are pinned to digests by asking the registry (always unless said)
#   DEPLOY_SECONDS=600              how long a stack may take
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root/stack"

# What the environment says wins over versions.env: an image from a registry of one's own, for example.
while IFS='=' read -r name value; do
    [[ $name =~ ^[A-Z][A-Z0-9_]*$ ]] || continue
    [[ -n ${!name:-} ]] || export "$name=$value"
done <"$root/versions.env"

: "${DOMAIN:?say the domain of the box office}" "${REGISTRY:?say where the images are}" "${IMAGE_TAG:?say which build of the services}"
export DOMAIN REGISTRY IMAGE_TAG
export PARTS_TAG=${PARTS_TAG:-$("$root/stack/parts-tag.sh")}
seconds=${DEPLOY_SECONDS:-600}

# hashes STACK: every config whose name has a …_SHA gets the hash of its file
hashes() {
    local name file
    while read -r name file; do
        export "$name=$(sha256sum "$file" | cut -c1-12)"
    done < <(sed -nE 's/^ +[a-z_]+: \{name: "[a-z_]+_\$\{([A-Z_]+_SHA):-unset\}", file: ([^}]+)\}$/\1 \2/p' "$1.yml")
}

# needs STACK: every external secret and network is there; all that are missing are said at once
needs() {
    local missing=() name
    for name in $(docker stack config -c "$1.yml" | awk '/^secrets:/{s=1;next} /^[a-z]/{s=0} s && /^    name:/{print $2}'); do
        docker secret inspect "$name" >/dev/null 2>&1 || missing+=("secret $name")
    done
    for name in $(docker stack config -c "$1.yml" | awk '/^networks:/{s=1;next} /^[a-z]/{s=0} s && /^    name:/{print $2}'); do
        docker network inspect "$name" >/dev/null 2>&1 || missing+=("network $name")
    done
    ((${#missing[@]} == 0)) && return
    printf '%s: there is no %s\n' "$1" "${missing[*]}" >&2
    echo "secrets are made by stack/secrets.sh, networks by stack/networks.sh" >&2
    return 1
}

# settled STACK: empty when every service has what it wants and no update goes on; else what is not yet so
settled() {
    local service state running mode
    for service in $(docker stack services --format '{{.Name}}' "$1"); do
        state=$(docker service inspect --format '{{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}' "$service")
        mode=$(docker service ls --filter "name=$service" --format '{{.Name}} {{.Mode}} {{.Replicas}}' | awk -v n="$service" '$1 == n')
        case $mode in
        *" replicated job "*) [[ $mode == *"(1/1 completed)"* ]] || echo "$service: the job is not done" ;;
        *)
            running=$(awk '{print $3}' <<<"$mode")
            [[ ${running%/*} == "${running#*/}" ]] || echo "$service: $running"
            ;;
        esac
        case $state in
        paused | rollback_paused | rollback_started | rollback_completed) echo "$service: FAILED, its update is $state" ;;
        updating) echo "$service: updating" ;;
        esac
    done
}

deploy() {
    local stack=$1 until left
    hashes "$stack"
    needs "$stack"
    docker stack deploy --compose-file "$stack.yml" --with-registry-auth --detach=true --resolve-image "${DEPLOY_RESOLVE:-always}" "$stack"
    until=$((SECONDS + seconds))
    sleep 2
    while left=$(settled "$stack"); [[ -n $left ]]; do
        if [[ $left == *FAILED* ]] || ((SECONDS > until)); then
            printf '%s is not what it should be:\n%s\n' "$stack" "$left" >&2
            docker stack ps --no-trunc --format '{{.Name}} {{.Node}} {{.CurrentState}} {{.Error}}' "$stack" | grep -v ' $' | head -20 >&2
            return 1
        fi
        sleep 2
    done
    echo "$stack: done"
}

stacks=("$@")
((${#stacks[@]} > 0)) || stacks=(edge bus data identity app observability ops)
for stack in "${stacks[@]}"; do
    [[ -f $stack.yml ]] || { echo "there is no stack $stack" >&2; exit 1; }
done
for stack in "${stacks[@]}"; do deploy "$stack"; done
