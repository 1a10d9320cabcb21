#!/usr/bin/env bash
# Takes the last deployment of stacks back, the last one first. Databases are left alone: a person does that.
#
#   stack/rollback.sh [STACK...]     without names: app identity bus edge
set -euo pipefail
stacks=("$@")
((${#stacks[@]} > 0)) || stacks=(app identity bus edge)
failed=0
for stack in "${stacks[@]}"; do
    if [[ $stack == data ]]; then
        echo "data is not rolled back by a script: see observability/runbooks/postgres.md" >&2
        exit 1
    fi
    for service in $(docker stack services --format '{{.Name}} {{.Mode}}' "$stack" | awk '!/job/ {print $1}'); do
        if [[ $(docker service inspect --format '{{if .PreviousSpec}}yes{{end}}' "$service") != yes ]]; then
            echo "$service: nothing to take back"
        elif docker service rollback --detach=false --quiet "$service" >/dev/null; then
            echo "$service: as before"
        else
            echo "$service: could not be taken back" >&2
            failed=1
        fi
    done
done
exit "$failed"
