#!/usr/bin/env bash
# Makes the secrets of a group: random, versioned, straight into the swarm. What is there already stays as it is.
#
#   secrets.sh bus|routes|data|replication|identity|edge|site|observability|ops|all [VERSION]      VERSION is 1 unless said
#   SECRETS_TO=DIR secrets.sh …      writes files into DIR instead (for looking at, for a test)
#
# A group belongs together (a password and who uses it), so it is renewed together; stack/README.md says how, and `cargo dev secrets
# rotate` does it. Of `bus` and `data` the version after VERSION is made too: their servers accept it before anybody uses it. `edge` takes TLS_CERTIFICATE and TLS_KEY (files); without them it makes a certificate that
# no browser trusts.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
umask 077

domain=${DOMAIN:?say the domain of the box office}
group=${1:?say a group: bus, routes, data, replication, identity, edge, site, observability, ops or all}
version=${2:-1}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

password() { openssl rand -hex 24; }

# put NAME: keeps standard input as the secret NAME. A word stays without a line's end: not every program cuts it off.
put() {
    local name=$1 full=${1}_v$version content
    content=$(cat)
    case $content in
    *$'\n'*) printf '%s\n' "$content" ;;
    *) printf '%s' "$content" ;;
    esac >"$work/$name"
    if [[ -n ${SECRETS_TO:-} ]]; then
        mkdir -p "$SECRETS_TO"
        mv "$work/$name" "$SECRETS_TO/$name"
    else
        docker secret create --label "livehouse.group=$group" --label "livehouse.version=$version" "$full" "$work/$name" >/dev/null
        echo "$full: made"
        rm "$work/$name"
    fi
}

# whole NAME...: all of a group's secrets are there; some but not all is a mistake that is not guessed at
whole() {
    local there=0 name
    [[ -n ${SECRETS_TO:-} ]] && return 1
    for name in "$@"; do
        if docker secret inspect "${name}_v$version" >/dev/null 2>&1; then there=$((there + 1)); fi
    done
    ((there == 0)) && return 1
    if ((there < $#)); then
        echo "only $there of $# secrets of version $version are there ($*): remove them or take the next version" >&2
        exit 1
    fi
    echo "$*: version $version is there already"
}

# first_version NAME: what is made without NAME will do to begin with, and is no renewal of what somebody has put there since
first_version() {
    ((version == 1)) || { echo "$1 is not set, and version $version would be worse than the one before" >&2; exit 1; }
}

# Whose password it is: versions with odd numbers belong to one user, those with even ones to another with the same rights.
side() { if ((version % 2)); then echo odd; else echo even; fi; }

bus() {
    whole nats_users resgate_json {tickets,orders,identity,site}_nats_url && return
    local users="" resgate user secret url side
    side=$(side)
    resgate=$(<"$here/bus/resgate.json.template")
    for user in sys tickets orders identity site resgate; do
        secret=$(password)
        users+="${user^^}_${side^^}: \"$secret\""$'\n'
        case $user in
        tickets | orders | identity | site)
            url="nats://${user}_$side:$secret@nats-1:4222,nats://${user}_$side:$secret@nats-2:4222,nats://${user}_$side:$secret@nats-3:4222"
            put "${user}_nats_url" <<<"$url"
            ;;
        resgate)
            resgate=${resgate//@RESGATE@/resgate_$side:$secret}
            put resgate_json <<<"${resgate//@ORIGIN@/https://$domain}"
            ;;
        esac
    done
    put nats_users <<<"$users"
}

routes() {
    whole nats_routes && return
    local route template
    route=$(password)
    template=$(<"$here/bus/routes.conf.template")
    put nats_routes <<<"${template//@ROUTE@/$route}"
}

data() {
    whole postgres_roles {tickets,orders}_postgres_url {keycloak,sonarqube}_postgres_password keydb_users keydb_url && return
    local role secret roles="" hosts="postgres-1:5432,postgres-2:5432" side
    side=$(side)
    for role in tickets orders keycloak sonarqube; do
        secret=$(password)
        roles+="${role}=$secret"$'\n'
        case $role in
        tickets | orders)
            put "${role}_postgres_url" <<<"postgres://${role}_$side:$secret@$hosts/$role?target_session_attrs=read-write"
            ;;
        *) put "${role}_postgres_password" <<<"$secret" ;;
        esac
    done
    put postgres_roles <<<"$roles"
    secret=$(password)
    put keydb_users <<<"user livehouse_$side on >$secret ~* &* +@all"
    put keydb_url <<<"redis://livehouse_$side:$secret@keydb:6379/0"
}

replication() {
    whole {replicator,keeper}_postgres_password keydb_conf && return
    local secret
    for name in {replicator,keeper}_postgres_password; do put "$name" <<<"$(password)"; done
    secret=$(password)
    put keydb_conf <<<"requirepass $secret"$'\n'"masterauth $secret"
}

identity() {
    whole keycloak_admin_password oidc_{livehouse,operators,grafana,jenkins}_secret operators_cookie_secret && return
    local name
    for name in keycloak_admin_password oidc_{livehouse,operators,grafana,jenkins}_secret; do put "$name" <<<"$(password)"; done
    put operators_cookie_secret <<<"$(openssl rand -hex 16)"
}

edge() {
    whole tls_certificate tls_key && return
    local certificate=${TLS_CERTIFICATE:-} key=${TLS_KEY:-}
    if [[ -z $certificate ]]; then
        first_version "TLS_CERTIFICATE and TLS_KEY"
        certificate=$work/certificate.pem key=$work/key.pem
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=$domain" \
            -addext "subjectAltName=DNS:$domain,DNS:*.$domain" -keyout "$key" -out "$certificate" 2>/dev/null
        echo "no TLS_CERTIFICATE: made one that no browser trusts" >&2
    fi
    : "${key:?TLS_CERTIFICATE needs TLS_KEY}"
    put tls_certificate <"$certificate"
    put tls_key <"$key"
}

site() {
    whole session_key && return
    put session_key <<<"$(openssl rand -hex 32)"
}

observability() {
    whole grafana_admin_password alert_webhook_url && return
    [[ -n ${ALERT_WEBHOOK_URL:-} ]] || first_version ALERT_WEBHOOK_URL
    put grafana_admin_password <<<"$(password)"
    put alert_webhook_url <<<"${ALERT_WEBHOOK_URL:-http://127.0.0.1:1/nobody-is-told}"
}

ops() {
    whole portainer_admin_password registry_htpasswd && return
    command -v htpasswd >/dev/null || { echo "the registry needs htpasswd: apt-get install apache2-utils" >&2; exit 1; }
    local entry
    entry=$(htpasswd -niB livehouse <<<"${REGISTRY_PASSWORD:?say the password of the registry}")
    put portainer_admin_password <<<"$(password)"
    put registry_htpasswd <<<"$entry"
}

# make GROUP: its secrets of this version, and of the next where servers accept that already
make() {
    group=$1
    "$group"
    case $group in
    bus | data)
        version=$((version + 1))
        # A folder has files of one version.
        [[ -n ${SECRETS_TO:-} ]] || "$group"
        version=$((version - 1))
        ;;
    esac
}

groups="bus routes data replication identity edge site observability ops"
case " $groups all " in
*" $group "*) ;;
*)
    echo "there is no group $group: $groups" >&2
    exit 1
    ;;
esac
[[ $group == all ]] || groups=$group
for each in $groups; do make "$each"; done
