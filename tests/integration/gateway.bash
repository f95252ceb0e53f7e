# shellcheck shell=bash disable=SC2154 # bats sets status and output
# For tests of the gateway, loaded after helpers: a gateway in front of the server of start_server, and
# requests to it.
#
# Variables after start_gateway: GATEWAY_PID, REST_PORT, REST (the URL), GATEWAY_LOG.

# start_gateway [OPTION...]: on GATEWAY_ADDRESS, 127.0.0.1 if not set.
start_gateway() {
	local try name address=${GATEWAY_ADDRESS:-127.0.0.1}

	for name in "${!IMMUGW_@}" "${!AUDITOR_@}"; do
		unset "$name"
	done
	: "${GATEWAY_LOG:=$BATS_TEST_TMPDIR/gateway.log}"
	for ((try = 0; try < START_TRIES; try++)); do
		read -r REST_PORT < <(wait_for free-ports 1)
		: >"$GATEWAY_LOG"
		setpriv --pdeathsig KILL immugw --address "$address" --port "$REST_PORT" \
			--immudb-address 127.0.0.1 --immudb-port "$PORT" "$@" \
			>"$GATEWAY_LOG" 2>&1 </dev/null 3>&- &
		GATEWAY_PID=$!
		REST=http://127.0.0.1:$REST_PORT
		wait_for text "$GATEWAY_LOG" '^immugw serves' "$WAIT_SECONDS" "$GATEWAY_PID" && return 0
		grep -qi 'in use\|cannot bind' "$GATEWAY_LOG" || break
	done
	echo "immugw did not start; its output:"
	cat "$GATEWAY_LOG"
	return 1
}

# stop_gateway: as an operator would; fails unless it ended in time and cleanly.
stop_gateway() {
	local pid=$GATEWAY_PID status=0

	GATEWAY_PID=
	kill -TERM "$pid"
	if ! wait_for exit "$pid" "$WAIT_SECONDS"; then
		kill -KILL "$pid"
		echo "immugw did not stop"
		return 1
	fi
	wait "$pid" || status=$?
	[[ $status == 0 || $status == 127 ]] && return 0
	echo "immugw ended with status $status; its output:"
	cat "$GATEWAY_LOG"
	return 1
}

# drop_gateway: for teardown.
drop_gateway() {
	if [[ -n ${GATEWAY_PID:-} ]]; then
		kill -KILL "$GATEWAY_PID" 2>/dev/null || true
		wait "$GATEWAY_PID" 2>/dev/null || true
		GATEWAY_PID=
	fi
	if [[ -z ${BATS_TEST_COMPLETED:-} && -s ${GATEWAY_LOG:-} ]]; then
		echo "last lines of ${GATEWAY_LOG##*/}:"
		tail -n 12 "$GATEWAY_LOG"
	fi
}

# b64 TEXT: its base64.
b64() {
	printf '%s' "$1" | base64 -w0
}

# api STATUS METHOD PATH [JSON]: sends a request with TOKEN, if that is set; the answer must have that
# status; its body goes to $output.
api() {
	local expected=$1 method=$2 path=$3 arguments=()

	[[ -z ${TOKEN:-} ]] || arguments+=(-H "Authorization: $TOKEN")
	(($# < 4)) || arguments+=(--data-binary "$4")
	status=$(curl -sS -o answer.body -D answer.head -w '%{http_code}' -X "$method" \
		"${arguments[@]}" "$REST$path") || return 1
	output=$(<answer.body)
	expect_status "$expected"
}

# log_in [USER [PASSWORD]]: sets TOKEN.
log_in() {
	TOKEN=
	api 200 POST /login "{\"user\":\"$(b64 "${1:-immudb}")\",\"password\":\"$(b64 "${2:-immudb}")\"}"
	TOKEN=$(jq -r .token <<<"$output")
}

# set_key KEY VALUE, and get_key KEY: its value.
set_key() {
	api 200 POST /db/set "{\"KVs\":[{\"key\":\"$(b64 "$1")\",\"value\":\"$(b64 "$2")\"}]}"
}

get_key() {
	api 200 GET "/db/get/$(b64 "$1" | tr +/ -_)"
	jq -r .value <<<"$output" | base64 -d
}

# field FILTER: what jq says of the last answer.
field() {
	jq -r "$1" <<<"$output"
}
