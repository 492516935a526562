#!/bin/sh
# The same objects as `sandbox up` makes, with bare docker commands one after another.
#
#   up-by-hand.sh up     make them, wait for the tool's first 200 through the gateway, attack it
#   up-by-hand.sh down   remove them
#   up-by-hand.sh tool   one bare `docker run` of the tool alone, to its first 200
#
# The benchmark reads what differs between templates off a sandbox that the product made, and
# passes it in the environment (hand.py); a missing variable ends the script.
set -eu

hardened() { # name image user memory(bytes) cpus pids
    name=$1 image=$2 user=$3 memory=$4 cpus=$5 pids=$6
    shift 6
    docker create --name "$name" --label "$LABEL" --user "$user" --entrypoint "" \
        --cap-drop ALL --security-opt no-new-privileges --read-only \
        --memory "$memory" --memory-swap "$memory" --cpus "$cpus" --pids-limit "$pids" \
        --dns "$GATEWAY_ADDRESS" \
        --shm-size 64m --log-driver json-file --log-opt max-size=1m --log-opt max-file=2 \
        "$@" >/dev/null
}

bounded() { # ends the script after too many tries of what should come soon
    tries=$((tries + 1))
    [ $tries -lt 500 ] || { echo "it does not answer; see: docker logs $NAME-tool" >&2; exit 1; }
}

wait_for() { # url, curl's options
    url=$1
    shift
    tries=0
    until curl -sf -o /dev/null -m 5 "$@" "$url"; do
        bounded
        sleep 0.03
    done
}

lease_files() {
    folder=$(mktemp -d)
    printf '%s\n' "$DEADLINE" >"$folder/deadline"
    printf '%s' "$PARAMETERS" >"$folder/parameters.json"
    printf '{"host": "%s", "port": 5432, "database": "lab", "user": "lab", "password": "%s"}' \
        "$LAB_ADDRESS" "$PASSWORD" >"$folder/lab.json"
    chmod 0444 "$folder/deadline" "$folder/parameters.json"
    chmod 0400 "$folder/lab.json"
    # Only a tar keeps the owners; `docker cp` of a folder makes them root's.
    tar -C "$folder" --owner 10001 --group 10001 -cf - deadline parameters.json lab.json |
        docker cp - "$NAME-lease:/run/sandbox"
    rm -rf "$folder"
}

route_file() {
    folder=$(mktemp -d)
    mkdir -m 0755 "$folder/$NAME"
    : >"$folder/$NAME/$TOKEN"
    tar -C "$folder" --owner 0 --group 0 -cf - "$NAME" | docker cp - "$GATEWAY:/routes"
    rm -rf "$folder"
}

lab_password() {
    tries=0
    until printf "ALTER ROLE lab PASSWORD '%s';\n" "$PASSWORD" |
        docker exec -i --user "$LAB_USER" "$NAME-lab" /usr/lib/postgresql/15/bin/psql \
            -X -q -v ON_ERROR_STOP=1 -h /tmp -U postgres -d lab >/dev/null 2>&1; do
        bounded
        sleep 0.03
    done
}

verify() {
    # shellcheck disable=SC2086 # words without spaces
    checks=$(printf '%s\n' "$FORBIDDEN" |
        docker exec -i "$NAME-tool" $CONFINED /opt/venv/bin/python -I -m sandbox_verify)
    case $checks in
    *'"held": false'*) echo "$checks" >&2; exit 1 ;;
    *'"held": true'*) ;;
    *) echo "sandbox_verify said: $checks" >&2; exit 1 ;;
    esac
}

up() {
    docker network create --label "$LABEL" --internal --subnet "$SUBNET" \
        --opt com.docker.network.bridge.inhibit_ipv4=true "$NAME" >/dev/null
    for part in lease work lab; do
        docker volume create --label "$LABEL" "$NAME-$part" >/dev/null
    done
    hardened "$NAME-lease" "$BASE_IMAGE" 10001:10001 16m 0.1 8 --network none \
        --volume "$NAME-lease:/run/sandbox" "$BASE_IMAGE" /bin/true
    lease_files
    # shellcheck disable=SC2086 # a command is words without spaces
    hardened "$NAME-tool" "$TOOL_IMAGE" "$TOOL_USER" "$TOOL_MEMORY" "$TOOL_CPUS" "$TOOL_PIDS" \
        --network "$NAME" --ip "$TOOL_ADDRESS" --env HOME=/tmp --tmpfs "$TOOL_TMPFS" \
        --add-host "tool:$TOOL_ADDRESS" --add-host "lab:$LAB_ADDRESS" \
        --volume "$NAME-lease:/run/sandbox:ro" --volume "$NAME-work:/work" \
        --volume "$REPLICA" "$TOOL_IMAGE" $TOOL_COMMAND
    docker start "$NAME-tool" >/dev/null
    # shellcheck disable=SC2086
    hardened "$NAME-lab" "$LAB_IMAGE" "$LAB_USER" "$LAB_MEMORY" "$LAB_CPUS" "$LAB_PIDS" \
        --network "$NAME" --ip "$LAB_ADDRESS" --tmpfs "$LAB_TMPFS" \
        --volume "$NAME-lease:/run/sandbox:ro" --volume "$NAME-lab:/lab" \
        "$LAB_IMAGE" $LAB_COMMAND
    docker start "$NAME-lab" >/dev/null
    docker network connect --ip "$GATEWAY_ADDRESS" "$NAME" "$GATEWAY"
    route_file
    lab_password
    wait_for "http://127.0.0.1:$GATEWAY_PORT$PROBE" \
        -H "Host: $NAME.localhost:$GATEWAY_PORT" -H "Cookie: sbx=$TOKEN"
    verify
}

down() {
    docker exec --user 0 "$GATEWAY" rm -r "/routes/$NAME"
    docker rm -f "$NAME-tool" "$NAME-lab" "$NAME-lease" >/dev/null
    docker network disconnect -f "$NAME" "$GATEWAY"
    docker network rm "$NAME" >/dev/null
    docker volume rm "$NAME-lease" "$NAME-work" "$NAME-lab" >/dev/null
}

tool() {
    # shellcheck disable=SC2086
    docker run -d --name "$NAME-tool" --label "$LABEL" --env HOME=/tmp \
        --publish "127.0.0.1:$TOOL_PORT:$INNER_PORT" "$TOOL_IMAGE" $BARE_COMMAND >/dev/null
    wait_for "http://127.0.0.1:$TOOL_PORT$PROBE"
}

"$1"
