# A client of livehandled for bash 4.4 or newer: source it. It needs jq and socat.
#
#   live_open [NAME]            connects, by the name of the program
#   live_call METHOD [PARAMS]   calls; $REPLY is the result, or with exit code 1 the error, as JSON
#   live_begin METHOD [PARAMS]  calls without waiting; the answer comes as an event, see below
#   live_register DECLARATIONS  carries functions of the model out; their calls come as events
#   live_subscribe TOPICS       subscribes to a JSON array of topics
#   live_next                   waits for the next event: $LIVE_TOPIC, and $LIVE_DATA as JSON
#   live_close                  closes the connection
#
# A lost connection is made again, the functions registered and the subscription gone on with. Beside
# the daemon's topics there are `client.disconnected`, `client.connected`, `client.reset` with the
# snapshot, and `client.result` and `client.error` with $LIVE_ID, the $REPLY of live_begin.

declare -A _live_flight=() # calls begun: `call` or `event`, by id
declare -A _live_answers=()
_live_queue=()
_live_id=0 _live_declarations='' _live_registration='' _live_topics='' _live_cursor=''

live_open() {
  trap '' PIPE # a lost connection is told by what is read
  _live_name=${1:-bash} _live_path=${LIVEHANDLE_SOCKET:-}
  if [[ -z $_live_path ]]; then
    _live_path=${XDG_RUNTIME_DIR:-/run/user/$UID}/livehandle/${LIVEHANDLE_INSTANCE:-default}.sock
  fi
  local _live_returning=yes # the first connection is made or not
  if ! { _live_connect && _live_hello; }; then
    echo "No daemon answers at $_live_path: start one with livehandled." >&2
    return 1
  fi
}

live_close() {
  exec {_live_out}>&- {_live_in}<&-
  wait "$_live_pid" 2>/dev/null || true
}

live_call() {
  _live_send call "$@"
  local id=$REPLY
  while [[ -z ${_live_answers[$id]:-} ]]; do
    _live_take || return 1
  done
  local kind=${_live_answers[$id]%% *}
  REPLY=${_live_answers[$id]#* }
  unset "_live_answers[$id]"
  [[ $kind == result ]]
}

live_begin() {
  _live_send event "$@"
}

live_register() {
  _live_declarations=$1
  live_call tools.register "{\"declarations\":$1}" || return
  _live_registration=$(jq .registration <<<"$REPLY")
}

live_subscribe() {
  _live_topics=$1 _live_cursor=''
  _live_resubscribe
}

live_next() {
  while ((${#_live_queue[@]} == 0)); do
    _live_take || return
  done
  { read -r LIVE_TOPIC; read -r LIVE_ID; LC_ALL=C read -r LIVE_DATA; } <<<"${_live_queue[0]}"
  _live_queue=("${_live_queue[@]:1}")
}

_live_connect() {
  [[ -z ${_live_pid:-} ]] || live_close
  coproc _live { exec socat -t 0 -b 65536 - "UNIX-CONNECT:$_live_path" 2>/dev/null; }
  _live_pid=$!
  # The array is gone as soon as the process is, so its descriptors are moved.
  { exec {_live_in}<&"${_live[0]}"- {_live_out}>&"${_live[1]}"-; } 2>/dev/null
}

_live_hello() {
  live_call daemon.hello "{\"client\":\"$_live_name\",\"max_line_bytes\":16777216}"
}

_live_send() { # call|event METHOD [PARAMS]
  local params=${3:-'{}'}
  REPLY=$((++_live_id))
  _live_flight[$REPLY]=$1
  # In JSON a newline is room between words, and here the end of a message.
  printf '{"jsonrpc":"2.0","id":%d,"method":"%s","params":%s}\n' \
    "$REPLY" "$2" "${params//$'\n'/ }" >&"$_live_out" 2>/dev/null || true
}

_live_event() { # TOPIC ID DATA
  _live_queue+=("$1"$'\n'"$2"$'\n'"$3")
}

_live_take() { # takes one line in, or makes a lost connection again
  local line fields message
  if ! LC_ALL=C IFS= read -r line <&"$_live_in"; then # the half of a line is thrown away
    _live_lost
    return
  fi
  # From a variable, for bash reads a pipe byte by byte.
  fields=$(jq -r 'if .method == "event" then .params
    | .topic, .subscription, .cursor, (.data | tojson)
    else if has("error") then "error" else "result" end, .id, null, (.error // .result | tojson)
    end' <<<"$line")
  LC_ALL=C mapfile -t message <<<"$fields"
  case ${message[0]:-} in
    '') ;;
    result | error) _live_answered "${message[@]}" ;;
    *)
      _live_event "${message[0]}" "" "${message[3]}"
      [[ ${message[1]} != "${_live_subscription:-none}" ]] || _live_cursor=${message[2]}
      [[ ${message[0]} != events.lagged ]] || _live_resubscribe
      ;;
  esac
}

_live_answered() { # result|error ID - JSON
  case ${_live_flight[$2]:-} in
    call) _live_answers[$2]="$1 $4" ;;
    event) _live_event "client.$1" "$2" "$4" ;;
  esac
  unset "_live_flight[$2]"
}

_live_lost() {
  local id delay=0.05
  local error='{"code":1903,"message":"The connection was lost.","data":{"name":"daemon.unreachable","retryable":true}}'
  for id in "${!_live_flight[@]}"; do # they may have been carried out: none is sent again
    _live_answered error "$id" - "$error"
  done
  [[ -z ${_live_returning:-} ]] || return 1
  _live_event client.disconnected "" "$error"
  local _live_returning=yes
  until _live_connect && _live_hello && _live_resume; do
    sleep "$delay"
    delay=$(jq -n "[$delay * 2, 2] | min")
  done
  _live_event client.connected "" '{}'
}

_live_resume() {
  if [[ -n $_live_registration ]]; then
    live_call tools.register "{\"registration\":$_live_registration}" ||
      { [[ $REPLY == *'"tools.unknown_registration"'* ]] && live_register "$_live_declarations"; } ||
      return
  fi
  [[ -z $_live_topics ]] || _live_resubscribe
}

_live_resubscribe() {
  local since='' reset snapshot
  [[ -z $_live_cursor ]] || since=",\"since\":\"$_live_cursor\""
  live_call events "{\"topics\":$_live_topics$since}" || return
  { read -r _live_subscription; read -r _live_cursor; read -r reset; LC_ALL=C read -r snapshot; } < <(
    jq -r '.subscription, .cursor, .reset // false, (.snapshot | tojson)' <<<"$REPLY"
  )
  [[ $reset == false ]] || _live_event client.reset "" "$snapshot"
}
