#!/usr/bin/env bash
# Makes the networks that the stacks share. Again: nothing changes.
#
#   NETWORK_ENCRYPTED=0   where something below encrypts already, or the kernel has no ESP
#   NETWORK_MTU=1400      where the path between nodes takes less than 1500 bytes
set -euo pipefail

encrypted=${NETWORK_ENCRYPTED:-1}
mtu=${NETWORK_MTU:-}

# make NAME SUBNET [encrypted|plain] [internal|open]
make() {
    local name=$1 subnet=$2 secrecy=$3 reach=$4 options=()
    if docker network inspect "$name" >/dev/null 2>&1; then
        echo "$name: there already"
        return
    fi
    [[ $secrecy == encrypted && $encrypted == 1 ]] && options+=(--opt encrypted)
    [[ $reach == internal ]] && options+=(--internal)
    [[ -n $mtu ]] && options+=(--opt "com.docker.network.driver.mtu=$mtu")
    docker network create --driver overlay --subnet "$subnet" "${options[@]}" "$name" >/dev/null
    echo "$name: made ($subnet)"
}

# A /24 each: what an overlay takes well.
make livehouse_edge 10.90.1.0/24 encrypted open
make livehouse_bus 10.90.2.0/24 encrypted internal
make livehouse_data 10.90.3.0/24 encrypted internal
make livehouse_telemetry 10.90.4.0/24 encrypted internal
make livehouse_ops 10.90.5.0/24 encrypted open
