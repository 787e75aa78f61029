# A client of livehandled for bash 4.4 or newer: source it. It needs jq and socat.
#
#   live_open [NAME]            connects, by the name of the program
#   live_call METHOD [PARAMS]   calls; $REPLY is the result, or with exit code 1 the error, as JSON
#   live_begin METHOD [PARAMS]  calls without waiting; the answer comes as an event, see below
#   live_notify METHOD [PARAMS]  calls without an answer, from a subshell too
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
_live_id=0 _live_pid='' _live_in='' _live_out=''

live_open() {
  local tool _live_returning=yes # the first connection is made or not
  for tool in jq socat; do
    command -v "$tool" >/dev/null || { echo "livehandle.sh needs $tool: install it." >&2 && return 1; }
  done
  live_close
  _live_flight=() _live_answers=() _live_queue=()
  _live_declarations=() _live_registrations=() _live_topics='' _live_subscription='' _live_cursor=''
  _live_name=${1:-bash} _live_path=${LIVEHANDLE_SOCKET:-}
  [[ -n $_live_path ]] || _live_path=$(_live_directory)/livehandle/${LIVEHANDLE_INSTANCE:-default}.sock
  REPLY=$(_live_error daemon.unreachable 1903 "No daemon answers.")
  if ! { _live_connect && _live_hello; }; then
    _live_refused >&2
    live_close
    return 1
  fi
}

live_close() {
  [[ -n $_live_pid ]] || return 0
  [[ -z $_live_out ]] || exec {_live_out}>&-
  [[ -z $_live_in ]] || exec {_live_in}<&-
  # A subshell may hold the other end of the pipe, so that socat would not see its end.
  kill "$_live_pid" 2>/dev/null || true
  wait "$_live_pid" 2>/dev/null || true
  _live_pid='' _live_in='' _live_out=''
}

live_call() {
  _live_send call "$@" || return
  local id=$REPLY
  while [[ -z ${_live_answers[$id]:-} ]]; do
    _live_take || break # and the call has failed
  done
  local kind=${_live_answers[$id]%% *}
  REPLY=${_live_answers[$id]#* }
  unset "_live_answers[$id]"
  [[ $kind == result ]] || return # here, so that `set -e` ends the caller, and its trap is heard
}

live_begin() {
  _live_send event "$@" || return
}

live_notify() {
  _live_send '' "$@" || return
}

live_register() {
  live_call tools.register "{\"declarations\":$1}" || return
  _live_declarations+=("$1") _live_registrations+=("$(jq .registration <<<"$REPLY")")
}

live_subscribe() {
  local before=$_live_subscription
  _live_topics='' _live_subscription='' _live_cursor=''
  [[ -z $before ]] || live_call unsubscribe "{\"subscription\":\"$before\"}" || true
  _live_topics=$1
  _live_resubscribe || { _live_topics='' && return 1; }
}

live_next() {
  while ((${#_live_queue[@]} == 0)); do
    _live_take || return
  done
  { read -r LIVE_TOPIC; read -r LIVE_ID; LC_ALL=C read -r LIVE_DATA; } <<<"${_live_queue[0]}"
  _live_queue=("${_live_queue[@]:1}")
}

_live_directory() { # the daemon's: of this login, else one in /tmp
  local directory
  for directory in "${XDG_RUNTIME_DIR:-}" "/run/user/$EUID"; do
    if [[ -d $directory && -O $directory && $(stat -c %a "$directory") == 700 ]]; then
      echo "$directory"
      return
    fi
  done
  echo "${TMPDIR:-/tmp}/runtime-$EUID"
}

_live_connect() {
  live_close
  coproc _live { exec socat -t 0 -b 65536 - "UNIX-CONNECT:$_live_path" 2>/dev/null; }
  _live_pid=$!
  # The array is gone as soon as the process is, so its descriptors are moved.
  { exec {_live_in}<&"${_live[0]}"- {_live_out}>&"${_live[1]}"-; } 2>/dev/null
}

_live_hello() {
  live_call daemon.hello "$(jq -n --arg client "$_live_name" '{$client, max_line_bytes: 16777216}')" &&
    [[ $REPLY == *'"api_level":'* ]]
}

_live_refused() { # says why there is no first connection
  if [[ $REPLY != '{"code":'* ]]; then
    echo "What answers at $_live_path is not livehandled: give the daemon's own socket."
  elif [[ $REPLY != *'"daemon.unreachable"'* ]]; then
    jq -r .message <<<"$REPLY"
  elif ((${#_live_path} > 107)); then
    echo "The socket path is longer than 107 bytes: give a shorter one than $_live_path."
  elif [[ -e $_live_path && ! -w $_live_path ]]; then
    echo "You may not connect to $_live_path: become its owner, or see control.mode."
  else
    echo "No daemon answers at $_live_path: start one with livehandled."
  fi
}

_live_send() { # call|event|'' METHOD [PARAMS]; without a kind there is no answer
  local params=${3:-'{}'} message id=null
  if [[ -z $_live_pid ]]; then
    REPLY=$(_live_error daemon.unreachable 1903 "There is no connection: live_open makes one.")
    return 1
  fi
  [[ -z $1 ]] || id=$((++_live_id))
  if ! message=$(jq -cn --argjson id "$id" --arg method "$2" \
    '{jsonrpc: "2.0", $id, $method, params: input} | if $id then . else del(.id) end' \
    <<<"$params" 2>/dev/null); then
    REPLY=$(_live_error wire.invalid_params -32602 "The parameters of $2 are not JSON.")
    return 1
  fi
  [[ -z $1 ]] || _live_flight[$id]=$1
  # A lost connection is told by what is read.
  (trap '' PIPE && printf '%s\n' "$message" >&"$_live_out") 2>/dev/null || true
  REPLY=$id
}

_live_error() { # NAME CODE MESSAGE
  jq -cn --arg name "$1" --argjson code "$2" --arg message "$3" \
    '{$code, $message, data: {$name, retryable: ($name == "daemon.unreachable")}}'
}

_live_event() { # TOPIC ID DATA
  _live_queue+=("$1"$'\n'"$2"$'\n'"$3")
}

_live_take() { # takes one line in, or makes a lost connection again
  local line fields message
  [[ -n $_live_pid ]] || return
  # The half of a line is thrown away. To connect takes no longer than ten seconds.
  if ! LC_ALL=C IFS= read -r ${_live_returning:+-t 10} line <&"$_live_in"; then
    _live_lost
    return
  fi
  # From a variable, for bash reads a pipe byte by byte.
  if ! fields=$(jq -r 'if .method == "event" then .params
    | .topic, .subscription, .cursor, (.data | tojson)
    else if has("error") then "error" else "result" end, .id, null, (.error // .result | tojson)
    end' <<<"$line" 2>/dev/null); then # not livehandled
    _live_lost
    return
  fi
  LC_ALL=C mapfile -t message <<<"$fields"
  case ${message[0]:-} in
    '') ;;
    result | error) _live_answered "${message[@]}" ;;
    *)
      _live_event "${message[0]}" "" "${message[3]}"
      [[ ${message[1]} != "${_live_subscription:-none}" ]] || _live_cursor=${message[2]}
      [[ ${message[0]} != events.lagged ]] || _live_resubscribe || true
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
  local error
  error=$(_live_error daemon.unreachable 1903 "The connection was lost.")
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
  local i
  for i in "${!_live_declarations[@]}"; do
    live_call tools.register "{\"registration\":${_live_registrations[i]}}" ||
      { [[ $REPLY == *'"tools.unknown_registration"'* ]] &&
        live_call tools.register "{\"declarations\":${_live_declarations[i]}}"; } ||
      return
    _live_registrations[i]=$(jq .registration <<<"$REPLY")
  done
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
